"""The mirrored structs are those of the installed library, and another layout is refused."""

import ctypes
import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

from edge_llasm.errors import EngineError
from edge_llasm.speech import whisper_lib
from edge_llasm.speech.whisper_lib import (
    AUDIO_CTX,
    ContextParams,
    FullParams,
    WhisperLibrary,
    check_layout,
    has_gpu_code,
    load_library,
)


def test_the_installed_library_is_supported() -> None:
    library = load_library()
    assert library.version.startswith("1.8.")
    assert library is load_library()
    check_layout(library)


def test_the_sizes_of_the_structs() -> None:
    assert ctypes.sizeof(ContextParams) == 48
    assert ctypes.sizeof(FullParams) == 304


def test_a_field_is_set_where_it_stands() -> None:
    params = load_library().full_params()
    before = bytes(params)
    params.set_int(AUDIO_CTX, 0x01020304)
    changed = [index for index, (a, b) in enumerate(zip(before, bytes(params), strict=True)) if a != b]
    assert changed == [AUDIO_CTX, AUDIO_CTX + 1, AUDIO_CTX + 2, AUDIO_CTX + 3]


class ShiftedFull(WhisperLibrary):
    """A library whose whisper_full_params has one more field in front."""

    def full_params(self) -> FullParams:
        return FullParams.from_buffer_copy(b"\0" * 8 + bytes(super().full_params())[:-8])


class OtherContext(WhisperLibrary):
    """A library whose whisper_context_params has lost flash_attn."""

    def context_params(self) -> ContextParams:
        params = bytearray(bytes(super().context_params()))
        del params[1]
        return ContextParams.from_buffer_copy(bytes(params) + b"\0")


@pytest.mark.parametrize("kind", [ShiftedFull, OtherContext])
def test_another_layout_names_the_supported_versions(kind: type[WhisperLibrary]) -> None:
    library = load_library()
    with pytest.raises(EngineError, match=r"lays out .*install pywhispercpp 1\.5"):
        check_layout(kind(library.cdll, library.version))


def test_another_version_names_the_supported_versions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(whisper_lib, "VERSION", "2.")
    load_library.cache_clear()
    with pytest.raises(EngineError, match=r"is not supported; install pywhispercpp 1\.5"):
        load_library()
    monkeypatch.undo()
    load_library.cache_clear()


def test_a_build_without_gpu_code_is_told_by_its_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    spec = importlib.util.spec_from_file_location("_pywhispercpp", tmp_path / "_pywhispercpp.py")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: spec)
    (tmp_path / "pywhispercpp.libs").mkdir()
    (tmp_path / "pywhispercpp.libs" / "libggml-cpu-67036419.so.0.13.1").touch()
    assert not has_gpu_code()
    cuda = tmp_path / "pywhispercpp.libs" / "libggml-cuda-1ab89ae8.so.0.13.1"
    cuda.touch()
    assert has_gpu_code()
    cuda.rename(tmp_path / "libggml-cuda.so")
    assert has_gpu_code()
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert has_gpu_code()  # the library itself says what is wrong


@pytest.mark.skipif(has_gpu_code(), reason="this build may know a GPU")
def test_a_cpu_that_hears_by_onnx_never_loads_whisper_cpp() -> None:
    code = (
        "import sys; from edge_llasm.devices import choose_devices; "
        "print(choose_devices(has_onnx=True).speech.engine, '_pywhispercpp' in sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == "onnx False\n"
