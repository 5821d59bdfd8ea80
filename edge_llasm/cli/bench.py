"""`edge-llasm bench`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from edge_llasm.cli.background import in_background
from edge_llasm.cli.output import say

if TYPE_CHECKING:
    from edge_llasm.bench.machine import Limits
    from edge_llasm.bench.speech import Hearing

__all__ = ["bench"]

EPILOG = """\b
Examples:
  edge-llasm bench
  edge-llasm bench --model ./my-model --seconds 10 --rounds 9 --json
"""


@click.command(epilog=EPILOG)
@click.option(
    "--model", default="nano", show_default=True, metavar="NAME|DIR", help="The model that is measured."
)
@click.option(
    "--seconds", type=click.FloatRange(0.1, 600), default=4.0, show_default=True, help="Length of the clip."
)
@click.option(
    "--rounds", type=click.IntRange(1), default=5, show_default=True, help="How often everything is done."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of the table.")
def bench(model: str, seconds: float, rounds: int, as_json: bool) -> None:
    """Measure how fast a model hears on this machine.

    Each of its speech engines hears a clip and a full window on the CPU, in turn. Beside their times stands what the
    machine itself can do, so that tables of two machines can be compared.
    """
    from edge_llasm.bench.machine import measure_limits
    from edge_llasm.bench.speech import bench_speech
    from edge_llasm.bundle import Bundle

    def work(_: object) -> list[tuple[Limits, list[Hearing]]]:
        bundle = Bundle.find(model)
        bundle.verify()
        return [(measure_limits(), bench_speech(bundle, seconds, rounds))]

    for limits, rows in in_background(work):
        say(_json(limits, rows) if as_json else _table(limits, rows, rounds))


def _table(limits: Limits, rows: list[Hearing], rounds: int) -> str:
    head = (
        f"{limits.cores} cores: {limits.flops / 1e9:.0f} GFLOP/s in float32, "
        f"{limits.bandwidth / 1e9:.1f} GB/s copied\n"
        f"medians of {rounds}, and half of the way between the quartiles\n\n"
        f"{'speech':<20}{'window':>8}{'ms':>10}{'spread':>9}{'GFLOP/s':>10}\n"
    )
    return head + "".join(
        f"{f'{row.engine} {row.type}':<20}{f'{row.window_seconds:g} s':>8}{1000 * row.took.median:>10.1f}"
        f"{row.took.spread:>9.0%}{row.operations / row.took.median / 1e9:>10.0f}\n"
        for row in rows
    )


def _json(limits: Limits, rows: list[Hearing]) -> str:
    speech = [
        {
            "engine": row.engine,
            "type": row.type,
            "window_seconds": row.window_seconds,
            "ms": [round(1000 * seconds, 3) for seconds in row.took.seconds],
            "operations": row.operations,
        }
        for row in rows
    ]
    return json.dumps({"limits": vars(limits), "speech": speech}) + "\n"
