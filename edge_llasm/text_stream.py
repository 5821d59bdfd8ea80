"""Bytes of tokens -> text that can be shown: whole characters, no stop string; several answers in one text."""

import codecs
import unicodedata
from collections.abc import Sequence

__all__ = ["TextStream", "Transcript"]


class TextStream:
    """Joins the bytes of one answer's tokens.

    A character is given out when its last byte is there, and text that may be the beginning of a stop string
    is held back until it is clear whether it is one. Bytes that are no UTF-8 become U+FFFD.
    """

    def __init__(self, stop: Sequence[str] = (), *, strip_space: bool = False) -> None:
        """`strip_space` drops one space at the beginning: the dummy prefix of a SentencePiece vocabulary."""
        if "" in stop:
            raise ValueError("a stop string must not be empty")
        self._stop = tuple(stop)
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._strip = strip_space
        self._held = ""
        self.stopped = False
        """whether a stop string was met; what follows it is dropped"""

    def feed(self, data: bytes) -> str:
        """Take a token's bytes, return the text that is safe to show now."""
        if self.stopped:
            return ""
        text = self._decoder.decode(data)
        if self._strip and text:
            self._strip = False
            text = text.removeprefix(" ")
        text = self._held + text
        cuts = [at for stop in self._stop if (at := text.find(stop)) >= 0]
        if cuts:
            self.stopped, self._held = True, ""
            return text[: min(cuts)]
        keep = self._unsure(text)
        self._held = text[len(text) - keep :]
        return text[: len(text) - keep]

    def flush(self) -> str:
        """What is still held back, at the end of the answer; half a character is dropped."""
        text, self._held = self._held, ""
        return text

    def _unsure(self, text: str) -> int:
        """Characters at the end of `text` that may begin a stop string."""
        longest = max((len(stop) - 1 for stop in self._stop), default=0)
        for n in range(min(longest, len(text)), 0, -1):
            if any(stop.startswith(text[-n:]) for stop in self._stop):
                return n
        return 0


class Transcript:
    """Joins what is written down piece by piece: one line per recording, its pieces one after the other."""

    def __init__(self) -> None:
        self._line = self._next_line = 0
        self._begun = False  # whether this piece has said anything
        self._last = ""  # the last character that is no space

    def begin(self, line: int) -> None:
        """The next piece belongs to this line, counted from 0."""
        self._next_line, self._begun = line, False

    def add(self, text: str) -> str:
        """The next part of the piece, with what goes between it and the text before.

        That is a new line, or a space, or nothing beside a Chinese character.
        """
        if not self._begun:
            text = text.lstrip()
            if not text:
                return ""
            text = self._gap(text[0]) + text
            self._begun, self._line = True, self._next_line
        self._last = text.rstrip()[-1:] or self._last
        return text

    def _gap(self, first: str) -> str:
        if not self._last:
            return ""
        if self._next_line != self._line:
            return "\n"
        wide = any(unicodedata.east_asian_width(character) in "WF" for character in (self._last, first))
        return "" if wide else " "
