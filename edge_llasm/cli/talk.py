"""`edge-llasm talk`."""

from __future__ import annotations

import signal
import sys
from collections.abc import Mapping
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import click

from edge_llasm.cli.loading import load
from edge_llasm.cli.model_options import model_options, unload_option
from edge_llasm.errors import EngineError, SoundError

if TYPE_CHECKING:
    from edge_llasm.sound import Microphone
    from edge_llasm.voice import Speaker

__all__ = ["talk"]

EPILOG = """\b
Examples:
  edge-llasm talk
  edge-llasm talk --model nano --input 1
  edge-llasm talk --hands-free
  edge-llasm talk --speak
  edge-llasm talk --speak --output 2 --voice-zh ~/voices/zh_CN-huayan-medium.onnx
  edge-llasm talk --chat 3
"""


@click.command(epilog=EPILOG)
@model_options
@click.option("--input", "card", metavar="N|NAME", help="The microphone, as `edge-llasm devices` lists them.")
@click.option("--chat", type=int, metavar="N", help="Go on with a chat of `edge-llasm chats`.")
@click.option("--no-history", is_flag=True, help="Keep nothing of this chat.")
@click.option("--keep-audio", is_flag=True, help="Keep the recordings too.")
@click.option(
    "--private",
    is_flag=True,
    help="The microphone is off until the key goes down; a bell tells when it hears.",
)
@click.option("--hands-free", is_flag=True, help="No key: speech begins a question, a pause ends it.")
@click.option("--speak", is_flag=True, help="Read the answers aloud; a key stops that, and so does speaking.")
@click.option("--output", metavar="N|NAME", help="The loudspeaker, as `edge-llasm devices` lists them.")
@click.option(
    "--voice-en",
    metavar="NAME|FILE",
    help="For English: a voice of the system, or a file NAME.onnx of piper's.  [default: the system's own]",
)
@click.option("--voice-zh", metavar="NAME|FILE", help="The same for Chinese.")
@click.option(
    "--transcripts/--no-transcripts", default=True, help="Write down what was said, after the answer."
)
@unload_option
@click.option("--verbose", is_flag=True, help="Show the native libraries' logs, and where an error arose.")
def talk(model: str, card: str | None, chat: int | None, **options: Any) -> None:
    """Talk with a model: hold a key, speak, read.

    The answer streams in; the chat is kept for `edge-llasm chats`. Without a microphone it is typed.
    """
    if chat is not None and options["no_history"]:
        raise click.UsageError("A kept chat is written to: --chat and --no-history exclude each other.")
    if options["private"] and options["hands_free"]:
        raise click.UsageError(
            "Hands-free the microphone always listens: it and --private exclude each other."
        )
    if sys.stdin is None or not sys.stdin.isatty() or not sys.stdout.isatty():
        raise click.UsageError("talk needs a terminal; for recordings there is `edge-llasm ask`.")
    try:
        from edge_llasm.live.screen import Screen
    except ImportError as error:
        raise EngineError(f"{error.name} is not installed: pip install 'edge-llasm[talk]'") from error
    from rich.console import Console

    from edge_llasm.chats import Store, chats_file
    from edge_llasm.live.controls import Controls
    from edge_llasm.live.session import Session
    from edge_llasm.sound.portaudio import quiet
    from edge_llasm.terminal import Keyboard

    for ending in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(ending, _interrupt)  # as Ctrl-C does it, so that the terminal is given back
    with ExitStack() as ends:
        store = None if options["no_history"] else ends.enter_context(Store(chats_file()))
        microphone, missing = _microphone(card, private=options["private"], needed=options["hands_free"])
        if microphone is not None:
            ends.enter_context(microphone)
        speaker = _speaker(options) if options["speak"] else None
        assistant = ends.enter_context(load(model, options))
        session = ends.enter_context(
            Session(
                assistant,
                microphone,
                store,
                transcripts=options["transcripts"],
                keep_audio=options["keep_audio"],
                hands_free=options["hands_free"],
                speaker=speaker,
                unload_after_s=60 * options["unload_after"],
            )
        )
        if chat is not None:
            session.resume(chat)
        keyboard = ends.enter_context(Keyboard())
        screen = ends.enter_context(Screen(Console(highlight=False)))
        if not options["verbose"]:
            ends.enter_context(quiet())  # ALSA writes across the screen when a microphone is unplugged
        if missing:
            screen.say(f"{missing}; type instead", "yellow")
        for remark in speaker.voices.remarks if speaker else ():
            screen.say(remark, "yellow")
        Controls(session, screen, store, keyboard.tells_release).run(keyboard)


def _microphone(card: str | None, *, private: bool, needed: bool) -> tuple[Microphone | None, str]:
    """The microphone, or None and why there is none. Raises SoundError when it was asked for."""
    from edge_llasm.sound import Microphone

    try:
        return Microphone(card, private=private), ""
    except SoundError as error:
        if card is not None or needed:
            raise
        return None, str(error)


def _speaker(options: Mapping[str, Any]) -> Speaker:
    """Raises SoundError, VoiceError."""
    from edge_llasm.sound import Loudspeaker
    from edge_llasm.voice import Speaker, find_voices

    voices = find_voices(options["voice_en"], options["voice_zh"])
    return Speaker(voices, Loudspeaker(options["output"]))


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt
