"""Models of usual sizes, for time alone: random weights, written once into the user's cache folder."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from edge_llasm.bench.child import CHECKOUT, environment
from edge_llasm.bundle import HOME_VARIABLE, Bundle
from edge_llasm.errors import EngineError
from edge_llasm.manifest import MANIFEST

__all__ = ["NANO", "SIZES", "Files", "files_of", "place"]

WRITER = "convert.rivals.files"
NANO = "nano"
NANO_CHECKPOINT = CHECKOUT / "models" / NANO / "checkpoint"
LAST_WRITTEN = "mmproj.gguf"


@dataclass(frozen=True)
class Size:
    """One that has to be written."""

    what: str
    """one phrase, for people"""
    takes: str
    """disk and time, about"""


SIZES: Mapping[str, Size | None] = MappingProxyType(
    {
        NANO: None,  # the bundled model: trained, and there
        "laptop": Size("a LLaMA of 1.1B in Q4_K_M and whisper-small's tower", "about 5 GB and some minutes"),
        "7b": Size("a LLaMA of 7B in Q4_K_M and whisper-large-v2's tower", "tens of GB and tens of minutes"),
    }
)


@dataclass(frozen=True)
class Files:
    """Folders of one model."""

    bundle: Path
    rival: Path | None
    """files that only rivals read; None: there are none yet"""


def place() -> Path:
    """Where models of random weights are kept: bench in $EDGE_LLASM_HOME, or in the user's cache folder."""
    import platformdirs

    home = os.path.expanduser(os.environ.get(HOME_VARIABLE, ""))
    return Path(home or platformdirs.user_cache_dir("edge-llasm", appauthor=False)) / "bench"


def files_of(size: str, *, for_rivals: bool, report: Callable[[str], None]) -> Files:
    """The files of a size, written if they are not there; `report` is told before it takes long.

    Raises EngineError where they cannot be written.
    """
    out, shape = place() / size, SIZES[size]
    whole = (out / "rival" / LAST_WRITTEN).is_file()
    if shape is None:
        bundle = Bundle.find(size).path
        if for_rivals and not whole:
            report(f"writing {size}'s files for the rivals into {out}")
            _write(out, "--like", str(NANO_CHECKPOINT))
        return Files(bundle, out / "rival" if for_rivals else None)
    if not whole or not (out / "bundle" / MANIFEST).is_file():
        report(f"writing {shape.what}, with random weights, into {out}: once, {shape.takes}")
        _write(out, "--size", size)
    return Files(out / "bundle", out / "rival")


def _write(out: Path, *options: str) -> None:
    """What it prints goes to standard error; Ctrl-C is for it too, and it goes on where it was the next time."""
    if not (CHECKOUT / f"{WRITER.replace('.', '/')}.py").is_file():
        raise EngineError(
            "the installed package writes no models: run edge-llasm bench in a checkout after make setup-torch"
        )
    out.parent.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", WRITER, str(out), *options]
    status = subprocess.run(command, env=environment(), stdout=sys.stderr, check=False).returncode
    if status != 0:
        raise EngineError(
            f"{out} could not be written, see above; after make setup-torch this goes on where it was"
        )
