"""`edge-llasm tune`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from edge_llasm.cli.background import in_background
from edge_llasm.cli.output import say, tell

if TYPE_CHECKING:
    from edge_llasm.tune import Trial

__all__ = ["tune"]

EPILOG = """\b
Examples:
  edge-llasm tune
  edge-llasm tune --model ./my-model
  edge-llasm tune --show
  edge-llasm tune --forget
"""


@click.command(epilog=EPILOG)
@click.option(
    "--model", default="nano", show_default=True, metavar="NAME|DIR", help="The model that is tuned."
)
@click.option(
    "--device",
    type=click.Choice(["auto", "cpu", "metal", "cuda"]),
    default="auto",
    show_default=True,
    help="The device that it is tuned for.",
)
@click.option("--show", is_flag=True, help="Print what is kept, of every model and machine; measure nothing.")
@click.option("--forget", is_flag=True, help="Forget what is kept for the model on this machine.")
def tune(model: str, device: str, show: bool, forget: bool) -> None:
    """Find out how a model runs fastest on this machine.

    Tries numbers of threads, sizes of batches and orders of weights in turn, for a minute or a few, and keeps what was
    best: every later load uses it. Close other programs first; what is measured beside them holds only beside them.
    """
    if show and forget:
        raise click.UsageError("--show and --forget are two things: give one of them.")
    if show:
        _show()
    elif forget:
        _forget(model)
    else:
        _tune(model, device)


def _tune(model: str, device: str) -> None:
    from edge_llasm.bundle import Bundle
    from edge_llasm.devices import choose_devices
    from edge_llasm.tune import Trial, busy
    from edge_llasm.tune import tune as run
    from edge_llasm.tuned import describe, keep_tuned, tuned_file

    bundle = Bundle.find(model)
    devices = choose_devices(device, has_onnx=bundle.has_onnx)
    if (load := busy()) is not None:
        tell(f"this machine is busy (load {load:.1f}): tune again when it is idle")
    for found in in_background(lambda cancel: run(bundle, devices)):
        if isinstance(found, Trial):
            say(_trial(found))
            continue
        keep_tuned(bundle, devices.name, found)
        say(f"{bundle.name} on {devices.name}: {describe(found)}\n")
        tell(f"kept in {tuned_file()}")


def _trial(trial: Trial[int] | Trial[str]) -> str:
    """A line for each candidate, the best one marked."""
    return "".join(
        f"{trial.what:<18}{trial.knob:>18} {n:<4}{1000 * took.median:>10.2f} ms{took.spread:>7.0%}"
        f"{'  *' if n == trial.best else ''}\n"
        for n, took in sorted(trial.took.items())
    )


def _show() -> None:
    from edge_llasm.tuned import all_tuned, machine, tuned_file

    kept = all_tuned()
    say(f"# {tuned_file()}{'' if kept else ' holds nothing'}\n")
    for name, models in kept.items():
        say(f"{name}{' (this machine)' if name == machine() else ''}\n")
        for model, entry in models.items():
            say(f"  {model}: {', '.join(f'{key} {value}' for key, value in entry.items())}\n")


def _forget(model: str) -> None:
    from edge_llasm.bundle import Bundle
    from edge_llasm.errors import UnknownModel
    from edge_llasm.tuned import forget_tuned

    try:
        model = Bundle.find(model).name
    except UnknownModel:
        pass  # removed since: its name is what was given
    tell(f"forgot what was kept for {model}" if forget_tuned(model) else f"nothing is kept for {model}")
