"""Which engine hears, and which device each of the three stages computes on: auto | cpu | metal | cuda.

An engine can use what its installed build supports; asking for a device that one of the engines lacks leaves
that engine on the CPU and says so, asking for one that none has is an error.
"""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from typing import Any

from edge_llasm.errors import DeviceError, EngineError

DEVICES = ("auto", "cpu", "metal", "cuda")
"""What a user may ask for."""
SPEECH_ENGINES = ("auto", "onnx", "whisper.cpp")
"""What may be asked to hear."""
_GPU_TYPES = (1, 2)
"""ggml_backend_dev_type: GPU with memory of its own, GPU that shares the host's"""
_REGISTRIES = {"cuda": "cuda", "metal": "metal", "mtl": "metal"}
"""Beginnings of ggml's backend names -> our names"""


@dataclass(frozen=True)
class EngineDevice:
    """The device that one engine uses."""

    engine: str
    """onnx or whisper.cpp hears, onnxruntime adapts, llama.cpp answers"""
    device: str
    """cpu, metal or cuda"""
    why: str
    """one phrase, for people"""


@dataclass(frozen=True)
class Devices:
    """The devices of a loaded model, in the order in which a turn passes them."""

    speech: EngineDevice
    adapter: EngineDevice
    llm: EngineDevice

    @property
    def name(self) -> str:
        """One word for all: where the language model, by far the largest part, runs."""
        return self.llm.device

    def summary(self) -> str:
        """One word when all agree, otherwise each engine with its device."""
        parts = (self.speech, self.adapter, self.llm)
        if len({part.device for part in parts}) == 1:
            return self.name
        return ", ".join(f"{part.engine} on {part.device}" for part in parts)

    def describe(self) -> str:
        """Each engine with its device and the reason."""
        parts = {"speech": self.speech, "adapter": self.adapter, "answers": self.llm}
        return "; ".join(
            f"{what}: {part.engine} on {part.device} ({part.why})" for what, part in parts.items()
        )


def choose_devices(wanted: str = "auto", speech: str = "auto", *, has_onnx: bool = False) -> Devices:
    """What each engine takes; `has_onnx`: the model has a speech.onnx.

    Raises DeviceError when no installed build supports `wanted`, EngineError.
    """
    heard_by = speech_device(wanted, speech, has_onnx=has_onnx)
    chosen = Devices(heard_by, adapter_device(wanted), llm_device(wanted))
    if wanted not in ("auto", "cpu") and wanted not in (chosen.speech.device, chosen.llm.device):
        raise DeviceError(
            f"no installed build can use {wanted}; choose cpu, or build llama.cpp for it as the README says"
        )
    return chosen


def speech_device(wanted: str = "auto", engine: str = "auto", *, has_onnx: bool = False) -> EngineDevice:
    """What hears: on a GPU whisper.cpp, on a CPU onnx, which is several times faster there, if the model has it.

    Raises EngineError for a word that is no engine, or for an engine without its file, DeviceError.
    """
    if engine not in SPEECH_ENGINES:
        raise EngineError(f"no speech engine is called {engine!r}; choose one of {', '.join(SPEECH_ENGINES)}")
    if engine == "onnx" and not has_onnx:
        raise EngineError("this model has no speech.onnx; choose whisper.cpp, or convert it again")
    if engine == "onnx":
        return take("onnx", wanted, ("cpu",))
    whisper = take("whisper.cpp", wanted, whisper_devices())
    if engine == "auto" and has_onnx and whisper.device == "cpu":
        return EngineDevice("onnx", "cpu", "the fastest on a CPU")
    return whisper


def adapter_device(wanted: str = "auto") -> EngineDevice:
    """Never metal: Core ML would round one small matrix product to half precision for nothing."""
    return take("onnxruntime", wanted, onnx_devices())


def llm_device(wanted: str = "auto") -> EngineDevice:
    return take("llama.cpp", wanted, llama_devices())


def engine_devices(engine: str) -> tuple[str, ...]:
    """What an engine's installed build supports, best first. Raises EngineError when there is none."""
    return {"whisper.cpp": whisper_devices, "onnxruntime": onnx_devices, "llama.cpp": llama_devices}[engine]()


def whisper_devices() -> tuple[str, ...]:
    """Devices of the installed pywhispercpp. Raises EngineError when there is none."""
    from edge_llasm.speech.whisper_lib import has_gpu_code, load_library

    if not has_gpu_code():
        return ("cpu",)
    return _ggml_devices(load_library().cdll)


def onnx_devices() -> tuple[str, ...]:
    """Devices of the installed onnxruntime. Raises EngineError when there is none."""
    return ("cuda", "cpu") if "CUDAExecutionProvider" in onnxruntime().get_available_providers() else ("cpu",)


def llama_devices() -> tuple[str, ...]:
    """Devices of the installed llama-cpp-python. Raises EngineError when there is none."""
    from edge_llasm.llama_library import load_ggml, load_library

    return _ggml_devices(load_ggml()) if load_library().llama_supports_gpu_offload() else ("cpu",)


def onnxruntime() -> Any:
    """The module. Raises EngineError when it cannot be loaded."""
    try:
        import onnxruntime as module
    except (ImportError, OSError) as error:
        raise EngineError(
            f"onnxruntime cannot be loaded ({error}); install it: pip install onnxruntime"
        ) from error
    return module


def take(engine: str, wanted: str, supported: tuple[str, ...]) -> EngineDevice:
    """Of what a build supports, best first, the device to use. Raises DeviceError for a word that is no device."""
    if wanted not in DEVICES:
        raise DeviceError(f"no device is called {wanted!r}; choose one of {', '.join(DEVICES)}")
    if wanted == "auto":
        why = "the best that its build supports" if len(supported) > 1 else "its build supports no other"
        return EngineDevice(engine, supported[0], why)
    if wanted in supported:
        return EngineDevice(engine, wanted, "as asked")
    return EngineDevice(engine, "cpu", f"its build does not support {wanted}")


def _ggml_devices(library: ctypes.CDLL) -> tuple[str, ...]:
    """Names of the GPUs in ggml's registry that are really there, best first, then cpu (ggml-backend.h)."""
    pointer = ctypes.c_void_p
    try:
        count, get = library.ggml_backend_dev_count, library.ggml_backend_dev_get
        kind, registry = library.ggml_backend_dev_type, library.ggml_backend_dev_backend_reg
        name = library.ggml_backend_reg_name
    except AttributeError as error:
        raise EngineError(
            f"this build of ggml has no device registry ({error}); install the version in README"
        ) from error
    count.restype, count.argtypes = ctypes.c_size_t, []
    get.restype, get.argtypes = pointer, [ctypes.c_size_t]
    kind.restype, kind.argtypes = ctypes.c_int, [pointer]
    registry.restype, registry.argtypes = pointer, [pointer]
    name.restype, name.argtypes = ctypes.c_char_p, [pointer]
    found: list[str] = []
    for index in range(count()):
        device = get(index)
        if kind(device) not in _GPU_TYPES:
            continue
        backend = (name(registry(device)) or b"").decode("utf-8", "replace").lower()
        found += [
            ours for theirs, ours in _REGISTRIES.items() if backend.startswith(theirs) and ours not in found
        ]
    return (*found, "cpu")
