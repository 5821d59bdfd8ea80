"""Files whose checksum is known: a model of several GB is not read through again at every start.

A file is taken for unchanged when its size, its two times, its inode and its disk are what they were, as make and git
take it. The time of the last change of its inode is among them, which no program can set back: to write into a file
and restore its date does not hide that. Who can do more than that can alter the manifest with its checksums too, so
nothing is trusted here that was not before. What rots on a disk unnoticed is found by `edge-llasm doctor`, which
reads everything.
"""

from __future__ import annotations

import json
import os
import threading
import time
from contextlib import suppress
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Self

__all__ = ["Checked", "FileState", "checked_file"]

SETTLED_NS = 2_000_000_000
"""A file that changed less than this before it was read may change again within one tick of its file system's clock"""
KEPT = 256
"""Files, the newest"""


@dataclass(frozen=True)
class FileState:
    """What is different after a file was written to."""

    size: int
    """bytes"""
    modified: int
    """ns since the epoch"""
    changed: int
    """the same of its inode"""
    inode: int
    disk: int

    @classmethod
    def of(cls, stat: os.stat_result) -> Self:
        return cls(stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino, stat.st_dev)


class Checked:
    """A small file of checksums in the user's cache. Without it everything is read, and that is all.

    Several processes may write it; what one of them loses is read again.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._lock = threading.Lock()

    def sha256(self, path: Path, state: FileState) -> str | None:
        """Of a file that was read in just this state; None: not known."""
        entry = self._read().get(os.path.realpath(path))
        match entry:
            case [*numbers, str(digest)] if tuple(numbers) == astuple(state):
                return digest
        return None

    def note(self, path: Path, state: FileState, sha256: str) -> None:
        """A file was read in this state from beginning to end."""
        if time.time_ns() - max(state.modified, state.changed) < SETTLED_NS:
            return
        with self._lock, suppress(OSError):  # a home that cannot be written to costs time, nothing else
            known = self._read()
            known.pop(os.path.realpath(path), None)
            known[os.path.realpath(path)] = [*astuple(state), sha256]
            self._file.parent.mkdir(parents=True, exist_ok=True)
            draft = self._file.with_name(f"{self._file.name}.{os.getpid()}")
            draft.write_text(json.dumps(dict(list(known.items())[-KEPT:]), indent=1), "utf-8")
            draft.replace(self._file)

    def _read(self) -> dict[str, object]:
        with suppress(OSError, ValueError):  # none yet, or damaged: nothing is known
            known = json.loads(self._file.read_text("utf-8"))
            if isinstance(known, dict):
                return known
        return {}


def checked_file() -> Path:
    """$EDGE_LLASM_HOME/checked.json, or checked.json in the user's cache folder."""
    import platformdirs

    home = os.path.expanduser(os.environ.get("EDGE_LLASM_HOME", ""))
    return Path(home or platformdirs.user_cache_dir("edge-llasm", appauthor=False)) / "checked.json"
