"""Ctrl-C, and a reader that goes away, in a real process."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.tiny import write_tiny_bundle

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals and terminals")

PATIENCE_S = 120
"""For a command to end, on a machine that is busy with something else; left alone they go on for longer"""

ENDLESS = ["--temperature", "3", "--seed", "1", "--max-tokens", "60000", "--device", "cpu"]


@pytest.fixture
def talkative(tmp_path: Path) -> Path:
    """The tiny model with a context in which it talks for minutes."""
    return write_tiny_bundle(tmp_path / "talkative", n_ctx=65536)


@pytest.fixture
def huge(tiny_bundle: Path, tmp_path: Path) -> Path:
    """A bundle whose language model is a hole of 64 GiB: it takes minutes to check."""
    folder = tmp_path / "huge"
    shutil.copytree(tiny_bundle, folder)
    size = (folder / "llm.gguf").stat().st_size
    os.truncate(folder / "llm.gguf", 64 << 30)
    rewrite(folder, rf"size = {size}\b", f"size = {64 << 30}")
    return folder


def rewrite(folder: Path, pattern: str, replacement: str) -> None:
    manifest = folder / "bundle.toml"
    text, n = re.subn(pattern, replacement, manifest.read_text(encoding="utf-8"))
    assert n == 1
    manifest.write_text(text, encoding="utf-8")


def start(*arguments: str | Path, stderr: int = subprocess.PIPE) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "edge_llasm", *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=stderr, stdin=subprocess.DEVNULL)


def interrupt(process: subprocess.Popen[bytes]) -> tuple[bytes, bytes]:
    """Press Ctrl-C; what the process still writes."""
    process.send_signal(signal.SIGINT)
    return process.communicate(timeout=PATIENCE_S)


def test_ctrl_c_while_generating_is_status_130_without_a_traceback(talkative: Path) -> None:
    process = start("ask", "--text", "hello", "--model", talkative, *ENDLESS)
    assert process.stdout is not None
    assert process.stdout.read(1)
    _, err = interrupt(process)
    assert process.returncode == 130
    assert err.strip() == b""


def test_ctrl_c_while_loading_is_status_130_and_clears_the_progress_line(huge: Path) -> None:
    import pty

    terminal, stderr = pty.openpty()
    process = start("ask", "--text", "hello", "--model", huge, "--device", "cpu", stderr=stderr)
    os.close(stderr)
    written = b""
    while b"loading" not in written:
        written += os.read(terminal, 4096)
    interrupt(process)
    try:
        while data := os.read(terminal, 4096):
            written += data
    except OSError:  # how Linux says that nobody holds the terminal's other end
        pass
    os.close(terminal)
    assert process.returncode == 130
    assert b"Traceback" not in written
    assert written.rstrip().endswith(b"\x1b[K")


def test_ctrl_c_while_talk_loads_is_status_130(huge: Path) -> None:
    import pty

    terminal, program = pty.openpty()
    command = [
        sys.executable,
        "-m",
        "edge_llasm",
        "talk",
        "--model",
        str(huge),
        "--device",
        "cpu",
        "--no-history",
    ]
    with subprocess.Popen(command, stdin=program, stdout=program, stderr=program) as process:
        written = b""
        while b"loading" not in written:
            written += os.read(terminal, 4096)
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE_S) == 130
    os.close(program)
    os.close(terminal)
    assert b"Traceback" not in written


def test_no_progress_line_is_written_where_nobody_looks(huge: Path) -> None:
    process = start("ask", "--text", "hello", "--model", huge, "--device", "cpu")
    time.sleep(3)
    out, err = interrupt(process)
    assert process.returncode == 130
    assert (out, err.strip()) == (b"", b"")


def test_ctrl_c_while_reading_standard_input_is_status_130(tiny_bundle: Path) -> None:
    command = [sys.executable, "-m", "edge_llasm", "ask", "-", "--model", str(tiny_bundle)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdin is not None
    process.stdin.write(bytes(1 << 20))  # more than a pipe holds: it reads
    process.stdin.flush()
    process.send_signal(signal.SIGINT)
    assert process.wait(PATIENCE_S) == 130
    out, err = process.communicate()
    assert (out, err.strip()) == (b"", b"")


def test_a_reader_that_goes_away_ends_the_answer_quietly(talkative: Path) -> None:
    process = start("ask", "--text", "hello", "--model", talkative, *ENDLESS)
    assert process.stdout is not None
    assert process.stderr is not None
    assert process.stdout.read(1)
    process.stdout.close()
    assert process.wait(PATIENCE_S) == 141
    assert process.stderr.read() == b""
    process.stderr.close()


@pytest.mark.parametrize("arguments", [["models"], ["doctor", "--model", "tiny"], ["--help"]])
def test_a_reader_that_was_never_there_causes_no_traceback(arguments: list[str]) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-m", "edge_llasm", *arguments]
    run = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, check=False)
    os.close(writing)
    assert run.returncode == 141
    assert run.stderr == b""


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full")
def test_a_full_disk_is_one_line(tiny_bundle: Path) -> None:
    command = [sys.executable, "-m", "edge_llasm", "ask", "--text", "hello", "--model", str(tiny_bundle)]
    with open("/dev/full", "wb") as full:
        run = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, check=False)
    assert run.returncode == 1
    assert run.stderr.startswith(b"edge-llasm: ")
    assert run.stderr.count(b"\n") == 1
