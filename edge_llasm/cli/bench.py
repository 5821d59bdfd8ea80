"""`edge-llasm bench`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.core import ParameterSource

from edge_llasm.cli.model_options import model_options
from edge_llasm.cli.output import Status, say, tell

if TYPE_CHECKING:
    from edge_llasm.bench.sizes import Files

__all__ = ["bench"]

EPILOG = """\b
Examples:
  edge-llasm bench
  edge-llasm bench --model ./my-model --seconds 4 --turns 8
  edge-llasm bench --against onnx --against whisper.cpp --json
  edge-llasm bench --size laptop --against pytorch --against cascade --against mtmd --plot laptop.svg

\b
Rivals, each in a process of its own; pytorch, cascade and mtmd need a checkout:
  pytorch      the same checkpoint in transformers, float32 and bfloat16
  cascade      whisper.cpp's transcript, answered by llama.cpp from the same file
  mtmd         llama.cpp's own way to hear, with an encoder of the same size
  onnx         our engine for the CPU, with a window as long as the clip and with the full one
  whisper.cpp  our engine for GPUs, likewise
  no-cache     our own row without what is kept of the turn before
  repack       our own row and llama.cpp's, --repack on where that is not the default, else off
"""
AGAINST = ("pytorch", "cascade", "mtmd", "onnx", "whisper.cpp", "no-cache", "repack")
SIZES = ("nano", "laptop", "7b")
PICTURES = (".svg", ".png")


@click.command(epilog=EPILOG)
@model_options
@click.option(
    "--size",
    type=click.Choice(SIZES),
    help="Instead of --model. laptop (1.1B, whisper-small) and 7b have random weights, written on first use.",
)
@click.option(
    "--rival",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    metavar="DIR",
    help="Files that only rivals of --model read, as python -m convert.rivals.files writes them.",
)
@click.option(
    "--against",
    type=click.Choice(AGAINST),
    multiple=True,
    help="What it is compared with, in the same run; may be given several times.",
)
@click.option(
    "--seconds",
    type=click.FloatRange(0.5, 600),
    multiple=True,
    default=(2.0, 4.0, 10.0, 30.0, 90.0),
    show_default=True,
    help="Length of a spoken question; may be given several times.",
)
@click.option(
    "--turns",
    type=click.IntRange(1, 64),
    default=2,
    show_default=True,
    help="How long the chat gets that begins with 4 seconds, or with what is nearest to it.",
)
@click.option(
    "--rounds",
    type=click.IntRange(1),
    default=5,
    show_default=True,
    help="How often everything is done, after a round that does not count.",
)
@click.option(
    "--process", is_flag=True, help="Time edge-llasm ask as a whole too, from its start to its end."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of the table.")
@click.option(
    "--plot",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Draw the delays too, as .svg or .png; needs pip install 'edge-llasm[bench]'.",
)
@click.pass_context
def bench(
    context: click.Context,
    model: str,
    device: str,
    speech: str,
    trim_window: bool,
    kv_type: str,
    flash_attention: str,
    repack: str,
    size: str | None,
    rival: Path | None,
    against: tuple[str, ...],
    seconds: tuple[float, ...],
    turns: int,
    rounds: int,
    process: bool,
    as_json: bool,
    plot: Path | None,
) -> int:
    """Measure how soon an answer begins on this machine, stage by stage.

    Spoken questions of several lengths are answered, the first of a chat and the next ones, by edge-llasm, by
    llama.cpp alone and by what it is compared with, all in turn. Beside the times stands what the machine itself
    can do, so that tables of two machines can be compared.

    Exit status 0, or 1 if one of those that were to be compared failed.
    """
    from edge_llasm.bench.comparison import cases
    from edge_llasm.bench.report import as_json as json_of
    from edge_llasm.bench.report import measure
    from edge_llasm.bench.rivals import Subject
    from edge_llasm.bench.table import as_table

    if size is not None and context.get_parameter_source("model") is ParameterSource.COMMANDLINE:
        raise click.UsageError("--size takes the place of --model: give one of them")
    if size is not None and rival is not None:
        raise click.UsageError("--size has its own files for rivals: --rival goes with --model")
    if plot is not None:
        _require_picture(plot)
    status = Status()
    try:
        files = _files(model, size, rival, against)
        window = "clip" if trim_window else "auto"
        setup = (kv_type, flash_attention, repack)
        subject = Subject(files.bundle, files.rival, device, speech, window, *setup)
        report = measure(subject, against, cases(seconds, turns), rounds, status.show, process=process)
    finally:
        status.clear()
    say(json_of(report) if as_json else as_table(report))
    if plot is not None:
        from edge_llasm.bench.plot import draw

        draw(report, plot)
    failed = [result for result in report.results if result.failed is not None]
    for result in failed:
        tell(f"{result.name} failed: {result.failed}")
    return 1 if failed else 0


def _require_picture(file: Path) -> None:
    """Before minutes of measuring. Raises UsageError, EngineError."""
    from edge_llasm.bench.plot import require

    if file.suffix not in PICTURES:
        raise click.UsageError(f"--plot draws {' and '.join(PICTURES)}, not {file.name}")
    if not file.absolute().parent.is_dir():
        raise click.UsageError(f"--plot: there is no folder {file.parent}")
    require()


def _files(model: str, size: str | None, rival: Path | None, against: tuple[str, ...]) -> Files:
    """Those of --size, or of --model with what is beside it. Raises UnknownModel, BundleError, EngineError."""
    from edge_llasm.bench.rivals import RIVALS
    from edge_llasm.bench.sizes import NANO, Files, files_of
    from edge_llasm.bundle import Bundle

    wanted = any(RIVALS[name].wants_files for name in against)
    if size is None and model == NANO and rival is None:
        size = NANO
    if size is not None:
        return files_of(size, for_rivals=wanted, report=tell)
    bundle = Bundle.find(model).path
    beside = bundle.absolute().parent / "rival"
    return Files(bundle, rival or (beside if beside.is_dir() else None))
