"""`edge-llasm devices`."""

import click

from edge_llasm.cli.output import say, tell

__all__ = ["devices"]

EPILOG = """\b
Examples:
  edge-llasm devices
"""


@click.command(epilog=EPILOG)
def devices() -> None:
    """List the microphones and loudspeakers of this machine.

    One line each: number, what it can do, its sample rate, its name. A star marks the default.
    """
    from edge_llasm.sound.cards import cards

    found = cards()
    if not found:
        tell("no sound card was found: plug a microphone in, or start the sound server")
        return
    for card in found:
        uses = [
            f"{kind}{'*' if default else ''}"
            for kind, channels, default in (
                ("microphone", card.inputs, card.default_input),
                ("loudspeaker", card.outputs, card.default_output),
            )
            if channels
        ]
        say(f"{card.number:3d}  {', '.join(uses):25s}  {card.rate:6.0f} Hz  {card.name} ({card.system})\n")
