"""`edge-llasm rm`."""

import sys
from contextlib import suppress

import click

from edge_llasm.cli.output import tell

__all__ = ["rm"]

EPILOG = """\b
Examples:
  edge-llasm rm my-model
  edge-llasm rm my-model --yes
"""


@click.command(epilog=EPILOG)
@click.argument("name", metavar="NAME")
@click.option("--yes", is_flag=True, help="Do not ask.")
def rm(name: str, yes: bool) -> None:
    """Remove a model from the user's own folder, and what was kept of its system prompt.

    Only what `edge-llasm pull` or you put there; what it fetched before it was interrupted goes too. Of a link
    only the link is removed. The model inside the package stays.
    """
    from edge_llasm.bundle import Bundle
    from edge_llasm.errors import BundleError
    from edge_llasm.head_file import forget_heads
    from edge_llasm.installed import find_installed, remove

    folder = find_installed(name)
    if not yes:
        if sys.stdin is None or not sys.stdin.isatty():
            raise click.UsageError(f"{folder} is removed only if you say so: give --yes.")
        if not click.confirm(f"Remove {folder}?", err=True):
            return
    names = {name, folder.name}
    with suppress(BundleError):  # half there: it has no name of its own
        names.add(Bundle.load(folder).name)
    remove(folder)
    for known in names:
        forget_heads(known)
    tell(f"removed {folder}")
