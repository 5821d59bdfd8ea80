"""A key by the name that people give it: "F9", "ctrl+alt+space"."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches

from edge_llasm.errors import DesktopError

__all__ = ["KEYS", "MODIFIERS", "Shortcut"]

MODIFIERS = "ctrl", "alt", "shift", "super"
"""In the order in which they are pressed"""
ALIASES = {"control": "ctrl", "option": "alt", "cmd": "super", "command": "super", "win": "super",
           "escape": "esc", "return": "enter", "del": "delete", "ins": "insert",
           "pgup": "page_up", "pgdn": "page_down", "pageup": "page_up", "pagedown": "page_down",
           "scrolllock": "scroll_lock", "prtsc": "print_screen", "printscreen": "print_screen"}  # fmt: skip
KEYS = (
    *(f"f{n}" for n in range(1, 21)),
    "esc", "space", "tab", "enter", "backspace", "insert", "delete", "home", "end", "page_up", "page_down",
    "left", "right", "up", "down", "pause", "scroll_lock", "print_screen", "menu",
)  # fmt: skip
"""Those that write nothing by themselves, space aside"""


@dataclass(frozen=True)
class Shortcut:
    """A key, with modifiers held or without."""

    key: str
    """one of KEYS, or the one character that the key writes"""
    modifiers: tuple[str, ...] = ()
    """of MODIFIERS, in their order"""

    @classmethod
    def parse(cls, name: str) -> Shortcut:
        """Read "ctrl+alt+space"; case does not matter. Raises DesktopError, which names the nearest key."""
        *held, key = [ALIASES.get(part, part) for part in name.strip().casefold().split("+")]
        if not key and held and not held[-1]:
            *held, key = [*held[:-1], "+"]  # "ctrl++"
        for modifier in held:
            if modifier not in MODIFIERS:
                raise DesktopError(f'"{name}" is no key: only {", ".join(MODIFIERS)} can be held with one')
        if key not in KEYS and len(key) != 1:
            nearest = get_close_matches(key, KEYS, n=1, cutoff=0.0)[0]
            raise DesktopError(f'"{name}" is no key; the nearest is {"+".join([*held, nearest])}')
        return cls(key, tuple(modifier for modifier in MODIFIERS if modifier in held))

    @property
    def writes(self) -> bool:
        """Whether pressing it writes something, so that it would also be heard where text is typed."""
        plain = not set(self.modifiers) - {"shift"}
        return plain and (len(self.key) == 1 or self.key in ("space", "tab", "enter", "backspace"))

    def __str__(self) -> str:
        key = self.key.upper() if self.key[1:].isdigit() else self.key
        return "+".join([*self.modifiers, key])
