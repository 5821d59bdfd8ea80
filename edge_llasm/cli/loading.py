"""A model is loaded by a command that stays: on another thread, so that Ctrl-C is heard, with a progress line."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from edge_llasm.cli.background import in_background
from edge_llasm.cli.model_options import LOADED_WITH
from edge_llasm.cli.output import Progress

if TYPE_CHECKING:
    from edge_llasm.assistant import Assistant

__all__ = ["load"]


def load(model: str, options: Mapping[str, Any]) -> Assistant:
    """`options` of the command line, LOADED_WITH among them. Raises what `Assistant.load` raises."""
    from edge_llasm.assistant import Assistant

    progress = Progress(model)
    wanted = {name: options[name] for name in LOADED_WITH}

    def work(cancel: threading.Event) -> Iterator[Assistant]:
        yield Assistant.load(model, **wanted, progress=progress.report)

    try:
        (assistant,) = in_background(work, progress.show)
        return assistant
    finally:
        progress.clear()
