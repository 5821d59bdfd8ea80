"""What the clipboard of an X server holds, in all its formats (ICCCM, section 2)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from select import select
from time import monotonic
from typing import Any

from Xlib import X

from edge_llasm.desktop.x11 import opened, told

__all__ = ["Contents", "Format", "read", "text_contents"]

TEXTS = "UTF8_STRING", "text/plain;charset=utf-8", "text/plain", "TEXT"
NOT_CONTENTS = {
    "TARGETS", "TIMESTAMP", "MULTIPLE", "DELETE", "INSERT_SELECTION", "INSERT_PROPERTY", "SAVE_TARGETS",
}  # fmt: skip
"""What else an owner can be asked for"""
ANSWER_S = 5.0
"""For the owner to answer, and for each part of what is large"""
LARGEST = 100_000_000
"""Bytes of one format that are kept"""


@dataclass(frozen=True)
class Format:
    """The contents in one form."""

    kind: str
    """the name of its type"""
    bits: int
    """of an item: 8, 16 or 32"""
    data: bytes | list[int]
    """bytes when an item has 8 bits, else the items"""


Contents = dict[str, Format]  # by target, the name by which a window asks for the form


def text_contents(text: str) -> Contents:
    """A text in the forms that windows ask for."""
    forms = {name: Format("UTF8_STRING" if name == "TEXT" else name, 8, text.encode()) for name in TEXTS}
    return forms | {"STRING": Format("STRING", 8, text.encode("latin-1", "replace"))}


def read() -> Contents:
    """What is in the clipboard now; empty when nobody owns it or its owner does not answer. Raises DesktopError."""
    display = opened()
    try:
        with told():
            asking = _Asking(display)
            targets = asking.ask("TARGETS")
            if targets is None or targets.bits != 32:
                return {}
            names = [display.get_atom_name(atom) for atom in targets.data if atom]
            found: Contents = {}
            for name in names:
                if name not in NOT_CONTENTS and (form := asking.ask(name)) is not None:
                    found[name] = form
            return found
    except TimeoutError:
        return {}
    finally:
        display.close()


class _Asking:
    """A window that asks the clipboard's owner."""

    def __init__(self, display: Any) -> None:
        self._display = display
        self._window = display.screen().root.create_window(
            0, 0, 1, 1, 0, X.CopyFromParent, event_mask=X.PropertyChangeMask
        )
        self._clipboard, self._ours = display.get_atom("CLIPBOARD"), display.get_atom("EDGE_LLASM")

    def ask(self, target: str) -> Format | None:
        """One form; None: the owner does not have it. Raises TimeoutError when it does not answer."""
        self._window.convert_selection(
            self._clipboard, self._display.get_atom(target), self._ours, X.CurrentTime
        )
        answer = self._next(lambda event: event.type == X.SelectionNotify)
        if answer.property == X.NONE or (found := self._taken()) is None:
            return None
        return self._in_parts() if found.kind == "INCR" else found

    def _in_parts(self) -> Format | None:
        """Large contents: each part is put there when the one before is taken away, the last one is empty."""
        data = b""
        while len(data) < LARGEST:
            self._next(lambda event: event.type == X.PropertyNotify and event.state == X.PropertyNewValue)
            part = self._taken()
            if part is None or not isinstance(part.data, bytes):
                return None
            if not part.data:
                return Format(part.kind, 8, data)
            data += part.data
        return None

    def _taken(self) -> Format | None:
        found = self._window.get_full_property(self._ours, X.AnyPropertyType, sizehint=LARGEST // 4)
        self._window.delete_property(self._ours)
        self._display.flush()
        if found is None:
            return None
        data = bytes(found.value) if found.format == 8 else list(found.value)
        return Format(self._display.get_atom_name(found.property_type), found.format, data)

    def _next(self, wanted: Callable[[Any], bool]) -> Any:
        end = monotonic() + ANSWER_S
        while (left := end - monotonic()) > 0:
            if not self._display.pending_events():
                select([self._display.fileno()], [], [], left)
            elif wanted(event := self._display.next_event()):
                return event
        raise TimeoutError
