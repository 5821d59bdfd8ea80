"""What `edge-llasm tune` found best on this machine, kept in one file for every later load.

```json
{"AMD Ryzen 7 5800U, 16 processors": {
  "nano on cpu": {"llm_bytes": 6463552, "n_threads": 1, "n_threads_batch": 1, "n_batch": 128, "repack": "on",
    "speech_threads": 4}}}
```
"""

from __future__ import annotations

import json
import logging
import os
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from edge_llasm.bundle import Bundle, search_path
from edge_llasm.cores import usable_processors
from edge_llasm.llama_setup import DEFAULTS, REPACK, Setup

__all__ = [
    "NOTHING",
    "Tuned",
    "all_tuned",
    "describe",
    "forget_tuned",
    "keep_tuned",
    "machine",
    "tuned_file",
    "tuned_for",
]

MOST_POSITIONS = 1 << 16
"""No batch is larger"""

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Tuned:
    """Of one model on one device."""

    setup: Setup
    """threads, batch and order of weights of the language model"""
    speech_threads: int | None = None
    """of onnxruntime's speech tower; None: its default"""


NOTHING = Tuned(DEFAULTS)


def describe(tuned: Tuned) -> str:
    """One line for people."""
    setup, heard = tuned.setup, tuned.speech_threads
    if setup.n_threads is None:
        return "not tuned"
    speech = "" if heard is None else f", {_threads(heard)} for speech"
    order = "".join(f", weights {mark}" for mark in setup.marks)
    return (
        f"{_threads(setup.n_threads)} for a token, {_threads(setup.n_threads_batch or setup.n_threads)} for a prompt "
        f"in batches of {setup.n_batch}{order}{speech}"
    )


def tuned_file() -> Path:
    """In the user's data folder, or in $EDGE_LLASM_HOME."""
    return search_path()[0].parent / "tuned.json"


def tuned_for(bundle: Bundle, device: str) -> Tuned:
    """What is kept for this model, its language model on `device`; NOTHING where there is none, or a broken one."""
    file = tuned_file()
    try:
        entry = _read(file).get(machine(), {}).get(_name(bundle.name, device))
        if entry is None or entry["llm_bytes"] != bundle.llm_entry.size:
            return NOTHING
        return _checked(entry)
    except FileNotFoundError:
        return NOTHING
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        logger.error("%s is not used (%s): edge-llasm tune writes it anew", file, error)
        return NOTHING


def keep_tuned(bundle: Bundle, device: str, tuned: Tuned) -> None:
    """Instead of what was kept for this model, device and machine. Raises OSError."""
    setup = tuned.setup
    entry = {
        "llm_bytes": bundle.llm_entry.size,
        "n_threads": setup.n_threads,
        "n_threads_batch": setup.n_threads_batch,
        "n_batch": setup.n_batch,
        "repack": setup.repack,
        "speech_threads": tuned.speech_threads,
    }
    kept = all_tuned()
    kept.setdefault(machine(), {})[_name(bundle.name, device)] = entry
    _write(kept)


def forget_tuned(model: str) -> bool:
    """Whether there was something to forget: all that is kept for the model on this machine. Raises OSError."""
    kept = all_tuned()
    here = kept.get(machine(), {})
    left = {name: entry for name, entry in here.items() if name.rpartition(" on ")[0] != model}
    if len(left) == len(here):
        return False
    kept[machine()] = left
    _write({name: entries for name, entries in kept.items() if entries})
    return True


def all_tuned() -> dict[str, dict[str, dict[str, Any]]]:
    """Machine -> model and device -> what was found; nothing where the file is missing or broken."""
    try:
        kept = _read(tuned_file())
    except (OSError, ValueError):
        return {}
    whole = all(
        isinstance(here, dict) and all(isinstance(entry, dict) for entry in here.values())
        for here in kept.values()
    )
    return kept if whole else {}


@cache
def machine() -> str:
    """Its processor, and how many of them this process may use."""
    n = usable_processors()
    return f"{_processor()}, {n} processor{'s' if n > 1 else ''}"


def _processor() -> str:
    import platform  # only where something is tuned: a start should be quick
    import subprocess

    if platform.system() == "Darwin":
        said = subprocess.run(["sysctl", "-n", "machdep.cpu.brand_string"], capture_output=True, check=False)
        return said.stdout.decode("utf-8", "replace").strip() or platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8", "replace").splitlines()
    except OSError:
        lines = []
    names = [
        value.strip()
        for line in lines
        for key, _, value in [line.partition(":")]
        if key.strip() == "model name"
    ]
    return names[0] if names else platform.processor() or platform.machine()


def _threads(n: int) -> str:
    return f"{n} thread{'s' if n > 1 else ''}"


def _name(model: str, device: str) -> str:
    return f"{model} on {device}"


def _checked(entry: dict[str, Any]) -> Tuned:
    """Raises ValueError for a number that no tuning finds here."""
    most = {
        "n_threads": usable_processors(),
        "n_threads_batch": usable_processors(),
        "n_batch": MOST_POSITIONS,
    }
    if entry["speech_threads"] is not None:
        most["speech_threads"] = usable_processors()
    for name, limit in most.items():
        if type(entry[name]) is not int or not 1 <= entry[name] <= limit:
            raise ValueError(f"{name} = {entry[name]} is not from 1 to {limit}")
    if entry["repack"] not in REPACK:
        raise ValueError(f"repack = {entry['repack']} is neither on nor off")
    setup = Setup(entry["n_threads"], entry["n_threads_batch"], entry["n_batch"], repack=entry["repack"])
    return Tuned(setup, entry["speech_threads"])


def _read(file: Path) -> dict[str, Any]:
    kept = json.loads(file.read_text("utf-8"))
    if not isinstance(kept, dict):
        raise ValueError("it holds no table")
    return kept


def _write(kept: dict[str, Any]) -> None:
    file = tuned_file()
    file.parent.mkdir(parents=True, exist_ok=True)
    draft = file.with_name(f"{file.name}.{os.getpid()}.part")
    try:
        draft.write_text(json.dumps(kept, indent=1, ensure_ascii=False) + "\n", "utf-8")
        draft.replace(file)
    finally:
        draft.unlink(missing_ok=True)
