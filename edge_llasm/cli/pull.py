"""`edge-llasm pull`."""

import click

from edge_llasm.cli.output import say, tell

__all__ = ["pull"]

EPILOG = """\b
Examples:
  edge-llasm pull OWNER/REPO
  edge-llasm pull https://example.org/models/my-model

A download that was interrupted goes on where it stopped when the same command is run again. Repositories of
the Hub need `pip install "edge-llasm[hub]"`; HF_TOKEN, HF_ENDPOINT and HF_HUB_OFFLINE are obeyed.
"""


@click.command(epilog=EPILOG)
@click.argument("source", metavar="NAME|OWNER/REPO|URL")
def pull(source: str) -> None:
    """Fetch a published model.

    Sizes and checksums are those of its bundle.toml. It is put into the user's own folder, or the one in
    EDGE_LLASM_HOME, and its folder is printed.
    """
    from edge_llasm.cli.transfer import transfer
    from edge_llasm.pull import find_published, install
    from edge_llasm.room import free_memory, physical_memory
    from edge_llasm.units import readable

    published = find_published(source)
    bundle = published.bundle
    tell(
        f"{bundle.name} {bundle.version} from {published.origin.name}: licence {bundle.licence}, languages "
        f"{', '.join(bundle.languages)}, {readable(bundle.size)}"
    )
    memory, free = physical_memory(), free_memory()
    needed = bundle.memory or bundle.size
    if memory is not None and needed > memory:
        tell(
            f"{bundle.name} needs {readable(needed)} of memory, this machine has {readable(memory)}: "
            "it will be slow here, if it runs at all"
        )
    elif free is not None and needed > free:
        tell(
            f"{bundle.name} needs {readable(needed)} of memory, you have {readable(free)} free: "
            "close other programs before you use it"
        )
    try:
        with transfer(bundle.name, bundle.size) as progress:
            folder = install(published, progress)
    except KeyboardInterrupt:
        tell(
            f"interrupted; what arrived is kept, edge-llasm pull {source} goes on from there, "
            f"edge-llasm rm {bundle.name} throws it away"
        )
        raise
    tell(f"try it: edge-llasm ask question.wav --model {bundle.name}")
    say(f"{folder}\n")
