"""`edge-llasm models`."""

import logging

import click

from edge_llasm.cli.output import say, tell

__all__ = ["models"]

EPILOG = """\b
Example:
  edge-llasm models
"""

COLUMNS = ("name", "size", "languages", "licence", "where")


@click.command(epilog=EPILOG)
def models() -> None:
    """List the models on this machine.

    One line each: name, size, languages, licence, where.
    """
    from edge_llasm.bundle import Bundle, search_path

    logging.basicConfig(
        level=logging.WARNING, format="edge-llasm: %(message)s"
    )  # names the folders that are broken
    rows = [
        (bundle.name, megabytes(bundle.size), ",".join(bundle.languages), bundle.licence, str(bundle.path))
        for bundle in Bundle.available()
    ]
    if not rows:
        tell(f"no model was found; a model is a folder with a bundle.toml in {search_path()[0]}")
        return
    widths = [max(map(len, column)) for column in zip(COLUMNS, *rows, strict=True)]
    for row in (COLUMNS, *rows):
        say("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() + "\n")


def megabytes(size: int) -> str:
    """Bytes -> "25.3 MB"."""
    return f"{size / 1e6:.1f} MB" if size >= 1e5 else f"{size / 1e3:.1f} kB"
