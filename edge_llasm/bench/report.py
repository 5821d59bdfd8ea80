"""What a comparison found: all of it, as data for programs."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from edge_llasm.bench.comparison import CHAT_SECONDS, Case, Result, compare
from edge_llasm.bench.machine import Limits, measure_limits
from edge_llasm.bench.process import Process, measure_process
from edge_llasm.bench.rivals import Subject, entries
from edge_llasm.bundle import Bundle
from edge_llasm.errors import EngineError

__all__ = ["Report", "as_json", "is_random", "measure"]

RANDOM_NOTE = "size.json"
"""Beside the folder of a bundle whose weights are random (convert.rivals.files)"""


@dataclass(frozen=True)
class Report:
    """One run."""

    bundle: Bundle
    limits: Limits
    rounds: int
    cases: list[Case]
    results: list[Result]
    """our own first, then llama.cpp alone, then the rivals"""
    process: Process | None = None
    """`edge-llasm ask` as a whole, where that was asked for"""

    @property
    def ours(self) -> Result:
        """What all others are compared with."""
        return self.results[0]

    @property
    def chat(self) -> Case:
        """The first turn of the chat that goes on: the clip of the figures that stand for all."""
        firsts = [case for case in self.cases if case.turn == 1]
        return min(firsts, key=lambda case: abs(case.seconds - CHAT_SECONDS))

    def ratio(self, result: Result, case: Case, stage: str = "first_token_ms") -> float | None:
        """A median over our own row's; None where one of them is missing or nothing."""
        theirs, ours = result.median(case, stage), self.ours.median(case, stage)
        return theirs / ours if theirs and ours else None


def measure(
    subject: Subject,
    against: Sequence[str],
    asked: Sequence[Case],
    rounds: int,
    report: Callable[[str], None],
    *,
    process: bool = False,
) -> Report:
    """All of it; `report` is told what is going on. A rival that fails says so in its result.

    `process`: whole processes of `edge-llasm ask` too.

    Raises BundleError, EngineError, also when our own candidate does not load.
    """
    bundle = Bundle.load(subject.bundle)
    bundle.verify()
    chosen = entries(subject, against)
    report("measuring the machine")
    limits = measure_limits()
    results = compare(chosen, asked, rounds, report)
    if results[0].loaded is None:
        raise EngineError(results[0].failed)
    found = Report(bundle, limits, rounds, list(asked), results)
    if not process:
        return found
    return replace(found, process=measure_process(subject, found.chat.seconds, rounds, report))


def is_random(bundle: Bundle) -> bool:
    """Whether only its time means anything."""
    return (bundle.path.absolute().parent / RANDOM_NOTE).is_file()


def as_json(report: Report) -> str:
    """One object; every field of every Turn as a list, one value for each round."""
    whole = {
        "model": report.bundle.name,
        "random_weights": is_random(report.bundle),
        "file_bytes": report.bundle.size,
        "rounds": report.rounds,
        "limits": asdict(report.limits),
        "process": None if report.process is None else _process(report.process),
        "candidates": [_candidate(report, result) for result in report.results],
    }
    return json.dumps(whole) + "\n"


def _candidate(report: Report, result: Result) -> dict[str, Any]:
    return {
        "entry": result.entry.name,
        "name": result.name,
        "loaded": None if result.loaded is None else asdict(result.loaded),
        "memory": None if result.memory is None else asdict(result.memory),
        "failed": result.failed,
        "turns": [_case(report, result, case) for case in report.cases],
    }


def _case(report: Report, result: Result, case: Case) -> dict[str, Any]:
    turns = [asdict(turn) for turn in result.turns.get(case, ())]
    measured = {stage: [turn[stage] for turn in turns] for stage in (turns[0] if turns else ())}
    return {
        "seconds": case.seconds,
        "turn": case.turn,
        "refused": result.refused.get(case),
        "ratio": report.ratio(result, case),
        **measured,
    }


def _process(process: Process) -> dict[str, tuple[float, ...]]:
    return {f"{name}_ms": measured.times for name, measured in vars(process).items()}
