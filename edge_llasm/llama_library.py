"""Loads llama-cpp-python, and keeps its log quiet."""

from __future__ import annotations

import ctypes
import importlib.util
import re
import sys
from functools import cache
from pathlib import Path
from typing import Any

from edge_llasm.errors import EngineError
from edge_llasm.native_log import WARNING, NativeLog

__all__ = ["library_version", "ggml_function", "load_ggml", "load_library", "log"]

PACKAGE, GGML = "llama_cpp", "llama_cpp._ggml"

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
        version, lib = _bindings()
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
    return _bindings()[0]


@cache
def _bindings() -> tuple[str, Any]:
    """The version, and the module of the C API alone.

    The package around it imports what nobody here needs, templates, caches and chat formats, which takes several
    times as long as the C API. So that one is imported while the package is there in name only; whoever imports the
    package afterwards gets all of it. Raises ImportError, and what loading a library raises.
    """
    if PACKAGE in sys.modules:
        importlib.import_module(GGML)
        return sys.modules[PACKAGE].__version__, importlib.import_module(f"{PACKAGE}.llama_cpp")
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(f"No module named {PACKAGE!r}", name=PACKAGE)
    sys.modules[PACKAGE] = importlib.util.module_from_spec(spec)
    try:
        lib = importlib.import_module(f"{PACKAGE}.llama_cpp")
        importlib.import_module(GGML)
    finally:
        del sys.modules[PACKAGE]
    said = re.search(r'^__version__ = "(.+)"', Path(spec.origin).read_text("utf-8"), re.MULTILINE)
    return said[1] if said else "", lib


def load_ggml() -> Any:
    """llama.cpp's ggml, as ctypes loaded it. Raises EngineError."""
    load_library()
    return sys.modules[GGML].libggml


def ggml_function(name: str) -> Any:
    """A function of ggml's own headers, which no binding declares; None where it cannot be reached.

    Each call gives one of its own, whose types may be set.
    """
    ggml = load_ggml()
    for place in (ggml._name, str(Path(ggml._name).with_name("ggml-base.dll"))):
        try:  # Windows looks a name up in one library, others in those that it was linked to as well
            return ctypes.CDLL(place)[name]
        except (OSError, AttributeError):
            continue
    return None


@cache
def _callback(lib: Any) -> Any:
    """Kept for as long as the library may call it."""
    return lib.llama_log_callback(log.take)
