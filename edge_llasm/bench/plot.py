"""What a comparison found, as a picture: how the delay grows with the question, and where it goes.

The only file that needs matplotlib.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

from edge_llasm.bench.report import Report, is_random
from edge_llasm.bench.rivals import BARE
from edge_llasm.bench.table import STAGES
from edge_llasm.errors import EngineError

__all__ = ["draw", "require"]

SIZE = 10.0, 8.0  # inches
DPI = 144
REST = "first token, and the rest"
COLOURS = "#4c78a8", "#72b7b2", "#f58518", "#eeca3b", "#54a24b", "#bab0ac"
"""One for each stage and one for the rest"""


def require(module: str = "figure") -> Any:
    """A module of matplotlib. Raises EngineError with the line that installs it."""
    try:
        return importlib.import_module(f"matplotlib.{module}")
    except ImportError as error:
        raise EngineError("a picture needs matplotlib: pip install 'edge-llasm[bench]'") from error


def draw(report: Report, file: Path) -> None:
    """Write the picture; the suffix says its format. Raises EngineError, OSError."""
    figure = require().Figure(figsize=SIZE, layout="constrained")
    above, below = figure.subplots(2, 1)
    _delays(report, above)
    _stages(report, below)
    weights = "random weights" if is_random(report.bundle) else "trained"
    figure.suptitle(
        f"{report.bundle.name} ({weights}), {report.limits.cores} cores, medians of {report.rounds}"
    )
    figure.savefig(file, dpi=DPI, metadata={"Date": None} if file.suffix == ".svg" else None)


def _delays(report: Report, axes: Any) -> None:
    """A line for each candidate: from the end of speech to the first token, by the clip's length."""
    firsts = [case for case in report.cases if case.turn == 1]
    for result in report.results:
        points = [(case.seconds, delay) for case in firsts if (delay := result.median(case)) is not None]
        if points and result.entry.name != BARE:
            axes.plot(*zip(*sorted(points), strict=True), marker="o", label=result.name)
    axes.set(xscale="log", yscale="log", xlabel="s of speech", ylabel="ms from its end to the first token")
    axes.set_xticks([case.seconds for case in firsts], [f"{case.seconds:g}" for case in firsts])
    axes.minorticks_off()
    axes.yaxis.set_major_locator(require("ticker").LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter("{x:g}")
    axes.grid(alpha=0.3)
    axes.legend(fontsize="small")


def _stages(report: Report, axes: Any) -> None:
    """A bar for each candidate, of its stages, for the clip whose chat goes on."""
    case = report.chat
    results = [result for result in report.results if result.turns.get(case)][::-1]
    names = [result.name for result in results]
    left = [0.0] * len(results)
    for (stage, label), colour in zip(STAGES.items(), COLOURS, strict=False):
        parts = [result.median(case, stage) or 0.0 for result in results]
        axes.barh(names, parts, left=left, color=colour, label=label)
        left = [before + part for before, part in zip(left, parts, strict=True)]
    rest = [
        max(0.0, (result.median(case) or 0.0) - known) for result, known in zip(results, left, strict=True)
    ]
    axes.barh(names, rest, left=left, color=COLOURS[-1], label=REST)
    axes.set(xlabel=f"ms from the end of {case.seconds:g} s of speech to the first token")
    axes.legend(fontsize="small")
