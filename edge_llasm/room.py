"""How much room there is on the disk and in memory."""

from __future__ import annotations

import ctypes
import os
import shutil
import sys
from pathlib import Path

from edge_llasm.errors import NoRoom
from edge_llasm.units import readable

__all__ = ["free_memory", "give_memory_back", "let_go_of", "physical_memory", "require_disk"]

MADV_DONTNEED = 4
"""madvise(2): of a mapped file it forgets pages and changes nothing"""


def require_disk(folder: Path, needed: int, what: str) -> None:
    """Raise NoRoom unless ``needed`` bytes fit on the disk of ``folder``, which need not exist yet."""
    place = folder
    while not place.exists() and place != place.parent:
        place = place.parent
    free = shutil.disk_usage(place).free
    if needed > free:
        raise NoRoom(
            f"{what} needs {readable(needed)}, there are {readable(free)} free in {place.absolute()}: "
            "make room, or choose another disk"
        )


def physical_memory() -> int | None:
    """Bytes of memory that this machine has; None where the system does not say."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):
        return None


def free_memory(meminfo: Path = Path("/proc/meminfo")) -> int | None:
    """Bytes that a program could take without swapping, where the system says so (Linux), else None."""
    try:
        for line in meminfo.read_text(encoding="ascii").splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    except (OSError, ValueError, IndexError):
        return None
    return None


def let_go_of(file: Path, maps: Path = Path("/proc/self/maps")) -> None:
    """Have no page of a mapped file in this process's memory; what it reads again comes back by itself.

    For files of which the most was read once, to be copied. Only Linux tells where a library has mapped a file.
    """
    try:
        lines = maps.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return
    name, libc = os.path.realpath(file), ctypes.CDLL(None)
    libc.madvise.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
    for line in lines:
        span, *_, mapped = line.split(maxsplit=5)
        if mapped == name:
            start, end = (int(address, 16) for address in span.split("-"))
            libc.madvise(start, end - start, MADV_DONTNEED)


def give_memory_back() -> None:
    """Let the system have what was freed: C's allocator keeps it for later, and later may be hours."""
    if sys.platform == "linux" and (trim := getattr(ctypes.CDLL(None), "malloc_trim", None)) is not None:
        trim(0)  # glibc's own; musl has none
