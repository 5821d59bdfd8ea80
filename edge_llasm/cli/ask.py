"""`edge-llasm ask` and `edge-llasm transcribe`."""

import math
import sys
from collections.abc import Callable
from typing import Any, TypeVar

import click

from edge_llasm.cli.answer import Question, print_answer
from edge_llasm.cli.model_options import MODEL_OPTIONS
from edge_llasm.sampling import MAX_SEED

__all__ = ["ask", "transcribe"]

Command = TypeVar("Command", bound=Callable[..., Any])

STDIN = "-"

ASK_EPILOG = """\b
Examples:
  edge-llasm ask question.wav
  edge-llasm ask --text "Who was Li Bai?"
  edge-llasm ask code.flac --text "Explain it in Chinese." --stats
  arecord -d 4 -f S16_LE -r 16000 | edge-llasm ask - --json
"""

TRANSCRIBE_EPILOG = """\b
Examples:
  edge-llasm transcribe memo.m4a
  edge-llasm transcribe monday.wav tuesday.wav --json
"""


class Temperature(click.FloatRange):
    """A finite number; what Sampling accepts."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        number = float(super().convert(value, param, ctx))
        if not math.isfinite(number):
            self.fail(f"{value} is not a finite number.", param, ctx)
        return number


OPTIONS = (
    *MODEL_OPTIONS,
    click.option(
        "--temperature",
        type=Temperature(0, 10),
        metavar="X",
        help="0 always takes the likeliest token. [default: the model's]",
    ),
    click.option(
        "--seed",
        type=click.IntRange(0, MAX_SEED),
        metavar="N",
        help="Makes a temperature above 0 repeatable.",
    ),
    click.option(
        "--max-tokens",
        type=click.IntRange(min=1),
        metavar="N",
        help="The longest answer. [default: the model's]",
    ),
    click.option(
        "--json", "as_json", is_flag=True, help="Print one JSON object at the end instead of the text."
    ),
    click.option("--stats", is_flag=True, help="Tell on standard error what took how long."),
    click.option(
        "--verbose", is_flag=True, help="Show the native libraries' logs, and where an error arose."
    ),
)


def answer_options(command: Command) -> Command:
    for option in reversed(OPTIONS):
        command = option(command)
    return command


@click.command(epilog=ASK_EPILOG)
@click.argument("audio", nargs=-1, metavar="[AUDIO]...")
@click.option("--text", metavar="T", help="A typed question, or a remark after the recordings.")
@click.option("--transcribe", is_flag=True, help="Write down what was said instead of answering it.")
@answer_options
def ask(audio: tuple[str, ...], text: str | None, transcribe: bool, **options: Any) -> None:
    """Answer a spoken or typed question.

    AUDIO is a recording in any common format; - reads one from standard input. Several recordings, and a
    --text after them, are one question.
    """
    if transcribe and text is not None:
        raise click.UsageError("--transcribe writes down recordings; it takes no --text.")
    if not audio and not (text and text.strip()):
        raise click.UsageError("Nothing was asked: give a recording, - for standard input, or --text.")
    _run(audio, text, transcribe, options)


@click.command(epilog=TRANSCRIBE_EPILOG)
@click.argument("audio", nargs=-1, required=True, metavar="AUDIO...")
@answer_options
def transcribe(audio: tuple[str, ...], **options: Any) -> None:
    """Write down what was said.

    One line per recording; the same as `ask --transcribe`.

    AUDIO is a recording in any common format; - reads one from standard input.
    """
    _run(audio, None, True, options)


def _run(audio: tuple[str, ...], text: str | None, transcribe: bool, options: dict[str, Any]) -> None:
    if audio.count(STDIN) > 1:
        raise click.UsageError("Standard input holds one recording: give - once.")
    if STDIN in audio and (sys.stdin is None or sys.stdin.isatty()):
        raise click.UsageError(
            "Standard input is not a recording: pipe one in, as in `edge-llasm ask - < question.wav`."
        )
    as_json, stats = options.pop("as_json"), options.pop("stats")
    print_answer(Question(audio, text, transcribe, **options), as_json=as_json, stats=stats)
