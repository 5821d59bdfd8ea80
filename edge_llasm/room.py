"""How much room there is on the disk and in memory, and sizes as people read them."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from edge_llasm.errors import DownloadError

__all__ = ["physical_memory", "require_disk", "size_text"]

_UNITS = ((10**9, "GB"), (10**6, "MB"), (10**3, "kB"))


def size_text(size: int) -> str:
    """Bytes -> "6.1 GB"; decimal units, as disks are sold."""
    for unit, name in _UNITS:
        if size >= unit:
            return f"{size / unit:.1f} {name}"
    return f"{size} bytes"


def require_disk(folder: Path, needed: int, what: str) -> None:
    """Raise DownloadError unless ``needed`` bytes fit on the disk of ``folder``, which need not exist yet."""
    place = folder
    while not place.exists() and place != place.parent:
        place = place.parent
    free = shutil.disk_usage(place).free
    if needed > free:
        raise DownloadError(
            f"{what} needs {size_text(needed)}, there are {size_text(free)} free in {place}: make room first"
        )


def physical_memory() -> int | None:
    """Bytes of memory that this machine has; None where the system does not say."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):
        return None
