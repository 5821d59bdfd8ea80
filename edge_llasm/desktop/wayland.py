"""The focused window on Wayland, by wtype: for desktops that let it in, as those built on wlroots do."""

from __future__ import annotations

import shutil
import subprocess
import threading

from edge_llasm.desktop.shortcut import Shortcut
from edge_llasm.desktop.wayland_clipboard import WaylandClipboard
from edge_llasm.errors import DesktopError

__all__ = ["WaylandWindow"]

PROGRAM = "wtype"
SETTLE_MS = 150
"""Until the window has learnt of wtype's keyboard; what is typed sooner gets lost"""
PATIENCE_S = 60.0
NAMED = {
    "esc": "Escape", "space": "space", "tab": "Tab", "enter": "Return", "backspace": "BackSpace", "insert": "Insert",
    "delete": "Delete", "home": "Home", "end": "End", "page_up": "Prior", "page_down": "Next", "menu": "Menu",
}  # fmt: skip
MODIFIERS = {"ctrl": "ctrl", "alt": "alt", "shift": "shift", "super": "logo"}  # ours -> wtype's


class WaylandWindow:
    """The focused window. Which keys are held is not told there."""

    def __init__(self, *, writes: bool = True) -> None:
        """`writes`: whether keys are to be pressed. Raises DesktopError when they are and wtype is missing."""
        if writes and shutil.which(PROGRAM) is None:
            raise DesktopError(f"typing on Wayland needs {PROGRAM}: install it, or take --to clipboard")
        self._clipboard = WaylandClipboard()

    def wait(self, cancel: threading.Event) -> bool:
        return not cancel.is_set()

    def type(self, text: str, cancel: threading.Event) -> bool:
        """Type a text key by key; every character can be typed."""
        _run(["-"], text, cancel)
        return True

    def paste(self, text: str, shortcut: Shortcut) -> None:
        """Paste a text by the key for it; the old clipboard comes back a moment later."""
        self._clipboard.paste(text, lambda: self.press(shortcut))

    def press(self, shortcut: Shortcut) -> None:
        """Press one key."""
        held = [MODIFIERS[modifier] for modifier in shortcut.modifiers]
        key = shortcut.key if len(shortcut.key) == 1 else NAMED.get(shortcut.key, shortcut.key.upper())
        _run([*(word for one in held for word in ("-M", one)), "-k", key])  # it lets go of all in the end

    def copy(self, text: str) -> None:
        """Put a text into the clipboard, to stay."""
        self._clipboard.put(text)

    def close(self) -> None:
        return


def _run(arguments: list[str], text: str = "", cancel: threading.Event | None = None) -> None:
    command = [PROGRAM, "-s", str(SETTLE_MS), *arguments]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        end = PATIENCE_S
        data: bytes | None = text.encode()
        while True:
            try:
                _, said = process.communicate(data, timeout=0.1)
                break
            except subprocess.TimeoutExpired:
                data = None  # it is on its way
                end -= 0.1
                if end < 0 or (cancel is not None and cancel.is_set()):
                    process.kill()
    if process.returncode > 0:
        detail = " ".join(said.decode("utf-8", "replace").split())
        raise DesktopError(f"{PROGRAM} cannot type here ({detail}): take --to clipboard")
