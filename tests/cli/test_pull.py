import os
import pty
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from edge_llasm import room
from edge_llasm.bundle import Bundle
from edge_llasm.cli import run
from edge_llasm.units import readable
from tests.web import Web


@pytest.fixture
def url(web: Web, tiny_bundle: Path) -> str:
    return web.share(tiny_bundle, "/models/tiny")


@pytest.fixture(autouse=True)
def empty(home: Path) -> None:
    (home / "models" / "tiny").unlink()


def test_licence_and_size_are_told_then_the_folder_is_printed(
    url: str, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["pull", url]) == 0
    shown = capsys.readouterr()
    assert shown.out == f"{home / 'models' / 'tiny'}\n"
    first, *_, last = shown.err.splitlines()
    size = readable(Bundle.find("tiny").size)
    assert first == f"edge-llasm: tiny 0.1.0 from {url}: licence MIT, languages en, zh, {size}"
    assert last == "edge-llasm: try it: edge-llasm ask question.wav --model tiny"


def test_the_licence_is_told_before_the_first_file_is_asked_for(
    web: Web, url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    told: list[str] = []
    web.during = lambda path: told.append(capsys.readouterr().err)
    assert run(["pull", url]) == 0
    assert "licence MIT" in told[1]  # told[0]: before the manifest


@pytest.mark.parametrize(
    ("memory", "free", "told"),
    [
        (100_000, 50_000, "of memory, this machine has 0.1 MB: it will be slow here"),
        (16 << 30, 100_000, "of memory, you have 0.1 MB free: close other programs"),
        (16 << 30, None, ""),
        (16 << 30, 8 << 30, ""),
    ],
)
def test_too_little_memory_is_told(
    url: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    memory: int,
    free: int | None,
    told: str,
) -> None:
    monkeypatch.setattr(room, "physical_memory", lambda: memory)
    monkeypatch.setattr(room, "free_memory", lambda: free)
    assert run(["pull", url]) == 0
    shown = capsys.readouterr().err
    assert told in shown
    assert bool(told) == (" of memory, " in shown)


def test_a_model_that_is_there_is_one_line_and_status_1(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["pull", url]) == 0
    capsys.readouterr()
    assert run(["pull", url]) == 1
    told = capsys.readouterr().err
    assert "run edge-llasm rm tiny first" in told
    assert told.count("\n") == 1


def test_an_unknown_name_is_one_line_and_status_1(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["pull", "nemo"]) == 1
    told = capsys.readouterr().err
    assert told.startswith("edge-llasm: no published model is called 'nemo' (known: ")
    assert told.count("\n") == 1


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals and terminals")
def test_ctrl_c_keeps_what_arrived_and_says_so(web: Web, url: str, home: Path) -> None:
    path = "/models/tiny/llm.gguf"
    slow = True

    def wait(asked: str) -> None:
        while slow and asked == path and not process.poll() and len(web.asked(path)) > 1:
            time.sleep(0.05)

    web.cuts[path] = [100_000]  # then the second connection waits
    web.during = wait
    terminal, stderr = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "edge_llasm", "pull", url], stdout=subprocess.PIPE, stderr=stderr
    )
    os.close(stderr)
    while len(web.asked(path)) < 2:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=60)
    slow = False
    told = b""
    try:
        while data := os.read(terminal, 4096):
            told += data
    except OSError:  # how Linux says that nobody holds the terminal's other end
        pass
    os.close(terminal)
    assert process.returncode == 130
    assert b"tiny: " in told  # the bar
    assert f"interrupted; what arrived is kept, edge-llasm pull {url} goes on".encode() in told
    assert b"Traceback" not in told
    assert out == b""
    assert (home / "models" / ".tiny.part" / "llm.gguf").stat().st_size == 100_000
    assert run(["pull", url]) == 0
    assert web.asked(path)[-1]["range"] == "bytes=100000-"


def test_nothing_for_the_network_is_imported_before_it_is_used() -> None:
    code = "import sys, edge_llasm.cli.app; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"huggingface_hub", "httpx2", "urllib.request"} & set(done.stdout.split())
