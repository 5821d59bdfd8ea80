"""whisper.cpp's C API by ctypes, from the library inside the pywhispercpp wheel.

pywhispercpp's own binding of whisper_decode and whisper_get_logits handles one number at a time. Mirrored here
are two structs, whose layout is checked against their known defaults at load (whisper.h of whisper.cpp 1.8.5).
"""

from __future__ import annotations

import ctypes
import importlib.util
import platform
import struct
import sys
from ctypes import POINTER, c_bool, c_char_p, c_float, c_int, c_size_t, c_void_p
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from edge_llasm.errors import EngineError
from edge_llasm.native_log import INFO, NativeLog

SUPPORTED = "pywhispercpp 1.5.x (whisper.cpp 1.8)"
VERSION = "1.8."
GREEDY = 0
"""whisper_sampling_strategy"""

LogCallback = ctypes.CFUNCTYPE(None, c_int, c_char_p, c_void_p)


class ContextParams(ctypes.Structure):
    """whisper_context_params"""

    _fields_ = (
        ("use_gpu", c_bool),
        ("flash_attn", c_bool),
        ("gpu_device", c_int),
        ("dtw_token_timestamps", c_bool),
        ("dtw_aheads_preset", c_int),
        ("dtw_n_top", c_int),
        ("dtw_n_heads", c_size_t),
        ("dtw_heads", c_void_p),
        ("dtw_mem_size", c_size_t),
    )


class FullParams(ctypes.Structure):
    """whisper_full_params: opaque, but for the fields named by their offsets below."""

    _fields_ = (("words", ctypes.c_uint64 * 38),)  # 304 bytes, aligned as the C struct is

    def set_int(self, offset: int, value: int) -> None:
        ctypes.c_int.from_buffer(self, offset).value = value


N_THREADS, DURATION_MS, AUDIO_CTX = 4, 16, 56
"""Byte offsets of the fields that are set here."""
_FULL_DEFAULTS: tuple[tuple[int, str, float], ...] = (
    (0, "i", 0),  # strategy
    (8, "i", 16384),  # n_max_text_ctx
    (12, "i", 0),  # offset_ms
    (DURATION_MS, "i", 0),
    (32, "f", 0.01),  # thold_pt
    (36, "f", 0.01),  # thold_ptsum
    (AUDIO_CTX, "i", 0),
    (132, "f", 2.4),  # entropy_thold
    (280, "f", 0.5),  # vad_params.threshold
    (284, "i", 250),  # vad_params.min_speech_duration_ms
    (300, "f", 0.1),  # vad_params.samples_overlap: the last field
)


@dataclass(frozen=True)
class WhisperLibrary:
    """The loaded library with its functions typed.

    Default parameters are copied from the library's own memory: a struct that is longer in another version must
    not be written over ours before the layout is checked.
    """

    cdll: ctypes.CDLL
    version: str

    def context_params(self) -> ContextParams:
        """The library's defaults."""
        pointer = self.cdll.whisper_context_default_params_by_ref()
        try:
            return ContextParams.from_buffer_copy(pointer.contents)
        finally:
            self.cdll.whisper_free_context_params(pointer)

    def full_params(self) -> FullParams:
        """The library's defaults for greedy search."""
        pointer = self.cdll.whisper_full_default_params_by_ref(GREEDY)
        try:
            return FullParams.from_buffer_copy(pointer.contents)
        finally:
            self.cdll.whisper_free_params(pointer)


log = NativeLog(worst_ignored=INFO)
"""One per process, as the library has one log. whisper.cpp says what is wrong with a file as a warning."""
_log_callback = LogCallback(log.take)  # kept: native code holds on to it


@cache
def load_library() -> WhisperLibrary:
    """Load once, silently; check version and layout. Raises EngineError that names the supported versions."""
    try:
        import _pywhispercpp
    except (ImportError, OSError) as error:
        raise EngineError(
            f"whisper.cpp cannot be loaded ({error}); install it: pip install 'pywhispercpp==1.5.*'"
        ) from error
    cdll = ctypes.CDLL(str(_library_path(Path(_pywhispercpp.__file__))))
    try:
        _declare(cdll)
        version = cdll.whisper_version().decode()
    except AttributeError as error:
        raise EngineError(
            f"the installed whisper.cpp is not supported ({error}); install {SUPPORTED}"
        ) from error
    if not version.startswith(VERSION):
        raise EngineError(f"whisper.cpp {version} is not supported; install {SUPPORTED}")
    cdll.whisper_log_set(
        _log_callback, None
    )  # before anything else: asking a GPU build for its devices makes it talk
    library = WhisperLibrary(cdll, version)
    check_layout(library)
    return library


def has_gpu_code() -> bool:
    """Whether the installed build may know any GPU; False spares a process that hears by onnx the whole library.

    Metal belongs to every build on macOS; ggml keeps CUDA in a library of its own. True where nothing is installed,
    which `load_library` explains.
    """
    spec = importlib.util.find_spec("_pywhispercpp")
    if sys.platform != "linux" or spec is None or spec.origin is None:
        return True
    place = Path(spec.origin).parent
    return any(any(folder.glob("libggml-cuda*")) for folder in (place, place / "pywhispercpp.libs"))


def _library_path(extension: Path) -> Path:
    """dlsym searches the extension's dependencies on Linux and macOS; Windows needs the DLL itself."""
    if platform.system() != "Windows":
        return extension
    folders = (extension.parent, extension.parent / "pywhispercpp.libs")
    found = [path for folder in folders for path in sorted(folder.glob("*whisper*.dll"))]
    return found[0] if found else extension


def _declare(cdll: ctypes.CDLL) -> None:
    floats = POINTER(c_float)
    cdll.whisper_version.restype = c_char_p
    cdll.whisper_context_default_params_by_ref.restype = POINTER(ContextParams)
    cdll.whisper_free_context_params.restype = None
    cdll.whisper_free_context_params.argtypes = [POINTER(ContextParams)]
    cdll.whisper_full_default_params_by_ref.restype = POINTER(FullParams)
    cdll.whisper_full_default_params_by_ref.argtypes = [c_int]
    cdll.whisper_free_params.restype = None
    cdll.whisper_free_params.argtypes = [POINTER(FullParams)]
    cdll.whisper_init_from_file_with_params.restype = c_void_p
    cdll.whisper_init_from_file_with_params.argtypes = [c_char_p, ContextParams]
    cdll.whisper_free.restype = None
    cdll.whisper_free.argtypes = [c_void_p]
    cdll.whisper_full.restype = c_int
    cdll.whisper_full.argtypes = [c_void_p, FullParams, floats, c_int]
    cdll.whisper_encode.restype = c_int
    cdll.whisper_encode.argtypes = [c_void_p, c_int, c_int]
    cdll.whisper_decode.restype = c_int
    cdll.whisper_decode.argtypes = [c_void_p, POINTER(c_int), c_int, c_int, c_int]
    cdll.whisper_get_logits.restype = floats
    cdll.whisper_get_logits.argtypes = [c_void_p]
    cdll.whisper_log_set.restype = None
    cdll.whisper_log_set.argtypes = [LogCallback, c_void_p]
    for name in ("n_vocab", "n_audio_ctx", "n_text_ctx", "n_text_state", "n_mels"):
        function = getattr(cdll, f"whisper_model_{name}")
        function.restype, function.argtypes = c_int, [c_void_p]


def check_layout(library: WhisperLibrary) -> None:
    """Known defaults must stand where the mirrored structs expect them. Raises EngineError."""
    params = library.context_params()
    found = (
        params.use_gpu,
        params.flash_attn,
        params.gpu_device,
        params.dtw_token_timestamps,
        params.dtw_aheads_preset,
        params.dtw_n_top,
        params.dtw_n_heads,
        params.dtw_heads,
        params.dtw_mem_size,
    )
    if found != (True, True, 0, False, 0, -1, 0, None, 128 << 20):
        raise EngineError(
            f"whisper.cpp {library.version} lays out whisper_context_params differently; install {SUPPORTED}"
        )
    full = bytes(library.full_params())
    for offset, code, wanted in _FULL_DEFAULTS:
        value = struct.unpack_from("=" + code, full, offset)[0]
        if abs(value - wanted) > 1e-6:
            raise EngineError(
                f"whisper.cpp {library.version} lays out whisper_full_params differently (at {offset}: "
                f"{value}, not {wanted}); install {SUPPORTED}"
            )
