"""`edge-llasm models`."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import click

from edge_llasm.cli.output import say, tell
from edge_llasm.units import readable

if TYPE_CHECKING:
    from edge_llasm.bundle import Bundle

__all__ = ["models"]

EPILOG = """\b
Examples:
  edge-llasm models
  edge-llasm models nano
"""

COLUMNS = ("name", "size", "memory", "languages", "licence", "where")
UNKNOWN = "-"


@click.command(epilog=EPILOG)
@click.argument("model", required=False, metavar="[NAME|DIR]")
def models(model: str | None) -> None:
    """List the models on this machine, or tell all about one.

    One line each: name, size of the files, memory that it needs, languages, licence, where. Of one model
    also: what it was made from, and how far its answers are from the original's.
    """
    from edge_llasm.bundle import Bundle, search_path

    logging.basicConfig(
        level=logging.WARNING, format="edge-llasm: %(message)s"
    )  # names the folders that are broken
    if model is not None:
        say("".join(f"{line}\n" for line in description(Bundle.find(model))))
        return
    rows = [
        (
            bundle.name,
            readable(bundle.size),
            readable(bundle.memory) if bundle.memory else UNKNOWN,
            ",".join(bundle.languages),
            bundle.licence,
            str(bundle.path),
        )
        for bundle in Bundle.available()
    ]
    if not rows:
        tell(f"no model was found; a model is a folder with a bundle.toml in {search_path()[0]}")
        return
    widths = [max(map(len, column)) for column in zip(COLUMNS, *rows, strict=True)]
    for row in (COLUMNS, *rows):
        say("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() + "\n")


def description(bundle: Bundle) -> list[str]:
    """Everything that a bundle says of itself."""
    speech, llm = bundle.speech, bundle.llm
    facts = [
        ("name", f"{bundle.name} {bundle.version}"),
        ("where", str(bundle.path)),
        ("licence", bundle.licence),
        ("languages", ", ".join(bundle.languages)),
        ("memory", readable(bundle.memory) if bundle.memory else UNKNOWN),
        (
            "speech",
            f"{speech.engine} {speech.type or UNKNOWN}, onnx {speech.onnx or UNKNOWN}, "
            f"{speech.window_seconds:g} s window, width {speech.d}",
        ),
        ("llm", f"{llm.type or UNKNOWN}, {llm.n_ctx} tokens context, width {llm.n_embd}"),
        ("template", bundle.template),
    ]
    for source in bundle.sources:
        revision = f", revision {source.revision}" if source.revision else ""
        facts.append((source.part, f"{source.name}{revision}, licence {source.licence}"))
    facts += [(file.name, f"{readable(file.size)}, sha256 {file.sha256}") for file in bundle.files]
    lines = [f"{key:<16}{value}" for key, value in facts]
    if bundle.parity is None:
        return [*lines, "never compared with its original: python -m convert.parity does that"]
    return [*lines, "", *bundle.parity.lines()]
