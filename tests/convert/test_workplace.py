"""Finished parts outlive a failure; half a bundle never appears."""

import errno
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

import convert.bundle
from convert.bundle import CHECKPOINT, WHISPER, Parts, write_bundle
from convert.errors import ConvertError
from convert.origin import Origin
from convert.workplace import workplace
from edge_llasm.bundle import Bundle
from tests.tiny import tiny_parts


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Parts:
    """As if they had been read from two folders."""
    origins = {part: Origin(part, "MIT", fingerprint=f"{part} 1") for part in (CHECKPOINT, WHISPER)}
    return replace(tiny_parts(tmp_path_factory.mktemp("parts") / "tokenizer.model"), origins=origins)


def refuse(*arguments: object, **options: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


@pytest.fixture
def interrupted(tmp_path: Path, parts: Parts) -> Path:
    """The target of a conversion that found the disk full at its last part."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(convert.bundle, "write_llm", refuse)
        with pytest.raises(ConvertError, match=r"llm\.gguf: No space left on device; make room"):
            write_bundle(parts, tmp_path / "tiny")
    return tmp_path / "tiny"


def written(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The writers that are called from now on."""
    called: list[str] = []
    for name in ("write_speech", "write_weights", "write_graph", "write_adapter", "write_llm", "quantize"):
        monkeypatch.setattr(convert.bundle, name, _noting(called, name, getattr(convert.bundle, name)))
    return called


def _noting(called: list[str], name: str, writer: Callable[..., None]) -> Callable[..., None]:
    def write(*arguments: object, **options: object) -> None:
        called.append(name)
        writer(*arguments, **options)

    return write


def hidden(target: Path) -> list[str]:
    folder = target.parent / f".{target.name}.part"
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def test_finished_parts_are_kept_out_of_sight(interrupted: Path) -> None:
    assert not interrupted.exists()
    finished = ("adapter.onnx", "speech.bin", "speech.onnx", "speech.weights")
    files = [f"{name}.json" for name in finished] + [f"finished/{name}" for name in finished]
    assert hidden(interrupted) == sorted(files)


def test_a_second_run_makes_only_what_is_missing(
    interrupted: Path, parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    called = written(monkeypatch)
    write_bundle(parts, interrupted)
    assert called == ["write_llm"]
    Bundle.load(interrupted).verify()
    assert [path.name for path in interrupted.parent.iterdir()] == ["tiny"]
    files = ["adapter.onnx", "bundle.toml", "llm.gguf", "speech.bin", "speech.onnx", "speech.weights"]
    assert sorted(path.name for path in interrupted.iterdir()) == files


def test_another_option_or_another_checkpoint_is_not_taken_for_it(
    interrupted: Path, parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    called = written(monkeypatch)
    other = {**parts.origins, CHECKPOINT: Origin(CHECKPOINT, "MIT", fingerprint="checkpoint 2")}
    write_bundle(replace(parts, origins=other), interrupted, speech_type="q8_0")
    assert called == ["write_speech", "write_adapter", "write_llm"]
    Bundle.load(interrupted).verify()


def test_a_part_that_was_cut_or_whose_note_is_broken_is_made_again(
    interrupted: Path, parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = interrupted.parent / ".tiny.part"
    (folder / "finished/speech.bin").write_bytes(b"half")
    (folder / "adapter.onnx.json").write_text('[{"by')
    called = written(monkeypatch)
    write_bundle(parts, interrupted)
    assert called == ["write_speech", "write_adapter", "write_llm"]


def test_the_quantizer_s_input_is_kept_too(
    tmp_path: Path, parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(convert.bundle, "quantize", refuse)
        with pytest.raises(ConvertError, match="No space left"):
            write_bundle(parts, tmp_path / "tiny", llm_type="Q8_0")
    called = written(monkeypatch)
    write_bundle(parts, tmp_path / "tiny", llm_type="Q8_0")
    assert called == ["quantize"]
    assert [path.name for path in tmp_path.iterdir()] == ["tiny"]


def test_parts_that_were_in_no_file_are_not_kept(tmp_path: Path, parts: Parts) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(convert.bundle, "write_llm", refuse)
        with pytest.raises(ConvertError):
            write_bundle(replace(parts, origins={}), tmp_path / "tiny")
    assert list(tmp_path.iterdir()) == []


def test_two_conversions_to_one_target_do_not_meet(tmp_path: Path, parts: Parts) -> None:
    with workplace(tmp_path / "tiny"), pytest.raises(ConvertError, match="is being made already"):
        write_bundle(parts, tmp_path / "tiny")
    write_bundle(parts, tmp_path / "tiny")


def test_a_folder_that_may_not_be_written_is_one_line(
    tmp_path: Path, parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(ConvertError, match="cannot write beside .*: Not a directory; choose another folder"):
        write_bundle(parts, tmp_path / "file/tiny")

    def read_only(*arguments: object, **options: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(Path, "mkdir", read_only)
    with pytest.raises(ConvertError, match="Read-only file system"):
        write_bundle(parts, tmp_path / "tiny")


CHILD = """\
import ctypes, resource, signal, sys
from dataclasses import replace
from pathlib import Path
import convert.__main__ as command, convert.bundle as bundle
from convert.origin import Origin
from edge_llasm.cli.leave import leave
from tests.tiny import tiny_parts

folder = Path(sys.argv[1])
origins = {part: Origin(part, "MIT", fingerprint=part + " 1") for part in ("checkpoint", "whisper")}
parts = replace(tiny_parts(folder / "tokenizer.model"), origins=origins)
command.take = lambda options: None  # the parts are no files
command.load_parts = lambda *arguments, **options: parts
quantize = bundle.quantize

def limit():
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))

def endless(source, target, llm_type):
    target.write_bytes(b"half")
    print("quantizing", flush=True)
    ctypes.CDLL(None).sleep(60)

def full(source, target, llm_type):
    limit()
    quantize(source, target, llm_type)

if sys.argv[2] == "small disk":
    limit()
elif sys.argv[2] == "small disk at the end":
    bundle.quantize = full
else:
    bundle.quantize = endless
options = ["--whisper", "w", "--quantize", "Q8_0", "--no-parity"]
leave(command.main(["c", str(folder / "tiny"), *options]))
"""


def start(folder: Path, disturbance: str, stderr: int = subprocess.PIPE) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", CHILD, str(folder), disturbance]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=stderr, text=True)


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGKILL])
def test_an_interrupted_process_leaves_no_bundle_and_the_next_goes_on(
    tmp_path: Path, parts: Parts, monkeypatch: pytest.MonkeyPatch, sent: signal.Signals
) -> None:
    process = start(tmp_path, "endless")
    assert process.stdout is not None
    assert process.stdout.readline() == "quantizing\n"
    process.send_signal(sent)
    _, err = process.communicate(timeout=60)
    assert not (tmp_path / "tiny").exists()
    if sent == signal.SIGINT:
        assert process.returncode == 130
        assert err == "convert: interrupted, the same command goes on from the parts that are finished\n"
        assert not [name for name in hidden(tmp_path / "tiny") if name.endswith(".draft")]
    called = written(monkeypatch)
    write_bundle(parts, tmp_path / "tiny", llm_type="Q8_0")
    assert called == ["quantize"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["tiny", "tokenizer.model"]


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX limits")
@pytest.mark.parametrize(
    ("disturbance", "message"),
    [("small disk", "convert: cannot write speech.bin: "), ("small disk at the end", "could not quantize")],
)
def test_a_disk_that_fills_up_is_one_line(tmp_path: Path, disturbance: str, message: str) -> None:
    process = start(tmp_path, disturbance)
    out, err = process.communicate(timeout=120)
    assert (process.returncode, out) == (1, "")
    assert message in err
    assert err.count("\n") == 1
    assert not (tmp_path / "tiny").exists()
    part = tmp_path / ".tiny.part"
    assert not part.exists() or not [name for name in hidden(tmp_path / "tiny") if name.endswith(".draft")]


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX terminals")
def test_a_terminal_sees_how_far_it_is_until_it_is_interrupted(tmp_path: Path) -> None:
    import pty

    terminal, stderr = pty.openpty()
    process = start(tmp_path, "endless", stderr)
    os.close(stderr)
    shown = b""
    while b"% of all" not in shown:
        shown += os.read(terminal, 4096)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    try:
        while data := os.read(terminal, 4096):
            shown += data
    except OSError:  # how Linux says that nobody holds the terminal's other end
        pass
    os.close(terminal)
    *_, line, rest = shown.decode().split("\r\x1b[K")
    assert re.fullmatch(r"llm\.gguf, \d+% of all, about \d+ s left", line)
    assert rest == "convert: interrupted, the same command goes on from the parts that are finished\r\n"
