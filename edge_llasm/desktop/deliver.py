"""Where a text goes: the focused window, the clipboard, a file, another program. On a thread of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, Queue, SimpleQueue

from edge_llasm.desktop.shortcut import Shortcut
from edge_llasm.desktop.window import Window
from edge_llasm.errors import DesktopError

__all__ = ["Courier", "Target"]

PLAIN = "type", "paste", "clipboard", "stdout"
WITH_DETAIL = {"file": "PATH", "exec": "CMD"}
LOOK_S = 0.1


@dataclass(frozen=True)
class Target:
    """Where to."""

    kind: str
    """type, paste, clipboard, stdout, file or exec"""
    detail: str = ""
    """the file's path, the command"""

    @classmethod
    def parse(cls, name: str) -> Target:
        """Read "type", "file:PATH". Raises DesktopError, which lists the ways."""
        kind, colon, detail = name.partition(":")
        if name in PLAIN or (kind in WITH_DETAIL and detail.strip()):
            return cls(kind, detail)
        ways = ", ".join([*PLAIN, *(f"{one}:{what}" for one, what in WITH_DETAIL.items())])
        raise DesktopError(f'"{name}" is no way to deliver a text: take one of {ways}')

    @property
    def needs_window(self) -> bool:
        return self.kind in ("type", "paste", "clipboard")

    def check(self) -> None:
        """Find out now, not after the first answer, that a file cannot be written. Raises DesktopError."""
        if self.kind == "file":
            _append(self.detail, "")


class Courier:
    """Delivers one text after another; the newest question ends what is still being delivered."""

    def __init__(self, target: Target, window: Window | None, *, enter: bool, paste_key: Shortcut) -> None:
        """`enter`: that key is pressed afterwards. `window` is there for the targets that need one."""
        self._target, self._window, self._enter, self._paste_key = target, window, enter, paste_key
        self._texts: Queue[tuple[str, threading.Event] | None] = Queue()
        self._troubles: SimpleQueue[str] = SimpleQueue()
        self._cancel = threading.Event()
        self._thread = threading.Thread(target=self._work, name="edge-llasm-courier", daemon=True)
        self._thread.start()

    @property
    def busy(self) -> bool:
        """Whether a text is on its way."""
        return self._texts.unfinished_tasks > 0

    def carry(self, text: str) -> None:
        """Deliver a text, soon."""
        self._cancel = threading.Event()
        self._texts.put((text, self._cancel))

    def stop(self) -> None:
        """End the delivery where it is."""
        self._cancel.set()

    def troubles(self) -> list[str]:
        """What went wrong since the last call, one line each."""
        told = []
        while True:
            try:
                told.append(self._troubles.get_nowait())
            except Empty:
                return told

    def close(self) -> None:
        """End the delivery, and wait until it is over."""
        self.stop()
        self._texts.put(None)
        self._thread.join()

    def _work(self) -> None:
        while (one := self._texts.get()) is not None:
            try:
                self._deliver(*one)
            except DesktopError as error:
                self._troubles.put(str(error))
            except Exception as error:  # noqa: BLE001  a bug: told like everything else, and the next text is delivered
                self._troubles.put(f"unexpected {type(error).__name__}: {error}; please report it")
            finally:
                self._texts.task_done()

    def _deliver(self, text: str, cancel: threading.Event) -> None:
        match self._target.kind:
            case "file":
                _append(self._target.detail, text + "\n")
            case "exec":
                _execute(self._target.detail, text + "\n", cancel)
            case "clipboard":
                self._there.copy(text)
            case _:
                self._write(text, cancel)

    @property
    def _there(self) -> Window:
        assert self._window is not None
        return self._window

    def _write(self, text: str, cancel: threading.Event) -> None:
        window = self._there
        try:
            free = window.wait(cancel)
            if free and (self._target.kind == "paste" or not window.type(text, cancel)):
                window.paste(text, self._paste_key)
        except DesktopError as error:
            window.copy(text)
            raise DesktopError(f"{error}; the text is in the clipboard") from error
        if self._enter and window.wait(cancel):
            window.press(Shortcut("enter"))


def _append(path: str, text: str) -> None:
    try:
        with Path(path).expanduser().open("a", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise DesktopError(f"{path} cannot be written ({error.strerror}): take another file") from error


def _execute(command: str, text: str, cancel: threading.Event) -> None:
    """Run a command line of the user's own with a text on standard input."""
    process = subprocess.Popen(
        command, shell=True, stdin=subprocess.PIPE, encoding="utf-8", start_new_session=True
    )
    with process:
        unsaid: str | None = text
        while True:
            try:
                process.communicate(unsaid, timeout=LOOK_S)
                break
            except subprocess.TimeoutExpired:
                unsaid = None  # it is on its way
                if cancel.is_set():
                    _end(process)
    if process.returncode and not cancel.is_set():
        raise DesktopError(f"`{command}` ended with status {process.returncode}: try it by hand")


def _end(process: subprocess.Popen[str]) -> None:
    """With all that the command has started."""
    if hasattr(os, "killpg"):
        with suppress(ProcessLookupError):  # it has ended meanwhile
            os.killpg(process.pid, signal.SIGTERM)
    else:
        process.terminate()
