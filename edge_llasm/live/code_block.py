"""The code of an answer, ready to be put into an editor."""

from __future__ import annotations

import re
from textwrap import dedent

__all__ = ["code_block"]

BLOCK = re.compile(r"^[ \t]*```[^\n]*\n(.*?)(?:^[ \t]*```|\Z)", re.DOTALL | re.MULTILINE)


def code_block(answer: str) -> str:
    """The first fenced block, to the answer's end if it was cut off there; "" = none.

    No indentation of its own and no new line at its end: both belong to the place where it lands.
    """
    found = BLOCK.search(answer)
    return dedent(found[1]).strip("\n") if found else ""
