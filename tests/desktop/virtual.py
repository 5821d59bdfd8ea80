"""A virtual screen: an X server of our own with an editor on it, and somebody at the keyboard. Nothing is shown."""

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

EDITOR = Path(__file__).with_name("editor.py")
PATIENCE_S = 60


def missing() -> str:
    """What a virtual screen lacks on this machine; "" = nothing."""
    lacking = [name for name in ("Xvfb", "xdotool", "xclip") if shutil.which(name) is None]
    lacking += [name for name in ("Xlib", "tkinter", "_tkinter") if find_spec(name) is None]
    return f"no virtual screen without {', '.join(lacking)}" if lacking else ""


class Editor:
    """A window with one text field."""

    def __init__(self, process: subprocess.Popen[bytes], file: Path) -> None:
        self.process, self._file = process, file

    @property
    def text(self) -> str:
        """What stands in it."""
        return self._file.read_text("utf-8") if self._file.exists() else ""

    def wait(self, wanted: str) -> None:
        """Until exactly this stands in it."""
        self.wait_for(re.escape(wanted))

    def wait_for(self, pattern: str) -> None:
        """Until all that stands in it is like this."""
        end = time.monotonic() + PATIENCE_S
        while re.fullmatch(pattern, self.text) is None:
            assert self.process.poll() is None
            assert time.monotonic() < end, f"{self.text!r} is not {pattern!r}"
            time.sleep(0.05)


class Screen:
    """Somebody before it: xdotool presses keys as a keyboard does."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._programs: list[subprocess.Popen[bytes]] = []

    def xdotool(self, *arguments: str) -> None:
        subprocess.run(["xdotool", *arguments], check=True, timeout=PATIENCE_S)

    def editor(self, *options: str) -> Editor:
        """Open it, and wait until it has the focus."""
        file = self._folder / f"editor-{len(self._programs)}.txt"
        process = subprocess.Popen([sys.executable, str(EDITOR), str(file), *options])
        self._programs.append(process)
        editor = Editor(process, file)
        end = time.monotonic() + PATIENCE_S
        while not file.exists():
            assert time.monotonic() < end
            time.sleep(0.05)
        return editor

    def copy(self, data: bytes, form: str = "UTF8_STRING") -> subprocess.Popen[bytes]:
        """Another program puts something into the clipboard."""
        command = ["xclip", "-quiet", "-selection", "clipboard", "-target", form]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self._programs.append(process)
        assert process.stdin is not None
        process.stdin.write(data)
        process.stdin.close()
        end = time.monotonic() + PATIENCE_S
        while self.clipboard(form) != data:
            assert time.monotonic() < end
            time.sleep(0.05)
        return process

    def clipboard(self, form: str = "UTF8_STRING") -> bytes:
        """What another program finds in the clipboard."""
        command = ["xclip", "-out", "-selection", "clipboard", "-target", form]
        return subprocess.run(command, capture_output=True, check=False, timeout=PATIENCE_S).stdout

    def close(self) -> None:
        for program in self._programs:
            program.kill()
            program.wait()


@contextmanager
def screen(folder: Path) -> Iterator[Screen]:
    """An X server, reached through the environment of this process until the end."""
    told, tell = os.pipe()
    with (folder / "xvfb.log").open("wb") as log:
        server = subprocess.Popen(
            ["Xvfb", "-displayfd", str(tell), "-noreset", "-nolisten", "tcp", "-screen", "0", "1024x768x24"],
            pass_fds=[tell], stdout=log, stderr=log,
        )  # fmt: skip
    os.close(tell)
    with os.fdopen(told) as answer:
        number = answer.readline().strip()
    ours = {"DISPLAY": f":{number}", "WAYLAND_DISPLAY": None, "XDG_SESSION_TYPE": None, "XAUTHORITY": None,
            "LC_ALL": "C.UTF-8"}  # fmt: skip
    before = {name: os.environ.get(name) for name in ours}
    _set(ours)
    somebody = Screen(folder)
    try:
        yield somebody
    finally:
        somebody.close()
        _set(before)
        server.terminate()
        server.wait()


def _set(variables: dict[str, str | None]) -> None:
    for name, value in variables.items():
        os.environ.pop(name, None) if value is None else os.environ.update({name: value})
