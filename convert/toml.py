"""Python values -> TOML, as far as a manifest needs it; Python itself only reads it."""

import json
from collections.abc import Mapping
from typing import Any


def table(name: str, values: Mapping[str, Any]) -> str:
    """``[name]`` and its values, which are scalars and lists of texts."""
    return f"[{name}]\n{assignments(values)}"


def assignments(values: Mapping[str, Any]) -> str:
    """A line for each."""
    return "".join(f"{key} = {_literal(value)}\n" for key, value in values.items())


def _literal(value: bool | int | float | str | list[str]) -> str:
    """JSON's scalars and arrays are TOML's too, but for one character and for what is not finite."""
    if isinstance(value, float):
        return repr(value)
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
