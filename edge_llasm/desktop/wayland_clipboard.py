"""The clipboard of Wayland, by wl-clipboard: who fetches from it is not told there."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from time import sleep

from edge_llasm.errors import DesktopError

__all__ = ["WaylandClipboard"]

COPY, PASTE = "wl-copy", "wl-paste"
PATIENCE_S = 10.0
FETCHED_S = 0.7
"""In which a window is taken to have fetched what was pasted"""
TEXTS = "text/plain;charset=utf-8", "UTF8_STRING", "text/plain"


class WaylandClipboard:
    """Holds one format at a time: of several that were there, text comes back, or else the first."""

    def put(self, text: str) -> None:
        """A text, to stay. Raises DesktopError."""
        self._copy(text.encode(), TEXTS[0])

    def paste(self, text: str, press: Callable[[], None]) -> None:
        """Have a text in the clipboard while `press` makes a window fetch it; then the old contents are back.

        Not if somebody has copied something else meanwhile. Raises DesktopError.
        """
        kinds = _run([PASTE, "--list-types"]).decode("utf-8", "replace").splitlines()
        kind = next((kind for kind in (*TEXTS, *kinds) if kind in kinds), "")
        kept = _run([PASTE, "--no-newline", "--type", kind]) if kind else b""
        self.put(text)
        press()
        sleep(FETCHED_S)
        if _run([PASTE, "--no-newline"]) != text.encode():
            return
        if kind:
            self._copy(kept, kind)
        else:
            _run([COPY, "--clear"])

    def _copy(self, data: bytes, kind: str) -> None:
        """wl-copy stays in the background to hand it over, also after this program has ended."""
        _run([COPY, "--type", kind], data)


def _run(command: list[str], data: bytes = b"") -> bytes:
    """What it prints; nothing where the clipboard is empty."""
    if shutil.which(command[0]) is None:
        raise DesktopError(
            f"the clipboard of Wayland needs {command[0]}: install wl-clipboard, or take --to type"
        )
    try:
        with_output = subprocess.PIPE if command[0] == PASTE else subprocess.DEVNULL  # a pipe would stay open
        done = subprocess.run(
            command,
            input=data,
            stdout=with_output,
            stderr=subprocess.DEVNULL,
            timeout=PATIENCE_S,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise DesktopError(f"{command[0]} does not answer: take --to type") from error
    if command[0] == COPY and done.returncode:
        raise DesktopError(
            "this Wayland lets no program reach the clipboard: take --to type, stdout or file:PATH"
        )
    return done.stdout or b""
