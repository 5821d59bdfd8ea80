"""The socket: only this user's, one at a time, and none left behind."""

import os
import socket
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from select import select
from tempfile import TemporaryDirectory

import pytest

from edge_llasm.desktop.remote import Remote, ask, socket_file
from edge_llasm.errors import DesktopError, SoundError


@pytest.fixture
def file() -> Iterator[Path]:
    """Not under tmp_path: a socket's path must be short."""
    with TemporaryDirectory() as folder:
        yield Path(folder) / "edge-llasm" / "hotkey.sock"


@contextmanager
def attending(remote: Remote, asked: list[str]) -> Iterator[None]:
    """A program that does what it is asked, but never starts."""

    def act(action: str) -> str:
        asked.append(action)
        if action == "start":
            raise SoundError("no microphone was found: plug one in")
        return "idle"

    end, over = os.pipe()

    def run() -> None:
        while end not in (ready := select([remote, end], [], [])[0]):
            assert ready
            remote.attend(act)

    thread = threading.Thread(target=run)
    thread.start()
    yield
    os.write(over, b"x")
    thread.join()
    os.close(end)
    os.close(over)


def test_what_is_asked_is_done_and_answered(file: Path) -> None:
    asked: list[str] = []
    with Remote(file) as remote, attending(remote, asked):
        assert ask("toggle", file) == "idle"
        with pytest.raises(DesktopError, match="no microphone was found: plug one in"):
            ask("start", file)
        with pytest.raises(DesktopError, match="no such action: toggle, start, stop, cancel"):
            ask("explode", file)
    assert asked == ["toggle", "start"]


def test_only_this_user_reaches_it(file: Path) -> None:
    before = os.umask(0)
    try:
        with Remote(file):
            assert stat.S_IMODE(file.stat().st_mode) == 0o600
            assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    finally:
        os.umask(before)


def test_a_folder_that_others_write_to_is_refused(file: Path) -> None:
    file.parent.mkdir()
    file.parent.chmod(0o777)
    with pytest.raises(DesktopError, match="open to other users"):
        Remote(file)


def test_a_second_one_is_refused_and_the_first_goes_on(file: Path) -> None:
    asked: list[str] = []
    with Remote(file) as remote, attending(remote, asked):
        with pytest.raises(DesktopError, match="is running already"):
            Remote(file)
        assert ask("stop", file) == "idle"


def test_a_socket_that_was_left_behind_is_taken_over(file: Path) -> None:
    code = "import os,sys,pathlib,edge_llasm.desktop.remote as r; r.Remote(pathlib.Path(sys.argv[1])); os._exit(9)"
    assert subprocess.run([sys.executable, "-c", code, str(file)], check=False).returncode == 9
    assert file.is_socket()
    with pytest.raises(DesktopError, match="nothing listens: start `edge-llasm hotkey` first"):
        ask("start", file)
    with Remote(file) as remote, attending(remote, []):
        assert ask("cancel", file) == "idle"
    assert not file.exists()


def test_who_goes_away_or_says_nonsense_disturbs_nobody(file: Path) -> None:
    with Remote(file) as remote, attending(remote, []):
        for said in (b"", b"\xff\n", b"x" * 5000):
            with socket.socket(socket.AF_UNIX) as stranger:
                stranger.connect(str(file))
                stranger.sendall(said)
        assert ask("toggle", file) == "idle"


def test_a_path_too_long_for_a_socket_is_told(tmp_path: Path) -> None:
    with pytest.raises(DesktopError, match="cannot be listened at"):
        Remote(tmp_path / ("x" * 120) / "hotkey.sock")


def test_its_place_is_the_users_runtime_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    assert socket_file() == tmp_path / "edge-llasm" / "hotkey.sock" or sys.platform != "linux"
