"""Bytes from a terminal -> keys, in the old form and in that of the kitty keyboard protocol.

Sources: https://sw.kovidgoyal.net/kitty/keyboard-protocol/ (CSI code : … ; modifiers : event ; text u), ECMA-48,
xterm's control sequences for cursor and editing keys.
"""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass
from typing import Literal

__all__ = ["Key", "KeyParser"]

Action = Literal["press", "repeat", "release"]

ACTIONS: dict[str, Action] = {"1": "press", "2": "repeat", "3": "release"}
NAMED = {9: "tab", 13: "enter", 27: "escape", 32: "space", 127: "backspace"}
"""Code point -> name; the others are named by their character"""
LETTERS = {"A": "up", "B": "down", "C": "right", "D": "left", "F": "end", "H": "home",
           "P": "f1", "Q": "f2", "R": "f3", "S": "f4"}  # fmt: skip
NUMBERS = {2: "insert", 3: "delete", 5: "page up", 6: "page down", 7: "home", 8: "end", 11: "f1", 12: "f2", 13: "f3",
           14: "f4", 15: "f5", 17: "f6", 18: "f7", 19: "f8", 20: "f9", 21: "f10", 23: "f11", 24: "f12",
           200: "paste begins", 201: "paste ends"}  # fmt: skip
"""First number of CSI … ~"""
MODIFIERS = ("shift", "alt", "ctrl")
"""The bits of the modifier's number less one; those above are not told apart"""
CSI = re.compile(r"\x1b\[([\d;:]*)([A-Za-z~])|\x1bO([A-Z])")
UNFINISHED = re.compile(r"\x1b(\[[\d;:?]*)?$|\x1bO$")
ANSWER = re.compile(r"\x1b\[\?[\d;]*[uc]")
"""What a terminal says when it is asked something: not a key"""
PRIVATE = range(0xE000, 0xF900)
"""Code points of keys without a character (kitty's functional keys: left shift and the like)"""


@dataclass(frozen=True)
class Key:
    """One event of one key."""

    name: str
    """"a", "space", "enter", "up", "f9" …, with "ctrl+", "alt+", "shift+" before it"""
    text: str = ""
    """what it writes; "" = nothing"""
    action: Action = "press"


class KeyParser:
    """Keeps what is not complete yet: a sequence, or a character of several bytes."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._rest = ""

    def feed(self, data: bytes) -> list[Key]:
        """The keys that are complete by now."""
        text, keys = self._rest + self._decoder.decode(data), []
        while text and not UNFINISHED.match(text):
            found = CSI.match(text)
            if answer := ANSWER.match(text):
                text = text[answer.end() :]
            elif found:
                text = text[found.end() :]
                if key := _sequence(found):
                    keys.append(key)
            elif text[0] == "\x1b" and len(text) > 1 and text[1] not in "\x1b[O":
                plain = _character(text[1])
                keys.append(Key(f"alt+{plain.name}"))
                text = text[2:]
            else:
                keys.append(_character(text[0]))
                text = text[1:]
        self._rest = text
        return keys

    def flush(self) -> list[Key]:
        """Nothing more came: an escape that began no sequence was the key itself."""
        rest, self._rest = self._rest, ""
        return [_character(character) for character in rest]


def _character(character: str) -> Key:
    code = ord(character)
    if character in "\r\n":
        return Key("enter")
    if code in NAMED:
        return Key(NAMED[code], " " if code == 32 else "")
    if code == 8:
        return Key("backspace")
    if code < 32:
        return Key(f"ctrl+{chr(code + 96)}" if 0 < code < 27 else "ctrl+space")
    return Key(character, character)


def _sequence(found: re.Match[str]) -> Key | None:
    numbers, final = found[1] or "", found[2] or found[3]
    fields = [field.split(":") for field in numbers.split(";")] + [[""]] * 3
    code = int(fields[0][0] or 1)
    modifiers = int(fields[1][0] or 1) - 1
    action = ACTIONS.get((fields[1] + [""])[1] or "1", "press")
    text = "".join(chr(int(point)) for point in fields[2] if point)
    if final == "u":
        if code in PRIVATE:
            return None  # a modifier alone, a media key
        name = NAMED.get(code) or (chr(code) if code else text)
        if not text and code >= 32 and code != 127 and modifiers in (0, 1):
            text = chr(int(fields[0][1])) if modifiers and fields[0][1:2] and fields[0][1] else chr(code)
    elif final == "~":
        name = NUMBERS.get(code, "")
    else:
        name = LETTERS.get(final, "tab" if final == "Z" else "")
        modifiers |= final == "Z"
    if not name:
        return None
    held = "".join(f"{each}+" for bit, each in enumerate(MODIFIERS) if modifiers >> bit & 1)
    if text and held == "shift+":
        held, name = "", text if name != "space" else name
    return Key(held + name, "" if action == "release" or (held and held != "shift+") else text, action)
