"""What every first question to a model begins with, as the language model keeps it, on disk.

The system prompt, and nothing of what anybody said: a first question after a start is read from there on. One file for
each model and way to run it, in the user's cache folder. Whatever happens to it, only time is lost.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path

from edge_llasm.cache_file import CacheFile
from edge_llasm.segments import Segment

__all__ = ["forget_heads", "head_file", "heads_folder"]


def head_file(model: str, way: str, origin: str, segments: Sequence[Segment]) -> CacheFile:
    """`way` is what a user may choose: a newer version of the model writes over the file of the older one."""
    return CacheFile(heads_folder() / f"{_plain(model)}.{way}.cache", origin, segments)


def heads_folder() -> Path:
    """$EDGE_LLASM_HOME/heads, or heads in the user's cache folder."""
    import platformdirs

    home = os.path.expanduser(os.environ.get("EDGE_LLASM_HOME", ""))
    return Path(home or platformdirs.user_cache_dir("edge-llasm", appauthor=False)) / "heads"


def forget_heads(model: str) -> None:
    """Remove those of a model. Raises OSError."""
    for path in heads_folder().glob(f"{_plain(model)}.*"):
        path.unlink(missing_ok=True)


def _plain(model: str) -> str:
    """A name as a file's: without a dot, which ends it, and without what means something in paths and patterns."""
    return re.sub(r"[^A-Za-z0-9_-]", "_", model)
