"""Both halves of a bundle are loaded at the same time: nothing unchecked is opened, nothing opened is left behind."""

import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edge_llasm import checked, loading, silero, verify
from edge_llasm.bundle import Bundle
from edge_llasm.errors import BundleError, DeviceError, EngineError
from edge_llasm.llm import Llm
from edge_llasm.loading import load_parts
from edge_llasm.speech import SpeechEmbedder

PATIENCE_S = 30
ALL = ["speech.bin", "speech.onnx", "speech.weights", "adapter.onnx", "llm.gguf"]


@pytest.fixture
def copy(tmp_path: Path, tiny_bundle: Path) -> Path:
    return Path(shutil.copytree(tiny_bundle, tmp_path / "copy"))


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that remembers what was checked, even a moment ago."""
    monkeypatch.setenv("EDGE_LLASM_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(checked, "SETTLED_NS", -1)
    return tmp_path / "home"


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The halves as they are opened, by their names."""
    found: dict[str, Any] = {}

    def noting(name: str, opens: Callable[..., Any]) -> Callable[..., Any]:
        def noted(*arguments: Any, **options: Any) -> Any:
            found[name] = opens(*arguments, **options)
            return found[name]

        return noted

    monkeypatch.setattr(SpeechEmbedder, "open", noting("speech", SpeechEmbedder.open))
    monkeypatch.setattr(Llm, "load", noting("llm", Llm.load))
    return found


def wait_for(found: dict[str, Any], name: str) -> None:
    end = threading.Event()
    for _ in range(100 * PATIENCE_S):
        if name in found:
            return
        end.wait(0.01)
    raise AssertionError(f"{name} was never opened")


def change(path: Path) -> None:
    """One bit in the middle; the size stays."""
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def load(folder: Path, **options: Any) -> None:
    load_parts(Bundle.load(folder), device="cpu", **options).close()


def test_progress_rises_to_one_and_is_told_by_one_thread_at_a_time(tiny_bundle: Path) -> None:
    shares: list[float] = []
    inside = threading.Lock()

    def progress(share: float) -> None:
        assert inside.acquire(blocking=False)
        shares.append(share)
        inside.release()

    load(tiny_bundle, progress=progress)
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
    assert len(set(shares)) > 4


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("speech", ["onnx", "whisper.cpp"])
def test_what_is_opened_is_checked_and_nothing_else_is_read(
    copy: Path, home: Path, name: str, speech: str
) -> None:
    change(copy / name)
    unused = {"onnx": ["speech.bin"], "whisper.cpp": ["speech.onnx", "speech.weights"]}
    if name in unused[speech]:
        load(copy, speech=speech)
        return
    for _ in range(2):  # the second time from memory
        with pytest.raises(BundleError, match=f"{name} was altered") as caught:
            load(copy, speech=speech)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ALL[1:])
def test_a_file_is_read_once_until_it_changes(
    copy: Path, home: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    load(copy)
    with monkeypatch.context() as without:
        without.setattr(verify.hashlib, "sha256", None)
        load(copy)
    change(copy / name)
    with pytest.raises(BundleError, match=f"{name} was altered"):
        load(copy)
    change(copy / name)
    load(copy)


def test_a_file_that_was_exchanged_is_read(copy: Path, home: Path, tiny_bundle: Path) -> None:
    load(copy)
    other = copy / "other"
    shutil.copy(copy / "llm.gguf", other)
    change(other)
    other.replace(copy / "llm.gguf")
    with pytest.raises(BundleError, match=r"llm\.gguf was altered"):
        load(copy)


def test_a_missing_part_is_told_before_anything_is_read(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (copy / "llm.gguf").unlink()
    monkeypatch.setattr(verify, "_sha256", None)
    with pytest.raises(BundleError, match=r"llm\.gguf is missing"):
        load(copy)


def test_what_hears_is_closed_when_the_language_model_fails(
    tiny_bundle: Path, opened: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: Any, **__: Any) -> None:
        wait_for(opened, "speech")
        raise EngineError("no memory")

    monkeypatch.setattr(loading.Llm, "load", fails)
    with pytest.raises(EngineError, match="no memory"):
        load(tiny_bundle)
    assert_closed(opened["speech"])


def test_the_language_model_is_closed_when_what_hears_fails(
    tiny_bundle: Path, opened: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails() -> None:
        wait_for(opened, "llm")
        raise EngineError("no detector")

    monkeypatch.setattr(silero, "load_session", fails)
    with pytest.raises(EngineError, match="no detector"):
        load(tiny_bundle)
    with pytest.raises(EngineError, match="closed"):
        opened["llm"].tokenize("a")


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
@pytest.mark.parametrize("share", [0.0, 0.3, 0.6, 0.95])
def test_what_progress_raises_ends_both(
    tiny_bundle: Path, opened: dict[str, Any], error: type[BaseException], share: float
) -> None:
    def progress(done: float) -> None:
        if done > share:
            raise error("enough")

    before = threading.active_count()
    with pytest.raises(error, match="enough"):
        load(tiny_bundle, progress=progress)
    assert threading.active_count() == before
    if "speech" in opened:
        assert_closed(opened["speech"])
    if "llm" in opened:
        with pytest.raises(EngineError, match="closed"):
            opened["llm"].tokenize("a")


def test_a_device_that_nothing_has_is_told_before_anything_is_loaded(
    tiny_bundle: Path, opened: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edge_llasm.devices.whisper_devices", lambda: ("cpu",))
    monkeypatch.setattr("edge_llasm.devices.llama_devices", lambda: ("cpu",))
    with pytest.raises(DeviceError, match="cuda.*choose cpu"):
        load_parts(Bundle.load(tiny_bundle), device="cuda")
    assert opened == {}


def assert_closed(embedder: SpeechEmbedder) -> None:
    import numpy as np

    with pytest.raises(EngineError, match="closed"):
        embedder.embed(np.zeros(1600, np.float32))


LOADING = """
import sys, threading
from edge_llasm import Assistant
try:
    Assistant.load(sys.argv[1], device="cpu", progress=lambda share: print(share, flush=True))
except KeyboardInterrupt:
    print("interrupted", threading.active_count())
"""


@pytest.mark.parametrize("name", ["speech.weights", "llm.gguf"])
def test_ctrl_c_ends_the_checking_of_a_huge_file_in_either_half(copy: Path, name: str) -> None:
    size = (copy / name).stat().st_size
    os.truncate(copy / name, 64 << 30)
    manifest = copy / "bundle.toml"
    manifest.write_text(
        manifest.read_text("utf-8").replace(f"size = {size}\n", f"size = {64 << 30}\n"), "utf-8"
    )
    with subprocess.Popen(
        [sys.executable, "-c", LOADING, str(copy)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        for _ in range(100):  # the other half is through by then, or nearly
            assert process.stdout.readline()
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=PATIENCE_S)
    assert (out.splitlines()[-1], err) == ("interrupted 1", "")
