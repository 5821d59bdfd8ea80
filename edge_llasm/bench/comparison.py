"""The comparison: all candidates are asked in turn, so that whatever else the machine does is done to all."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from statistics import median
from typing import NamedTuple

from edge_llasm.bench.candidate import Loaded, Turn
from edge_llasm.bench.child import Child, Refused
from edge_llasm.bench.rivals import Entry
from edge_llasm.bench.turns import Measured
from edge_llasm.bench.worker import Memory
from edge_llasm.errors import EngineError

__all__ = ["CHAT_SECONDS", "Case", "Result", "cases", "compare"]

CHAT_SECONDS = 4.0
"""Of the clip whose chat goes on, as near as it is among those that are asked"""


class Case(NamedTuple):
    """A question: how long it is, and the how manyth of its chat."""

    seconds: float
    turn: int
    """1 begins a chat"""

    def __str__(self) -> str:
        return f"{self.seconds:g} s" + (f", turn {self.turn} of a chat" if self.turn > 1 else "")


@dataclass
class Result:
    """What became of one candidate."""

    entry: Entry
    loaded: Loaded | None = None
    """None: it did not load"""
    memory: Memory | None = None
    """after the last turn that was answered"""
    turns: dict[Case, list[Turn]] = field(default_factory=dict)
    """one for each round, the one that warms up left out"""
    refused: dict[Case, str] = field(default_factory=dict)
    """questions that it cannot answer, with the reason"""
    failed: str | None = None
    """why it ended before it was to; what it answered until then counts"""

    @property
    def name(self) -> str:
        """For a table."""
        return self.loaded.name if self.loaded is not None else self.entry.name

    def measured(self, case: Case, stage: str = "first_token_ms") -> Measured | None:
        """All values of a field of Turn, in its own unit; None where there are none."""
        values = [getattr(turn, stage) for turn in self.turns.get(case, ())]
        return Measured(tuple(values)) if values and None not in values else None

    def median(self, case: Case, stage: str = "first_token_ms") -> float | None:
        """Its median."""
        measured = self.measured(case, stage)
        return None if measured is None else measured.median

    def speed(self) -> float | None:
        """Tokens a second, the median over all that was answered; None where nothing could be counted."""
        speeds = [turn.tokens_per_second for turns in self.turns.values() for turn in turns]
        return median(speeds) if any(speeds) else None

    def hearing(self, case: Case) -> float | None:
        """Operations a second in the speech tower."""
        rates = [
            1000 * turn.operations / turn.speech_ms
            for turn in self.turns.get(case, ())
            if turn.operations is not None and turn.speech_ms > 0
        ]
        return median(rates) if rates else None

    def reading(self) -> float | None:
        """Bytes of weights a second while it decodes."""
        speed = self.speed()
        if speed is None or self.loaded is None or self.loaded.bytes_per_token is None:
            return None
        return speed * self.loaded.bytes_per_token


def cases(seconds: Sequence[float], turns: int) -> list[Case]:
    """Each length once as a chat's first question; the chat of one of them goes on for `turns` turns."""
    lengths = list(dict.fromkeys(seconds))
    long_chat = min(lengths, key=lambda length: abs(length - CHAT_SECONDS))
    return [
        Case(length, turn)
        for length in lengths
        for turn in range(1, (turns if length == long_chat else 1) + 1)
    ]


def compare(
    entries: Sequence[Entry], asked: Sequence[Case], rounds: int, report: Callable[[str], None]
) -> list[Result]:
    """Load them one after the other, then ask each everything, `rounds` times after a round that does not count.

    `report` is told what is going on. A candidate that fails is left out from there on: its result says why.
    Whatever happens, no process is left.
    """
    results = [Result(entry) for entry in entries]
    with ExitStack() as stack:
        children: list[tuple[Result, Child]] = []
        for result in results:
            report(f"loading {result.name}")
            child = stack.enter_context(Child(result.entry.command))
            try:
                result.loaded, result.memory = child.load()
                children.append((result, child))
            except EngineError as error:
                result.failed = str(error)
        for number in range(rounds + 1):
            for case in asked:
                for result, child in children:
                    said = f"round {number} of {rounds}" if number else "warming up"
                    report(f"{said}: {result.name}, {case}")
                    _ask(result, child, case, counts=number > 0)
    return results


def _ask(result: Result, child: Child, case: Case, *, counts: bool) -> None:
    missing = any((case.seconds, turn) in result.refused for turn in range(1, case.turn + 1))
    if result.failed is not None or missing:
        return
    try:
        answer = child.ask(case.seconds, first=case.turn == 1)
    except EngineError as error:
        result.failed = str(error)
        return
    if isinstance(answer, Refused):
        result.refused[case] = answer.why
        return
    turn, result.memory = answer
    if counts:
        result.turns.setdefault(case, []).append(turn)
