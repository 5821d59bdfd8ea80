"""`edge-llasm hotkey`."""

from __future__ import annotations

import select
import signal
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from edge_llasm.cli.loading import load
from edge_llasm.cli.model_options import model_options
from edge_llasm.cli.output import say, tell
from edge_llasm.errors import DesktopError, SoundError

if TYPE_CHECKING:
    from edge_llasm.desktop.deliver import Courier
    from edge_llasm.desktop.keys import Keys, Move
    from edge_llasm.desktop.remote import Remote
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

ACTIONS = ("toggle", "start", "stop", "cancel")
TICK_S = 0.05
TAP_S = 0.3
"""A key that goes up sooner was tapped, not held"""


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
        streams = target.kind == "stdout"
        _Hotkey(session, courier, keys, remote, code=options["code"], streams=streams).run()


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
        )
    )
    if options["chat"] is not None:
        session.resume(options["chat"])
    return session


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


class _Hotkey:
    """What each key does, and what becomes of an answer."""

    def __init__(
        self,
        session: Session,
        courier: Courier,
        keys: Keys | None,
        remote: Remote,
        *,
        code: bool,
        streams: bool,
    ) -> None:
        self._session, self._courier, self._keys, self._remote = session, courier, keys, remote
        self._code, self._streams = code, streams
        self._answer = ""
        self._pressed = 0.0

    def run(self) -> None:
        while True:
            self._wait()
            try:
                for move in self._keys.read() if self._keys is not None else ():
                    self._move(move)
                events = self._session.poll()
            except SoundError as error:
                tell(str(error))
                continue
            self._remote.attend(self._act)
            for event in events:
                self._tell(event)
            for trouble in self._courier.troubles():
                tell(trouble)
            self._want_cancel()

    def _want_cancel(self) -> None:
        if self._keys is not None:
            self._keys.want_cancel(self._session.state != "idle" or self._courier.busy)

    def _wait(self) -> None:
        """Until a key moves or somebody asks, but no longer than the microphone may wait."""
        ends = [end.fileno() for end in (self._keys, self._remote) if end is not None]
        select.select(ends, [], [], TICK_S)

    def _move(self, move: Move) -> None:
        """Down: begin, or end what a tap began. Up: end what was held, unless it was only a tap."""
        recording = self._session.state == "recording"
        if move.key == "cancel":
            self._act("cancel")
        elif move.down and not recording:
            self._pressed = move.at
            self._act("start")
        elif recording and (move.down or move.at - self._pressed > TAP_S):
            self._act("stop")

    def _act(self, action: str) -> str:
        """One of ACTIONS; what is done now. Raises SoundError."""
        recording = self._session.state == "recording"
        if action == "start" or (action == "toggle" and not recording):
            if not recording:
                self._courier.stop()
                self._session.press()
                self._want_cancel()  # before anybody is told that there is something to cancel
                tell("recording")
        elif action == "cancel":
            self._courier.stop()
            if recording:
                self._session.cancel()
                tell("cancelled")
            else:
                self._session.stop()
        elif recording:
            self._session.release()
        return self._session.state

    def _tell(self, event: Any) -> None:
        from edge_llasm.live.events import Asked, Ended, Failed, Lost, Written, WrittenDown

        match event:
            case Asked(seconds):
                self._answer = ""
                tell(f"{seconds:.1f} s of speech")
            case Lost(microphone):
                tell(f"{microphone} is gone; what it heard is asked")
            case Written(text):
                self._answer += text
                if self._streams and not self._code:
                    say(text)
            case Ended(reason, _, felt_ms):
                tell(f"{'answered' if reason == 'stop' else reason}, the first words after {felt_ms:.0f} ms")
                self._deliver(reason)
            case WrittenDown(transcript):
                tell(f"heard: {transcript}")
            case Failed(message):
                tell(message)

    def _deliver(self, reason: str) -> None:
        from edge_llasm.desktop.code_block import code_block

        text = code_block(self._answer) if self._code else self._answer.strip()
        if self._streams:
            say(f"{text}\n" if self._code and text else "\n" * (not self._code))
        elif reason != "cancelled" and text:
            self._courier.carry(text)
        if self._code and not text and reason != "cancelled":
            tell("there is no code block in the answer: nothing is delivered")
