"""Loads llama-cpp-python, keeps its log quiet, and says which devices it was built for."""

from __future__ import annotations

import importlib
import re
import sys
from collections import deque
from typing import Any

from edge_llasm.devices import llama_devices
from edge_llasm.errors import DeviceError, EngineError

__all__ = ["load_library", "log", "pick_device"]

OLDEST, NEWER = (0, 3, 36), (0, 4)
"""llama-cpp-python from the first on, below the second: the C structs differ elsewhere."""
INSTALL = 'pip install "llama-cpp-python>=0.3.36,<0.4"'
ERROR_LEVEL = 4
"""ggml_log_level, from ggml.h: 1 debug, 2 info, 3 warning, 4 error, 5 continues the line before"""


class NativeLog:
    """Takes llama.cpp's log lines: the last errors are kept for messages, all are shown when verbose."""

    def __init__(self) -> None:
        self.verbose = False
        self._errors: deque[str] = deque(maxlen=8)
        self._callback: Any = None

    def install(self, lib: Any) -> None:
        """Once per process: the callback lives as long as the library may call it."""
        if self._callback is None:
            self._callback = lib.llama_log_callback(self._take)
        lib.llama_log_set(self._callback, None)

    def clear(self) -> None:
        """Forget the errors so far."""
        self._errors.clear()

    def last_error(self) -> str:
        """The newest errors as one line."""
        return "; ".join(self._errors) or "it gave no reason; try --verbose"

    def _take(self, level: int, text: bytes | None, _: object) -> None:
        line = (text or b"").decode("utf-8", "replace")
        if self.verbose:
            sys.stderr.write(line)
        if level == ERROR_LEVEL and line.strip():
            self._errors.append(line.strip())


log = NativeLog()
"""One per process, as the library has one log."""


def load_library(verbose: bool | None = None) -> Any:
    """The module llama_cpp.llama_cpp, ready for use; `verbose` None leaves its log as it is, at first silent.

    Raises EngineError with the line that installs it.
    """
    try:
        version = importlib.import_module("llama_cpp").__version__
        lib = importlib.import_module("llama_cpp.llama_cpp")
    except ImportError as error:
        raise EngineError(f"llama-cpp-python is not installed: {INSTALL}") from error
    except (OSError, RuntimeError) as error:
        raise EngineError(f"llama-cpp-python is broken ({error}): reinstall it by {INSTALL}") from error
    numbers = tuple(int(n) for n in re.findall(r"\d+", version)[:3])
    if not OLDEST <= numbers < NEWER:
        raise EngineError(f"llama-cpp-python {version} is not supported: {INSTALL}")
    if verbose is not None:
        log.verbose = verbose
    log.install(lib)  # before anything else: asking a GPU build for its devices makes it talk
    lib.llama_backend_init()
    return lib


def pick_device(device: str) -> str:
    """auto | cpu | metal | cuda -> the one to use. Raises DeviceError if this build or machine cannot."""
    usable = llama_devices()
    if device == "auto":
        return usable[0]
    if device not in usable:
        raise DeviceError(
            f"the installed llama-cpp-python runs on {' and '.join(usable)}, not on {device}: "
            f"choose one of these, or build it for {device} as the README says"
        )
    return device
