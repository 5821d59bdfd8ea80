"""Whether a process is still there."""

import os
import time

PATIENCE = 20.0
"""s for a process to end, on a machine that is busy with something else"""


def wait_for_the_end(pid: int) -> None:
    """Fails when the process is still there after PATIENCE."""
    ends = time.monotonic() + PATIENCE
    while _runs(pid):
        assert time.monotonic() < ends
        time.sleep(0.05)


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rpartition(")")[2].split()[0] != "Z"  # ended, and nobody asked how
    except OSError:
        return True
