"""The options of every command that loads a model."""

from collections.abc import Callable
from typing import Any, TypeVar

import click

__all__ = ["LOADED_WITH", "MODEL_OPTIONS", "model_options", "unload_option"]

LOADED_WITH = ("device", "speech", "trim_window", "kv_type", "flash_attention", "repack", "verbose")
"""Those that `Assistant.load` takes under the same names, the model apart"""

Command = TypeVar("Command", bound=Callable[..., Any])

MODEL_OPTIONS = (
    click.option(
        "--model",
        default="nano",
        show_default=True,
        metavar="NAME|DIR",
        help="A name that `edge-llasm models` lists, or a folder.",
    ),
    click.option(
        "--device",
        type=click.Choice(["auto", "cpu", "metal", "cuda"]),
        default="auto",
        show_default=True,
        help="auto takes what the installed builds support.",
    ),
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
    click.option(
        "--kv-type",
        type=click.Choice(["f16", "q8_0"]),
        default="f16",
        show_default=True,
        help="Numbers of the KV cache. q8_0 takes a little more than half of the memory, and rounds.",
    ),
    click.option(
        "--flash-attention",
        type=click.Choice(["auto", "on", "off"]),
        default="auto",
        show_default=True,
        help="auto: on where the device can do it. --kv-type q8_0 needs it.",
    ),
    click.option(
        "--repack",
        type=click.Choice(["auto", "on", "off"]),
        default="auto",
        show_default=True,
        help="on: copy quantized weights into another order for the processor. off: read them from the mapped file; "
        "on x86 that answers sooner and writes more slowly. auto: what tune found, else off on x86, on elsewhere.",
    ),
)


unload_option = click.option(
    "--unload-after",
    type=click.FloatRange(min=0),
    default=15.0,
    show_default=True,
    metavar="MINUTES",
    help="Without a question for so long, give the model's memory back; it is loaded again while the next one "
    "is spoken. 0: never.",
)
"""Of the commands that stay"""


def model_options(command: Command) -> Command:
    for option in reversed(MODEL_OPTIONS):
        command = option(command)
    return command
