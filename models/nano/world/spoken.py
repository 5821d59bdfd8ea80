"""Text as it is spoken: lower-case English words and Han characters, nothing that has to be read out specially."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

HAN = "\u4e00-\u9fff"
_TOKEN = re.compile(rf"[a-z]+(?:'[a-z]+)?|[{HAN}]")
_UNSPEAKABLE = re.compile(rf"[^a-z' {HAN}]|http|www", re.IGNORECASE)

_ONES = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
    "seventeen eighteen nineteen"
).split()
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()
_HAN_DIGITS = "零一二三四五六七八九"


@dataclass(frozen=True)
class Exchange:
    """One conversation of one or two turns."""

    kind: str  # the subject: "coding", "arithmetic", …
    turns: tuple[tuple[str, str], ...]  # (what is said, as spoken text; what is answered)

    @property
    def language(self) -> str:
        """``en``, ``zh`` or ``mixed``, by the scripts of the newest question."""
        return language_of(self.turns[-1][0])


def tokens(text: str) -> list[str]:
    """The units of hearing: English words and single Han characters, in order."""
    return _TOKEN.findall(text.lower())


def spoken(text: str) -> str:
    """The one written form of a spoken sentence: words apart, Han characters together, a space where they meet."""
    written = ""
    for token in tokens(text):
        both_han = written and re.match(f"[{HAN}]", written[-1]) and re.match(f"[{HAN}]", token)
        written += token if not written or both_han else " " + token
    return written


def speakable(text: str) -> bool:
    """False for what the paper drops from human turns: code, symbols, digits, addresses (arXiv 2308.15930, section 4)."""
    return bool(tokens(text)) and not _UNSPEAKABLE.search(text)


def language_of(text: str) -> str:
    has_han, has_latin = bool(re.search(f"[{HAN}]", text)), bool(re.search("[a-zA-Z]", text))
    return "mixed" if has_han and has_latin else "zh" if has_han else "en"


def number_en(n: int) -> str:
    """0 … 100 in English words."""
    if n < 20:
        return _ONES[n]
    if n == 100:
        return "one hundred"
    return _TENS[n // 10 - 2] + (f" {_ONES[n % 10]}" if n % 10 else "")


def number_zh(n: int) -> str:
    """0 … 100 in Chinese characters."""
    if n < 10:
        return _HAN_DIGITS[n]
    if n == 100:
        return "一百"
    tens = "" if n < 20 else _HAN_DIGITS[n // 10]
    return f"{tens}十" + (_HAN_DIGITS[n % 10] if n % 10 else "")


def snake(words: Sequence[str]) -> str:
    return "_".join(words)


def camel(words: Sequence[str]) -> str:
    return "".join(word.capitalize() for word in words)


def code(*lines: str) -> str:
    """A Python answer: one fenced block."""
    return "```python\n" + "\n".join(lines) + "\n```"
