"""Which language a text is in, told by its script: Chinese characters, or letters."""

from __future__ import annotations

from itertools import groupby
from typing import Literal

__all__ = ["Language", "language", "runs"]

Language = Literal["en", "zh"]

HAN = ((0x3007, 0x3007), (0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0xF900, 0xFAFF), (0x20000, 0x3FFFF))
"""Code points, both ends included"""
CHARACTERS_A_WORD = 1.5
"""Chinese characters in a word, on average: makes them comparable with words of letters"""


def language(text: str, before: Language = "en") -> Language:
    """The language that most of the text is in; `before` if it holds neither characters nor letters."""
    characters = sum(_of(one) == "zh" for one in text)
    words = sum(spoken == "en" for spoken, _ in groupby(text, _of))
    if not characters and not words:
        return before
    return "zh" if characters / CHARACTERS_A_WORD >= words else "en"


def runs(text: str, before: Language = "en") -> list[tuple[Language, str]]:
    """The text in pieces of one language each; digits and marks go with what stands before them."""
    found: list[tuple[Language, str]] = []
    for spoken, group in groupby(text, _of):
        piece = "".join(group)
        if found and spoken in (None, found[-1][0]):
            found[-1] = (found[-1][0], found[-1][1] + piece)
        elif len(found) == 1 and not any(map(_of, found[0][1])):  # only digits and marks until now
            found[0] = (spoken or before, found[0][1] + piece)
        else:
            found.append((spoken or before, piece))
    return found


def _of(character: str) -> Language | None:
    """None for digits, marks and spaces, which both languages use."""
    code = ord(character)
    if any(first <= code <= last for first, last in HAN):
        return "zh"
    return "en" if character.isalpha() else None
