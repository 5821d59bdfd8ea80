"""Keys and typing on macOS, by pynput. The key is heard there, but not taken from the focused window."""

from __future__ import annotations

import socket
import sys
import threading
from collections import deque
from time import monotonic
from typing import Any

from edge_llasm.desktop.clipboard import Clipboard
from edge_llasm.desktop.keys import Move
from edge_llasm.desktop.shortcut import Shortcut
from edge_llasm.errors import DesktopError

__all__ = ["NativeKeys", "NativeWindow"]

PERMISSION = (
    "macOS does not let this program hear or press keys: allow your terminal in System Settings under Privacy & "
    "Security, both Accessibility and Input Monitoring, then start again"
)
MODIFIERS = {"ctrl": "ctrl", "alt": "alt", "shift": "shift", "super": "cmd"}  # ours -> pynput's
LOOK_S = 0.01
HELD_S = 10.0
"""A key that is held for longer is stuck"""


def _pynput() -> Any:
    try:
        from pynput import keyboard
    except ImportError as error:  # also for a library that finds no desktop
        raise DesktopError(
            f"the keyboard cannot be heard ({error}): pip install 'edge-llasm[hotkey]'"
        ) from error
    return keyboard


class NativeKeys:
    """Hears two keys wherever the focus is."""

    def __init__(self, talk: Shortcut, cancel: Shortcut) -> None:
        """Begin to listen. Raises DesktopError for keys that are not there, or without the permission."""
        self._library = _pynput()
        self._talk, self._cancel = (self._key(one) for one in (talk, cancel))
        self._modifiers = {"talk": set(talk.modifiers), "cancel": set(cancel.modifiers)}
        self._moves: deque[Move] = deque()
        self._held: set[Any] = set()
        self._cancels = False
        self._talking = False
        self._here, self._there = socket.socketpair()  # wakes who waits for the keys
        self._here.setblocking(False)
        self._listener = self._library.Listener(on_press=self._press, on_release=self._release)
        self._listener.start()
        self._listener.wait()
        if sys.platform == "darwin" and not self._listener.IS_TRUSTED:
            self.close()
            raise DesktopError(PERMISSION)

    @property
    def held(self) -> bool:
        """Whether any key is down."""
        return bool(self._held)

    def fileno(self) -> int:
        return self._here.fileno()

    def read(self) -> list[Move]:
        """What happened since the last call, auto-repeat left out."""
        try:
            while self._here.recv(100):
                continue
        except BlockingIOError:
            pass
        return [self._moves.popleft() for _ in range(len(self._moves))]

    def want_cancel(self, wanted: bool) -> None:
        """Whether the second key is told; the focused window sees it in either case."""
        self._cancels = wanted

    def close(self) -> None:
        self._listener.stop()  # its thread may wait for one more key
        self._here.close()
        self._there.close()

    def _key(self, shortcut: Shortcut) -> Any:
        if len(shortcut.key) == 1:
            return self._library.KeyCode.from_char(shortcut.key)
        key = getattr(self._library.Key, shortcut.key, None)
        if key is None:
            raise DesktopError(f"this keyboard has no key {shortcut.key}: take another one")
        return key

    def _press(self, key: Any) -> None:
        """On pynput's thread, like the next."""
        key = self._listener.canonical(key)
        repeats = key in self._held
        self._held.add(key)
        if repeats:
            return
        held = {
            name for name, theirs in MODIFIERS.items() if getattr(self._library.Key, theirs) in self._held
        }
        if key == self._listener.canonical(self._talk) and held == self._modifiers["talk"]:
            self._talking = True
            self._tell(Move("talk", True, monotonic()))
        elif key == self._listener.canonical(self._cancel) and self._cancels:
            self._tell(Move("cancel", True, monotonic()))

    def _release(self, key: Any) -> None:
        key = self._listener.canonical(key)
        self._held.discard(key)
        if self._talking and key == self._listener.canonical(self._talk):
            self._talking = False
            self._tell(Move("talk", False, monotonic()))

    def _tell(self, move: Move) -> None:
        self._moves.append(move)
        self._there.send(b"x")


class NativeWindow:
    """The focused window."""

    def __init__(self, keys: NativeKeys | None = None) -> None:
        """`keys` knows what is held down. Raises DesktopError."""
        self._library = _pynput()
        self._keys, self._clipboard = keys, Clipboard()
        self._controller = self._library.Controller()

    def wait(self, cancel: threading.Event) -> bool:
        """Until no key is held down, which would change what arrives; False: `cancel` was set before."""
        end = monotonic() + HELD_S
        while self._keys is not None and self._keys.held:
            if monotonic() > end:
                raise DesktopError("a key is held down all the time, nothing can be typed: let it go")
            if cancel.wait(LOOK_S):
                return False
        return not cancel.is_set()

    def type(self, text: str, cancel: threading.Event) -> bool:
        """Type a text key by key; every character can be typed."""
        for character in text:
            if cancel.is_set():
                break
            self._controller.type(character)
        return True

    def paste(self, text: str, shortcut: Shortcut) -> None:
        """Paste a text by the key for it; the old clipboard comes back a moment later."""
        self._clipboard.paste(text, lambda: self.press(shortcut))

    def press(self, shortcut: Shortcut) -> None:
        """Press one key."""
        keys = self._library.Key
        held = [getattr(keys, MODIFIERS[modifier]) for modifier in shortcut.modifiers]
        with self._controller.pressed(*held):
            self._controller.tap(getattr(keys, shortcut.key) if len(shortcut.key) > 1 else shortcut.key)

    def copy(self, text: str) -> None:
        """Put a text into the clipboard, to stay."""
        self._clipboard.put(text)

    def close(self) -> None:
        return
