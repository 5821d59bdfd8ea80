"""The options of every command that listens."""

from collections.abc import Callable
from typing import Any, TypeVar

import click

__all__ = ["HEARING", "hearing_options"]

Command = TypeVar("Command", bound=Callable[..., Any])

HEARING = (
    click.option(
        "--speech",
        type=click.Choice(["auto", "onnx", "whisper.cpp"]),
        default="auto",
        show_default=True,
        help="What hears. auto: onnx on a CPU if the model has it, whisper.cpp on a GPU.",
    ),
    click.option(
        "--trim-window",
        is_flag=True,
        help="Hear only as much as was said, also where the model was trained on the full window.",
    ),
)


def hearing_options(command: Command) -> Command:
    for option in reversed(HEARING):
        command = option(command)
    return command
