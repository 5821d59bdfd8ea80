"""`edge-llasm doctor`."""

import click

from edge_llasm.cli.background import in_background
from edge_llasm.cli.output import say

__all__ = ["doctor"]

EPILOG = """\b
Examples:
  edge-llasm doctor
  edge-llasm doctor --model ./my-model
"""


@click.command(epilog=EPILOG)
@click.option(
    "--model", default="nano", show_default=True, metavar="NAME|DIR", help="The model that is tried."
)
def doctor(model: str) -> int:
    """Say what is installed and what is missing.

    Names versions, the devices that each engine can use, and the line that installs what is missing.

    Exit status 0 if a question can be answered, 1 otherwise.
    """
    from edge_llasm.doctor import examine

    able = True
    for finding in in_background(lambda cancel: examine(model)):
        mark = "ok" if finding.ok else "MISSING" if finding.needed else "-"
        say(f"{mark:8}{finding.subject}: {finding.detail}\n")
        if finding.fix:
            say(f"{'':8}  {finding.fix}\n")
        able = able and (finding.ok or not finding.needed)
    say(
        "A question can be answered.\n"
        if able
        else "No question can be answered yet: see the lines marked MISSING.\n"
    )
    return 0 if able else 1
