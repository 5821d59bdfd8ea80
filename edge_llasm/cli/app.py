"""`edge-llasm`: the commands, put together."""

import click

from edge_llasm import __version__
from edge_llasm.cli.ask import ask, transcribe
from edge_llasm.cli.bench import bench
from edge_llasm.cli.chats import chats
from edge_llasm.cli.config import config, configured
from edge_llasm.cli.devices import devices
from edge_llasm.cli.doctor import doctor
from edge_llasm.cli.hotkey import hotkey
from edge_llasm.cli.models import models
from edge_llasm.cli.pull import pull
from edge_llasm.cli.rm import rm
from edge_llasm.cli.serve import serve
from edge_llasm.cli.talk import talk
from edge_llasm.cli.tune import tune

__all__ = ["app"]

EPILOG = """\b
Examples:
  edge-llasm ask question.wav
  edge-llasm doctor

Exit status: 0; 1 an error, told in one line; 2 usage; 3 no speech in the recording; 130 Ctrl-C;
141 the reader of standard output went away.
"""


@click.group(
    epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}
)
@click.version_option(__version__, prog_name="edge-llasm", message="%(prog)s %(version)s")
@click.pass_context
def app(context: click.Context) -> None:
    """Ask a speech language model on your own machine, offline.

    The answer goes to standard output, everything else to standard error.
    """
    context.default_map = configured(app)


COMMANDS = (
    ask, transcribe, talk, hotkey, serve, models, pull, rm, chats, config, devices, doctor, bench, tune,
)  # fmt: skip
for command in COMMANDS:
    app.add_command(command)
