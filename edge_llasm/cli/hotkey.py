"""`edge-llasm hotkey`."""

from __future__ import annotations

import signal
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from edge_llasm.cli.loading import load
from edge_llasm.cli.model_options import model_options, unload_option
from edge_llasm.cli.output import say, tell
from edge_llasm.desktop.remote import ACTIONS
from edge_llasm.errors import DesktopError

if TYPE_CHECKING:
    from edge_llasm.live.session import Session

__all__ = ["hotkey"]

EPILOG = """\b
Examples:
  edge-llasm hotkey
  edge-llasm hotkey --key ctrl+alt+space --code
  edge-llasm hotkey --transcribe --to paste --paste-key ctrl+shift+v --enter
  edge-llasm hotkey --to "exec:notify-send edge-llasm"
  edge-llasm hotkey toggle

\b
Where it goes (--to):
  type        key by key; what the keyboard cannot write is pasted. An input method that is
              switched on, and an editor that indents by itself, join in: then take paste
  paste       by the clipboard, which afterwards is as it was before
  clipboard   there it stays
  stdout      as it is written
  file:PATH   appended
  exec:CMD    the standard input of a command line
"""


@click.command(epilog=EPILOG)
@click.argument("action", required=False, type=click.Choice(ACTIONS))
@click.option(
    "--key", default="F9", show_default=True, help="Hold it or tap it to talk, as in ctrl+alt+space."
)
@click.option(
    "--cancel-key", default="esc", show_default=True, help="Forgets the recording, or ends the answer."
)
@click.option(
    "--to", "target", metavar="WHERE", help="Default: type; with --code paste. All ways stand below."
)
@click.option(
    "--transcribe", is_flag=True, help="Write down what is said in place of an answer; nothing is kept."
)
@click.option("--code", is_flag=True, help="Only the answer's code block.")
@click.option("--enter", is_flag=True, help="Press enter afterwards.")
@click.option(
    "--paste-key", default="ctrl+v", show_default=True, help="What pastes; in terminals ctrl+shift+v."
)
@model_options
@click.option("--input", "card", metavar="N|NAME", help="The microphone, as `edge-llasm devices` lists them.")
@click.option("--chat", type=int, metavar="N", help="Go on with a chat of `edge-llasm chats`.")
@click.option("--no-history", is_flag=True, help="Keep nothing of this chat.")
@click.option("--keep-audio", is_flag=True, help="Keep the recordings too.")
@click.option("--private", is_flag=True, help="The microphone is off until the key goes down.")
@click.option(
    "--transcripts/--no-transcripts", default=True, help="Write down what was said, after the answer."
)
@unload_option
@click.option("--verbose", is_flag=True, help="Show the native libraries' logs, and where an error arose.")
@click.pass_context
def hotkey(context: click.Context, /, action: str | None, **options: Any) -> None:
    """Talk from any application: hold a key, speak, and the answer arrives in the focused window.

    It listens until Ctrl-C. With toggle, start, stop or cancel it tells the one that listens what to do: for window
    managers, and where a program may not hear the keys of others (Wayland).
    """
    if action is not None:
        _ask(context, action)
        return
    if options["transcribe"] and (options["code"] or options["chat"] is not None):
        raise click.UsageError("--transcribe writes down what is said: it has no --code and no --chat.")
    if options["chat"] is not None and options["no_history"]:
        raise click.UsageError("A kept chat is written to: --chat and --no-history exclude each other.")
    _listen(options)


def _ask(context: click.Context, action: str) -> None:
    given = [
        parameter.opts[-1]
        for parameter in context.command.params
        if isinstance(parameter, click.Option)
        and context.get_parameter_source(str(parameter.name)) is ParameterSource.COMMANDLINE
    ]
    if given:
        raise click.UsageError(f"{given[0]} is for the `edge-llasm hotkey` that listens, not for {action}.")
    from edge_llasm.desktop.remote import ask

    say(f"{ask(action)}\n")


def _listen(options: dict[str, Any]) -> None:
    from edge_llasm.desktop.deliver import Courier, Target
    from edge_llasm.desktop.hotkey import Hotkey
    from edge_llasm.desktop.remote import Remote
    from edge_llasm.desktop.shortcut import Shortcut
    from edge_llasm.desktop.surroundings import open_keys, open_window

    key, cancel_key, paste_key = (
        Shortcut.parse(options[name]) for name in ("key", "cancel_key", "paste_key")
    )
    if key.writes:
        raise click.UsageError(
            f"{key} also writes: take a key that does not, or hold one with it (ctrl+alt+{key})."
        )
    target = Target.parse(options["target"] or ("paste" if options["code"] else "type"))
    target.check()
    with ExitStack() as open_things:
        remote = Remote()
        open_things.callback(remote.close)
        keys, missing = None, ""
        try:
            keys = open_keys(key, cancel_key)
            open_things.callback(keys.close)
        except DesktopError as error:
            missing = str(error)
        window = None
        if target.needs_window:
            window = open_window(keys, writes=target.kind != "clipboard")
            open_things.callback(window.close)
        courier = Courier(target, window, enter=options["enter"], paste_key=paste_key)
        open_things.callback(courier.close)
        session = _session(options, open_things)
        tell(missing or f"hold or tap {key} to talk, {cancel_key} cancels; Ctrl-C ends it")
        stream = say if target.kind == "stdout" else None
        Hotkey(session, courier, keys, remote, tell, code=options["code"], stream=stream).run()


def _session(options: dict[str, Any], open_things: ExitStack) -> Session:
    from edge_llasm.chats import Store, chats_file
    from edge_llasm.live.session import Session
    from edge_llasm.sound import Microphone

    for ending in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(ending, _interrupt)  # as Ctrl-C does it, so that keys and clipboard are given back
    store = None
    if not options["no_history"] and not options["transcribe"]:
        store = open_things.enter_context(Store(chats_file()))
    microphone = open_things.enter_context(Microphone(options["card"], private=options["private"]))
    assistant = open_things.enter_context(load(options["model"], options))
    session = open_things.enter_context(
        Session(
            assistant,
            microphone,
            store,
            transcripts=options["transcripts"],
            keep_audio=options["keep_audio"],
            dictation=options["transcribe"],
            unload_after_s=60 * options["unload_after"],
        )
    )
    if options["chat"] is not None:
        session.resume(options["chat"])
    return session


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt
