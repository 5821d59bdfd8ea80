"""`talk` in tmux, which knows what a screen looks like."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from rich.cells import cell_len

pytestmark = pytest.mark.skipif(shutil.which("tmux") is None, reason="no tmux")

PATIENCE_S = 60
TALK = f"exec {sys.executable} -m edge_llasm talk --device cpu --no-history --no-transcripts"


class Tmux:
    """A server of its own with one window."""

    def __init__(self, socket: Path) -> None:
        self._socket = socket

    def __call__(self, *arguments: str) -> str:
        command = ["tmux", "-u", "-S", str(self._socket), "-f", os.devnull, *arguments]
        environment = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES")}
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout

    @property
    def rows(self) -> list[str]:
        """What the window shows."""
        return self("capture-pane", "-p", "-t", "0").rstrip("\n").split("\n")

    def wait(self, seen: Callable[[list[str]], bool]) -> list[str]:
        end = time.monotonic() + PATIENCE_S
        while not seen(rows := self.rows):
            assert time.monotonic() < end, rows
            time.sleep(0.1)
        return rows


@contextmanager
def window(folder: Path, columns: int, command: str) -> Iterator[Tmux]:
    tmux = Tmux(folder / "tmux")
    tmux("new-session", "-d", "-x", str(columns), "-y", "24", command)
    try:
        yield tmux
    finally:
        subprocess.run(["tmux", "-S", str(folder / "tmux"), "kill-server"], capture_output=True, check=False)


def shows(text: str) -> Callable[[list[str]], bool]:
    return lambda rows: any(text in row for row in rows)


def test_an_answer_in_chinese_is_wrapped_where_the_window_ends(tmp_path: Path) -> None:
    with window(tmp_path, 30, f"{TALK} --model nano") as tmux:
        tmux.wait(shows("for help"))
        tmux("send-keys", "-l", "用中文介绍一下杜甫")
        tmux.wait(shows("> 用中文介绍一下杜甫"))
        tmux("send-keys", "Enter")
        rows = tmux.wait(lambda rows: any("。" in row for row in rows) and not shows("…")(rows))
    first = next(i for i, row in enumerate(rows) if row.startswith("you"))
    answer = [row for row in rows[first + 1 :] if row and not row.startswith(">")]
    answer = answer[: next(i for i, row in enumerate(answer) if "。" in row) + 1]
    assert len(answer) > 1
    assert all(26 < cell_len(row) <= 30 for row in answer[:-1])


@pytest.mark.parametrize("columns", [80, 160])
def test_the_corner_is_at_the_right_end_and_goes_along_when_the_window_changes(
    tmp_path: Path, columns: int
) -> None:
    with window(tmp_path, columns, f"{TALK} --model tiny") as tmux:
        rows = tmux.wait(shows("tiny on cpu"))
        assert cell_len(rows[-1]) == columns - 1
        tmux("resize-window", "-x", "60", "-y", "24")
        tmux.wait(lambda rows: shows("tiny on cpu")(rows) and cell_len(rows[-1]) == 59)
        tmux("send-keys", "-l", "hello")
        tmux("send-keys", "Enter")
        tmux.wait(shows("tokens · tiny on cpu"))


def test_a_window_that_is_closed_ends_the_program(tmp_path: Path) -> None:
    with window(tmp_path, 80, f"{TALK} --model tiny") as tmux:
        tmux.wait(shows("for help"))
        pid = int(tmux("display-message", "-p", "#{pane_pid}"))
        tmux("kill-session")
        end = time.monotonic() + PATIENCE_S
        while Path(f"/proc/{pid}").exists():
            assert time.monotonic() < end
            time.sleep(0.1)


def test_ctrl_c_gives_the_shell_back(tmp_path: Path) -> None:
    command = TALK.removeprefix("exec ")
    with window(tmp_path, 80, f"{command} --model tiny; echo status $?; exec sleep 60") as tmux:
        tmux.wait(shows("for help"))
        tmux("send-keys", "C-c")
        rows = tmux.wait(shows("status 0"))
        assert not shows("Traceback")(rows)
