"""An answer as it streams in -> clauses that can be spoken, as soon as each is whole. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

from edge_llasm.voice.plain import plain
from edge_llasm.voice.script import language

__all__ = ["Clause", "Clauses"]

ENDS_CHINESE = "。！？；：…"
ENDS_WESTERN = ".!?;:"
"""With a space or a Chinese character after it: 3.14 is one number"""
CLOSERS = "\"'”’」』）)】》]*_"
UNSAID = ENDS_CHINESE + "”’」』）】》"
"""At the beginning of a clause: they belong to the one before it"""
COMMAS = ",，、"
ABBREVIATIONS = frozenset({"cf", "dr", "e.g", "fig", "i.e", "mr", "mrs", "ms", "prof", "st", "vs"})
FENCE = re.compile(r"[ \t]*(`{3,}|~{3,})")
MAYBE_FENCE = re.compile(r"[ \t]*(?:`{0,2}|~{0,2})")
FIRST, LONG, LONGEST = 40, 120, 240
"""Letters after which a clause is cut at a comma (the answer's first one sooner, so that it is heard sooner), and
after which it is cut anywhere. A Chinese character takes about as long to say as three letters."""
LETTERS_A_CHARACTER = 3


@dataclass(frozen=True)
class Clause:
    """What is said in one breath."""

    text: str
    """without Markdown"""
    start: int
    end: int
    """its place in the answer, characters"""


class Clauses:
    """Cuts one answer."""

    def __init__(self) -> None:
        self._rest, self._at = "", 0  # what no clause was made of yet, and its place in the answer
        self._opens_line = True
        self._fence = ""
        self._first = True

    @property
    def cut_until(self) -> int:
        """Characters of the answer that the clauses so far were made of."""
        return self._at

    def feed(self, text: str) -> list[Clause]:
        """The answer goes on; the clauses that are whole now."""
        self._rest += text
        return self._cut(last=False)

    def finish(self) -> list[Clause]:
        """The answer is over: what is left of it."""
        return self._cut(last=True)

    def _cut(self, *, last: bool) -> list[Clause]:
        found = []
        while self._rest:
            code = self._code(last)
            n = code or (0 if code is None else self._clause(last))
            if not n:  # more must be known first
                break
            raw, start = self._rest[:n], self._at
            said = "" if code else plain(raw.lstrip(UNSAID), opens_line=self._opens_line)
            self._rest, self._at = self._rest[n:], self._at + n
            self._opens_line = raw.endswith("\n") or self._rest.startswith("```")
            if said:
                found.append(Clause(said, start + len(raw) - len(raw.lstrip()), start + len(raw.rstrip())))
                self._first = False
        return found

    def _code(self, last: bool) -> int | None:
        """How many characters are a line of a code block, its fences included; None = that is not clear yet."""
        if not self._fence and not self._opens_line:
            return 0
        line, newline, _ = self._rest.partition("\n")
        whole, length = bool(newline) or last, len(line) + len(newline)
        if self._fence:
            if not whole:
                return None
            if line.strip().startswith(self._fence) and set(line.strip()) == {self._fence[0]}:
                self._fence = ""
            return length
        fence = FENCE.match(line)
        if fence is None:
            return None if not whole and MAYBE_FENCE.fullmatch(line) else 0
        if not whole:
            return None
        if "`" in line[fence.end() :]:  # it ends in the same line: no block
            return 0
        self._fence = fence[1]
        return length

    def _clause(self, last: bool) -> int:
        """How many characters the next clause takes; 0 = it may go on."""
        text = self._rest
        at = weight = comma = space = 0
        while at < len(text):
            one = text[at]
            if one == "\n":
                return at + 1
            if one == "`":
                end = _past(text, at, "`")
                closing = text.find(text[at:end], end)
                newline = text.find("\n", end)
                if closing >= 0 and (newline < 0 or closing < newline):
                    at = closing + end - at
                elif end - at >= 3 and at:
                    return at  # a block begins in the middle of a line
                elif newline < 0 and not last:
                    return 0
                else:
                    at = end
                continue
            if one in ENDS_CHINESE:
                return at + 1  # a closing mark may follow: it opens the next clause, unsaid
            if one in ENDS_WESTERN:
                end = _past(text, at + 1, ENDS_WESTERN + CLOSERS)
                if end == len(text):
                    return end if last else 0
                if (text[end].isspace() or language(text[end]) == "zh") and not self._abbreviates(at):
                    return end
                at = end
                continue
            weight += LETTERS_A_CHARACTER if language(one) == "zh" else 1
            if one in COMMAS and (one != "," or text[at + 1 : at + 2].isspace()):
                comma = at + 1
            space = at if one.isspace() else space
            if comma and weight > (FIRST if self._first else LONG):
                return comma
            at += 1
            if weight > LONGEST:
                return space or at
        return len(text) if last else 0

    def _abbreviates(self, at: int) -> bool:
        """Whether the mark there is part of the word before it: e.g., Dr., an initial, an item's number."""
        if self._rest[at] != ".":
            return False
        before = self._rest[:at].split()
        word = before[-1].lstrip("\"'(*_") if before else ""
        initial = len(word) == 1 and word.isalpha() and word.isascii()
        number = self._opens_line and len(before) == 1 and word.isdigit()
        return initial or number or word.casefold() in ABBREVIATIONS


def _past(text: str, at: int, characters: str) -> int:
    while at < len(text) and text[at] in characters:
        at += 1
    return at
