"""Bytes of tokens -> text that can be shown: whole characters, nothing of a stop string."""

import codecs
from collections.abc import Sequence

__all__ = ["TextStream"]


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
