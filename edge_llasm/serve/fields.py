"""A request's parameters, read one by one: each is honoured, known to change nothing, or refused by its name."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from typing import Any

from edge_llasm.serve.api_errors import ApiError, bad_request, unsupported

__all__ = ["Fields"]


class Fields:
    """An object of a request; null counts as absent."""

    def __init__(self, values: object, where: str = "") -> None:
        """Raises ApiError unless `values` is an object."""
        if not isinstance(values, dict):
            raise bad_request(f"{where or 'the body'} must be an object", where or None)
        self._names = set(values)
        self._values = {key: value for key, value in values.items() if value is not None}
        self._where = where
        self._read: set[str] = set()

    def path(self, key: str) -> str:
        """How an error names it."""
        return f"{self._where}.{key}" if self._where else key

    def names(self, key: str) -> bool:
        """Whether it is there, be it null."""
        return key in self._names

    def has(self, key: str) -> bool:
        return key in self._values

    def take(self, key: str) -> Any:
        """The value, None if it is absent."""
        self._read.add(key)
        return self._values.get(key)

    def wrong(self, key: str, wanted: str) -> ApiError:
        return bad_request(f"{self.path(key)} must be {wanted}", self.path(key), "invalid_value")

    def text(self, key: str) -> str | None:
        value = self.take(key)
        if value is not None and not isinstance(value, str):
            raise self.wrong(key, "a string")
        return value

    def truth(self, key: str) -> bool:
        value = self.take(key)
        if value is not None and not isinstance(value, bool):
            raise self.wrong(key, "true or false")
        return bool(value)

    def number(self, key: str) -> float | None:
        value = self.take(key)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float) or not _is_finite(value):
            raise self.wrong(key, "a number")
        return float(value)

    def integer(self, key: str) -> int | None:
        value = self.take(key)
        if value is not None and (isinstance(value, bool) or not isinstance(value, int)):
            raise self.wrong(key, "a whole number")
        return value

    def choice(self, key: str, known: Collection[str]) -> str | None:
        value = self.text(key)
        if value is not None and value not in known:
            raise self.wrong(key, f"one of {', '.join(known)}")
        return value

    def items(self, key: str) -> list[Any]:
        """A list; empty if it is absent."""
        value = self.take(key)
        if value is not None and not isinstance(value, list):
            raise self.wrong(key, "a list")
        return value or []

    def table(self, key: str) -> Fields:
        """An object in this one; an empty one if it is absent."""
        value = self.take(key)
        return Fields({} if value is None else value, self.path(key))

    def finish(self, neutral: Mapping[str, Collection[Any]] | None = None) -> None:
        """Refuse what was not read; what `neutral` lists may have a value that asks for nothing."""
        for key, value in self._values.items():
            if key in self._read:
                continue
            if neutral is None or key not in neutral:
                raise bad_request(
                    f"{self.path(key)} is not known here: leave it out", self.path(key), "unknown_parameter"
                )
            if not any(value == one and type(value) is type(one) for one in neutral[key]):
                raise unsupported(self.path(key))


def _is_finite(number: int | float) -> bool:
    try:
        return math.isfinite(number)
    except OverflowError:  # an integer of hundreds of digits
        return False
