"""Who can be measured: by name, with the commands that start them.

A rival is a module of its own, in a process of its own; the names are those of `edge-llasm bench --against`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from edge_llasm.bench.child import CHECKOUT
from edge_llasm.errors import EngineError
from edge_llasm.llama_setup import DEFAULTS, REPACK

__all__ = ["BARE", "OURS", "RIVALS", "Entry", "Subject", "entries"]

OURS, BARE = "edge-llasm", "llama.cpp"
"""What is measured always: this package as it is used, and llama.cpp alone on the same file"""
_OURS_MODULE, _BARE_MODULE = "edge_llasm.bench.ours", "edge_llasm.bench.bare"
_OTHER = next(order for order in REPACK if order != DEFAULTS.repack)


@dataclass(frozen=True)
class Rival:
    """How one is started."""

    what: str
    """one phrase, for people"""
    commands: tuple[str, ...]
    """MODULE and its own arguments; one process and one row for each"""
    wants_files: bool = False
    """--rival DIR instead of --device: files that only rivals read, on the CPU"""


RIVALS: Mapping[str, Rival] = MappingProxyType(
    {
        "pytorch": Rival(
            "the reference in transformers, float32 and bfloat16",
            ("convert.rivals.pytorch --dtype float32", "convert.rivals.pytorch --dtype bfloat16"),
            wants_files=True,
        ),
        "cascade": Rival(
            "whisper.cpp's transcript, answered by llama.cpp; two kinds of weights, full and trimmed window",
            tuple(
                f"edge_llasm.bench.cascade --type {kind}{trim}"
                for trim in ("", " --trim")
                for kind in ("f16", "q8_0")
            ),
            wants_files=True,
        ),
        "mtmd": Rival(
            "llama.cpp's own way to hear, in Ultravox' shape", ("edge_llasm.bench.mtmd",), wants_files=True
        ),
        "onnx": Rival(
            "our engine for the CPU, trimmed and full window",
            (f"{_OURS_MODULE} --speech onnx --window clip", f"{_OURS_MODULE} --speech onnx --window full"),
        ),
        "whisper.cpp": Rival(
            "our engine for GPUs, trimmed and full window",
            (
                f"{_OURS_MODULE} --speech whisper.cpp --window clip",
                f"{_OURS_MODULE} --speech whisper.cpp --window full",
            ),
        ),
        "no-cache": Rival(
            "edge-llasm that reads the whole prompt in every turn", (f"{_OURS_MODULE} --cold",)
        ),
        "repack": Rival(
            "quantized weights in the other order, repacked or not, by edge-llasm and by llama.cpp alone",
            (f"{_OURS_MODULE} --repack {_OTHER}", f"{_BARE_MODULE} --repack {_OTHER}"),
        ),
    }
)


@dataclass(frozen=True)
class Subject:
    """What all of them are given."""

    bundle: Path
    rival: Path | None
    """files that only rivals read; None: there are none"""
    device: str
    speech: str
    """engine of our own row"""
    window: str
    """of our own row: a word of ours.WINDOWS"""
    kv_type: str = DEFAULTS.kv_type
    flash_attention: str = DEFAULTS.flash_attention
    repack: str = "auto"
    """all of ours and llama.cpp's own row"""


@dataclass(frozen=True)
class Entry:
    """One process to be."""

    name: str
    """a name of RIVALS, OURS or BARE"""
    command: tuple[str, ...]
    """as Python takes it"""


def entries(subject: Subject, against: Sequence[str]) -> list[Entry]:
    """Our own row first, then llama.cpp's, then those of `against`. Raises EngineError for what cannot be here."""
    model, device = ("--model", str(subject.bundle)), ("--device", subject.device)
    ours = ("--speech", subject.speech, "--window", subject.window)
    setup = (
        *("--kv-type", subject.kv_type),
        *("--flash-attention", subject.flash_attention),
        *("--repack", subject.repack),
    )
    found = [
        Entry(OURS, ("-m", _OURS_MODULE, *model, *device, *ours, *setup)),
        Entry(BARE, ("-m", _BARE_MODULE, *model, *device, *setup)),
    ]
    for name in dict.fromkeys(against):
        rival = RIVALS[name]
        for command in rival.commands:
            module, *arguments = command.split()
            given = device
            if rival.wants_files:
                if subject.rival is None:
                    raise EngineError(
                        f"{name} reads files that this model does not have: --rival names their folder, and "
                        "python -m convert.rivals.files writes them; or take --size laptop"
                    )
                given = ("--rival", str(subject.rival))
            _require(name, module)
            found.append(Entry(name, ("-m", module, *model, *given, *arguments)))
    return found


def _require(name: str, module: str) -> None:
    """Raises EngineError for a module that only a checkout has."""
    if not (CHECKOUT / f"{module.replace('.', '/')}.py").is_file():
        raise EngineError(
            f"{name} is not part of the installed package: run edge-llasm bench in a checkout after make setup-torch"
        )
