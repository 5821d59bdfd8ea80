"""What a comparison found, as lines for people."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

from edge_llasm.bench.comparison import Case, Result
from edge_llasm.bench.report import Report, is_random
from edge_llasm.bench.rivals import BARE
from edge_llasm.units import readable

__all__ = ["STAGES", "as_table"]

STAGES = {
    "find_ms": "find",
    "mel_ms": "mel",
    "speech_ms": "speech",
    "adapter_ms": "adapter",
    "prefill_ms": "prefill",
}
"""Fields of Turn, in the order in which they pass -> what they are called"""
WIDTHS = {stage: max(7, len(head) + 1) for stage, head in STAGES.items()}
"""Columns of a terminal"""
LINE = 120
"""At most so many columns are taken by words"""
NOTHING = "-"


def as_table(report: Report) -> str:
    """The machine, the candidates, a part for each question, and what is read off them."""
    width = 2 + max(len(result.name) for result in report.results)
    parts = [_machine(report), _candidates(report, width)]
    parts += [_question(report, case, width) for case in report.cases]
    parts += [_process(report, width), list(_conclusions(report))]
    return "\n\n".join("\n".join(lines) for lines in parts if lines) + "\n"


def _machine(report: Report) -> list[str]:
    limits, bundle = report.limits, report.bundle
    weights = "RANDOM WEIGHTS, only the times mean anything" if is_random(bundle) else "trained"
    lines = [
        f"{bundle.name}, {readable(bundle.size)}: {weights}",
        f"{limits.cores} {'core' if limits.cores == 1 else 'cores'}: {limits.float32 / 1e9:.0f} GFLOP/s in float32, "
        f"{limits.int8 / 1e9:.0f} GOP/s in int8, {limits.read / 1e9:.1f} GB/s read",
        f"medians of {report.rounds} in turn, in ms; ± half of the way between the quartiles",
    ]
    if limits.busy:
        lines.append(
            f"OTHER PROGRAMS HOLD THE CORES (load {limits.load:.1f}): compare rows, believe no limit"
        )
    return lines


def _candidates(report: Report, width: int) -> list[str]:
    lines = [
        f"{'':<{width}}{'load':>7}{'peak MB':>9}{'own MB':>8}"
        f"{'GOP/s':>8}{'of int8':>9}{'of f32':>8}{'GB/s':>7}{'of read':>9}"
    ]
    for result in report.results:
        if result.loaded is None:
            continue
        memory, limits = result.memory, report.limits
        known = result.loaded.device == "cpu"
        hearing, reading = (result.hearing(report.chat), result.reading()) if known else (None, None)
        lines.append(
            f"{result.name:<{width}}{_ms(result.loaded.load_ms):>7}"
            f"{_scaled(memory.peak if memory else None, 1e6):>9}{_scaled(memory.own if memory else None, 1e6):>8}"
            f"{_scaled(hearing, 1e9):>8}{_share(hearing, limits.int8):>9}{_share(hearing, limits.float32):>8}"
            f"{_scaled(reading, 1e9, 1):>7}{_share(reading, limits.read):>9}"
        )
    notes = [(result.name, result.loaded.note) for result in report.results if result.loaded is not None]
    lines += [f"{name}: {note}" for name, note in notes if note]
    lines += [f"{result.name} FAILED: {result.failed}" for result in report.results if result.failed]
    return lines


def _question(report: Report, case: Case, width: int) -> list[str]:
    heads = "".join(f"{head:>{WIDTHS[stage]}}" for stage, head in STAGES.items())
    lines = [f"{_title(case):<{width}}{heads}{'new':>5}{'first token':>12}{'±':>5}{'tok/s':>8}{'ratio':>7}"]
    for result in report.results:
        if case in result.refused:
            lines += _wrapped(f"{result.name:<{width}}  ", result.refused[case])
        if not result.turns.get(case):
            continue
        delay = result.measured(case)
        assert delay is not None
        stages = "".join(f"{_ms(result.median(case, stage)):>{WIDTHS[stage]}}" for stage in STAGES)
        ratio = report.ratio(result, case)
        lines.append(
            f"{result.name:<{width}}{stages}{_new_tokens(result, case):>5.0f}{_ms(delay.median):>12}"
            f"{delay.spread:>5.0%}{_ms(result.median(case, 'tokens_per_second')):>8}"
            f"{NOTHING if ratio is None else f'{ratio:.2f}':>7}"
        )
    return lines if len(lines) > 1 else []


def _wrapped(head: str, words: str) -> list[str]:
    """The words beside the head, in as many lines as they need."""
    return textwrap.wrap(words, LINE, initial_indent=head, subsequent_indent=" " * len(head))


def _process(report: Report, width: int) -> list[str]:
    process, loaded = report.process, report.ours.loaded
    if process is None or loaded is None:
        return []
    parts = {
        "numpy": process.numpy.median,
        "package": process.package.median,
        "engines": process.engines.median,
        "load": loaded.load_ms,
        "compute": process.compute.median,
    }
    needed, whole = sum(parts.values()), process.whole
    heads = "".join(f"{name:>9}" for name in (*parts, "sum", "whole"))
    took = "".join(f"{_ms(part):>9}" for part in (*parts.values(), needed, whole.median))
    return [
        f"{'edge-llasm ask':<{width}}{heads}{'±':>6}{'ratio':>8}",
        f"{'a process of its own':<{width}}{took}{whole.spread:>6.0%}{whole.median / needed:>8.2f}",
    ]


def _conclusions(report: Report) -> Iterator[str]:
    """What the figures are for, in sentences."""
    ours = report.ours
    bare = next((result for result in report.results if result.entry.name == BARE), None)
    speed, reading = ours.speed(), ours.reading()
    if speed and reading and ours.loaded is not None and ours.loaded.device == "cpu":
        yield f"decoding reaches {reading / report.limits.read:.0%} of what this machine's memory allows"
    if speed and bare is not None and (alone := bare.speed()):
        added = 1000 / speed - 1000 / alone
        yield f"decoding is at {speed / alone:.2f} of llama.cpp's own speed: {added:.3f} ms more a token"
    for case in report.cases:
        first, later = ours.median(report.chat), ours.median(case)
        if case.turn > 1 and first and later:
            read, kept = _new_tokens(ours, case), ours.median(case, "cached_tokens")
            yield (
                f"turn {case.turn}: {read:.0f} of {read + (kept or 0):.0f} tokens are read, "
                f"the delay is {later / first:.2f} of the first turn's"
            )
    if ours.loaded is not None and ours.memory is not None and ours.loaded.expected:
        yield (
            f"memory: {readable(ours.memory.peak)} at most, its files and its KV cache are "
            f"{readable(ours.loaded.expected)}"
        )


def _title(case: Case) -> str:
    return f"{case.seconds:g} s of speech" if case.turn == 1 else f"{case.seconds:g} s more, turn {case.turn}"


def _new_tokens(result: Result, case: Case) -> float:
    return (result.median(case, "prompt_tokens") or 0.0) - (result.median(case, "cached_tokens") or 0.0)


def _ms(value: float | None) -> str:
    if not value:
        return NOTHING
    return f"{value:.1f}" if value < 100 else f"{value:.0f}"


def _scaled(value: float | None, unit: float, digits: int = 0) -> str:
    return NOTHING if value is None else f"{value / unit:.{digits}f}"


def _share(value: float | None, limit: float) -> str:
    return NOTHING if value is None else f"{value / limit:.0%}"
