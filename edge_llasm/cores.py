"""How many threads are worth having: one for each physical core that this process may use."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

__all__ = ["physical_cores", "usable_processors"]

TOPOLOGY = Path("/sys/devices/system/cpu")
SURELY_CORES = 2
"""Where the system does not say, more processors than that are taken for pairs of hyper-threads"""


@cache
def physical_cores() -> int:
    """At least 1. Hyper-threads share a core's arithmetic units: to a matrix product they are one."""
    if hasattr(os, "sched_getaffinity") and (cores := linux_cores(sorted(os.sched_getaffinity(0)))):
        return cores
    n = usable_processors()
    return n if n <= SURELY_CORES else (n + 1) // 2


def usable_processors() -> int:
    """Those that this process may run on, hyper-threads counted."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def linux_cores(processors: list[int], topology: Path = TOPOLOGY) -> int:
    """Different cores among the processors; 0 where the kernel does not tell."""
    try:
        return len(
            {
                (topology / f"cpu{n}/topology/thread_siblings_list").read_text("ascii").strip()
                for n in processors
            }
        )
    except OSError:
        return 0
