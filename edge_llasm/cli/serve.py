"""`edge-llasm serve`."""

from __future__ import annotations

import logging
from typing import Any

import click

from edge_llasm.cli.model_options import LOADED_WITH, model_options, unload_option
from edge_llasm.cli.output import on_a_terminal, tell
from edge_llasm.errors import EngineError

__all__ = ["serve"]

EPILOG = """\b
Examples:
  edge-llasm serve
  edge-llasm serve --lan
  edge-llasm serve --port 9000 --alias gpt-4o-audio-preview
  edge-llasm serve --host 192.168.1.5 --token S3CRET-OF-MINE-1234 --tls-cert c.pem --tls-key k.pem
"""


@click.command(epilog=EPILOG)
@click.option("--host", default="127.0.0.1", show_default=True, metavar="ADDRESS", help="Where to listen.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=8080,
    show_default=True,
    metavar="N",
    help="0: any free one.",
)
@model_options
@click.option(
    "--alias",
    "aliases",
    multiple=True,
    metavar="NAME",
    help="A further name for the model, for programs that do not let you choose.",
)
@click.option(
    "--token",
    envvar="EDGE_LLASM_TOKEN",
    metavar="T",
    help="What clients must send as their API key; others on this machine see it here, so rather set "
    "EDGE_LLASM_TOKEN.",
)
@click.option(
    "--lan",
    is_flag=True,
    help="For the phone: https on this machine's address in the network, and a QR code that lets one browser in.",
)
@click.option("--tls-cert", "certificate", metavar="FILE", help="A certificate in PEM: serve https.")
@click.option("--tls-key", "key", metavar="FILE", help="Its key.")
@click.option(
    "--allow-host", "hosts", multiple=True, metavar="NAME", help="A name of this machine that clients use."
)
@click.option(
    "--max-queue",
    type=click.IntRange(min=1),
    default=64,
    show_default=True,
    metavar="N",
    help="Questions that may wait; further ones are told when to come back.",
)
@click.option(
    "--max-audio",
    type=click.FloatRange(min=1),
    default=600.0,
    show_default=True,
    metavar="S",
    help="Seconds of sound in one request.",
)
@click.option(
    "--cache-mb",
    type=click.IntRange(min=0),
    default=512,
    show_default=True,
    metavar="MB",
    help="Memory for chats that may go on, so that they are not read again.",
)
@unload_option
@click.option("--verbose", is_flag=True, help="Show the native libraries' logs, and where an error arose.")
def serve(model: str, aliases: tuple[str, ...], **options: Any) -> None:
    """Serve a model to browsers, as a page to talk with, and to other programs, by OpenAI's API.

    Chat completions with sound in the messages, transcriptions, and the realtime socket. On this machine only,
    unless --lan or --host say otherwise; then a token and TLS are demanded.
    """
    lan = options["lan"]
    try:
        if lan:
            from edge_llasm.serve.lan import lan_folder, on_the_lan
            from edge_llasm.serve.qr import drawn
        from edge_llasm.serve.limits import Limits
        from edge_llasm.serve.server import Place
        from edge_llasm.serve.server import serve as run
    except ImportError as error:
        raise EngineError(f"{error.name} is not installed: pip install 'edge-llasm[serve]'") from error
    from edge_llasm.assistant import Assistant
    from edge_llasm.bundle import Bundle

    verbose = options["verbose"]
    wanted = {name: options[name] for name in LOADED_WITH}
    logging.basicConfig(level=logging.INFO if verbose else logging.ERROR, format="edge-llasm: %(message)s")
    bundle = Bundle.find(model)
    limits = Limits(
        queue=options["max_queue"], audio_seconds=options["max_audio"], cache_bytes=options["cache_mb"] << 20
    )
    names = ("host", "port", "token", "certificate", "key", "hosts")
    place = Place(**{name: options[name] for name in names})
    if lan:
        place = on_the_lan(place, lan_folder())

    def listening(url: str) -> None:
        tell(f"{bundle.name} at {url}/v1 for programs, as soon as it is loaded; Ctrl-C stops it")
        if place.token is None:
            tell(f"for a browser: {url}")
        if lan and options["token"] is None:
            tell(f"its token is kept in {lan_folder()}: remove it, and nobody is in any more")

    def invite(link: str) -> None:
        if lan and on_a_terminal():
            click.echo(drawn(link), err=True)
        tell(f"for one browser, once: {link}")

    run(
        bundle,
        lambda: Assistant.load(bundle, **wanted),
        place,
        limits,
        unload_after_s=60 * options["unload_after"],
        aliases=aliases,
        listening=listening,
        invite=invite,
    )
