"""The progress of a download, where somebody watches."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["transfer"]


@contextmanager
def transfer(name: str, total: int) -> Iterator[Callable[[int], Any]]:
    """A bar on standard error, if that is a terminal, with the rate and the time left.

    Yields what takes the number of bytes that arrived; `total` is in bytes too.
    """
    from tqdm import tqdm

    with tqdm(desc=name, total=total, unit="B", unit_scale=True, leave=False, disable=None) as bar:
        yield bar.update
