"""Markdown -> what a person would read out: no marks, no code, no addresses."""

from __future__ import annotations

import re
import unicodedata

__all__ = ["plain"]

OPENING = re.compile(r"\s*(?:(?:#{1,6}|>|[-*+])(?:\s+|$)(?:\[[ xX]\]\s+)?)+")
"""Of a line: heading, quotation, item, box to tick"""
RULE = re.compile(r"\s*([-*_=])(?:\s*\1)+\s*|[\s|:+-]*")
"""A line that holds no words: a rule, the line below a table's head"""
CODE = re.compile(r"(`+)(.+?)\1")
NAME = re.compile(r"\s*([A-Za-z_][A-Za-z0-9_]*)(?:\(\))?\s*")
"""Code that is only a name is read out: the sentence makes no sense without it"""
LINK = re.compile(r"!?\[([^\]]*)\]\([^)\s]*(?:\s+\"[^\"]*\")?\)")
CHINESE = r"\u3000-\u303f\u3400-\u9fff\uff00-\uffef"
ADDRESS = re.compile(rf"<?(?:https?://|www\.)[^\s<>{CHINESE}]*[^\s<>{CHINESE}.,;:!?)\]*_]>?")
TAG = re.compile(r"</?[A-Za-z][^<>]*>")
ESCAPE = re.compile(r"\\([!-/:-@\[-`{-~])")
STARS = re.compile(r"(?<![0-9A-Za-z*])\*+(?=\S)|(?<=\S)\*+(?![0-9A-Za-z*])")
"""Emphasis, not a product"""
BARS = re.compile(r"(?<!\w)_+(?=\S)|(?<=\S)_+(?!\w)|~~")
CELLS = re.compile(r"\s*\|\s*")
BEFORE_MARK = re.compile(r"\s+([.,;:!?])")
FIRST_SYMBOL = 0x2000
"""Above it symbols are pictures; below there are degrees and copyrights"""


def plain(text: str, *, opens_line: bool) -> str:
    """A clause or line of Markdown as it is spoken; "" = there is nothing to say."""
    if opens_line:
        if RULE.fullmatch(text):
            return ""
        table = text.lstrip().startswith("|")
        text = OPENING.sub("", text, count=1) if OPENING.match(text) else text
        if table:
            text = CELLS.sub(", ", text.strip().strip("|"))
    text = LINK.sub(r"\1", text)
    text = CODE.sub(_name, text)
    text = ADDRESS.sub("", text)
    text = TAG.sub("", text)
    text = STARS.sub("", text)
    text = BARS.sub("", text).replace("_", " ").replace("`", "")
    text = ESCAPE.sub(r"\1", text)
    text = " ".join("".join(one for one in text if not _picture(one)).split())
    text = BEFORE_MARK.sub(r"\1", text)
    return text if any(one.isalnum() for one in text) else ""


def _name(code: re.Match[str]) -> str:
    name = NAME.fullmatch(code[2])
    return name[1] if name else ""


def _picture(character: str) -> bool:
    if character in "\u200d\ufe0e\ufe0f":  # joiners and selectors of emoji
        return True
    return ord(character) >= FIRST_SYMBOL and unicodedata.category(character) in ("So", "Sk", "Cs")
