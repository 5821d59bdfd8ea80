"""Loads llama-cpp-python, and keeps its log quiet."""

from __future__ import annotations

import importlib
import re
from functools import cache
from typing import Any

from edge_llasm.errors import EngineError
from edge_llasm.native_log import WARNING, NativeLog

__all__ = ["library_version", "load_library", "log"]

OLDEST, NEWER = (0, 3, 36), (0, 4)
"""llama-cpp-python from the first on, below the second: the C structs differ elsewhere."""
INSTALL = 'pip install "llama-cpp-python>=0.3.36,<0.4"'

log = NativeLog(worst_ignored=WARNING)
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
    lib.llama_log_set(
        _callback(lib), None
    )  # before anything else: asking a GPU build for its devices makes it talk
    lib.llama_backend_init()
    return lib


def library_version() -> str:
    """Of llama-cpp-python, which must be installed."""
    return str(importlib.import_module("llama_cpp").__version__)


@cache
def _callback(lib: Any) -> Any:
    """Kept for as long as the library may call it."""
    return lib.llama_log_callback(log.take)
