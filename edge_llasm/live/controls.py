"""`talk` in a terminal: what each key does, and what is shown."""

from __future__ import annotations

from time import monotonic

from edge_llasm.chats import Store
from edge_llasm.errors import EdgeLlasmError
from edge_llasm.live.code_block import code_block
from edge_llasm.live.events import Asked, Ended, Event, Failed, Lost, Unread, Written, WrittenDown
from edge_llasm.live.screen import Screen
from edge_llasm.live.session import Session
from edge_llasm.live.tap import TAP_S
from edge_llasm.terminal import Key, Keyboard

__all__ = ["Controls"]

HELP = """\
space    tap to start, tap to ask; or hold, where the terminal can tell
enter    ask what you typed
escape   cancel the recording, or stop the answer
ctrl+r   show the last answer again
ctrl+y   copy it; ctrl+k copies its code block
ctrl+n   new chat; ctrl+o opens an old one
ctrl+c   leave"""

TICK_S = 0.05
"""For the level meter, and for pauses in what is said"""


class Controls:
    """Keys in, lines out, until somebody leaves."""

    def __init__(self, session: Session, screen: Screen, store: Store | None, holds: bool) -> None:
        """`holds`: whether the terminal tells when a key goes up."""
        self._session, self._screen, self._store, self._holds = session, screen, store, holds
        self._line = ""
        self._opening = False
        self._last = ""  # of the last turn: the felt delay, and what the chat takes of the context
        self._leaving = False
        self._now = self._pressed = 0.0  # s; the same for keys that came together
        self._microphone = session.listener.microphone.name if session.listener else ""

    def run(self, keyboard: Keyboard) -> None:
        self._screen.say(f"{self._hint()}, ? for help", "dim")
        events: list[Event] = []
        while not self._leaving:
            try:  # the first text of an answer is shown at once, the rest as often as the eye can follow
                keys = keyboard.read(TICK_S, None if events else self._session)
            except EOFError:
                return
            self._now = monotonic()
            for key in keys:
                try:
                    self._press(key)
                except EdgeLlasmError as error:
                    self._screen.say(str(error), "yellow")
            try:
                events = self._session.poll()
            except EdgeLlasmError as error:
                self._screen.say(str(error), "yellow")
                continue
            for event in events:
                self._tell(event)
            self._show()

    def _press(self, key: Key) -> None:
        if key.name == "space" and not self._line and not self._opening and not self._session.hands_free:
            self._space(key)
        elif key.action == "release":
            return
        elif key.name in ("ctrl+c", "ctrl+d"):
            self._leaving = True
        elif key.name == "escape":
            self._escape()
        elif key.name == "enter":
            self._enter()
        elif key.name == "backspace":
            self._line = self._line[:-1]
        elif key.name == "?" and not self._line:
            self._screen.say(HELP, "dim")
        elif key.name == "ctrl+n":
            self._session.new_chat()
            self._screen.say("— a new chat —", "dim")
        elif key.name == "ctrl+o":
            self._list()
        elif key.name == "ctrl+r":
            self._screen.say(self._session.last_answer.rstrip() or "there is no answer yet")
        elif key.name in ("ctrl+y", "ctrl+k"):
            self._copy(code=key.name == "ctrl+k")
        elif key.text:
            self._line += key.text

    def _space(self, key: Key) -> None:
        """Down: begin, or end what a tap began. Up: end what was held, unless it was only a tap."""
        recording = self._session.state == "recording"
        if key.action == "press" and not recording:
            if self._session.listener is None:
                self._screen.say("there is no microphone: type instead", "yellow")
            self._session.press()
            self._pressed = self._now
            self._tell_microphone()
        elif recording and (
            key.action == "press" or (key.action == "release" and self._now - self._pressed > TAP_S)
        ):
            self._session.release()

    def _tell_microphone(self) -> None:
        """It may be another one than before; a private one listens only from now on."""
        if (listener := self._session.listener) is None:
            return
        microphone = listener.microphone
        if microphone.name != self._microphone:
            self._screen.say(f"(now hearing {microphone.name})", "dim")
            self._microphone = microphone.name
        if microphone.private:
            self._screen.ring()

    def _escape(self) -> None:
        if self._session.state == "recording":
            self._session.cancel()
            self._screen.say("(cancelled)", "dim")
        elif self._line or self._opening:
            self._line, self._opening = "", False
        else:
            self._session.stop()

    def _enter(self) -> None:
        line, self._line = self._line.strip(), ""
        if self._opening:
            self._opening = False
            if line.isdigit():
                self._session.resume(int(line))
                self._screen.say(f"— chat {line} —", "dim")
        else:
            self._session.send(line)

    def _list(self) -> None:
        chats = [] if self._store is None else self._store.chats()
        for chat in chats[-9:]:
            self._screen.say(f"{chat.number:4d}  {chat.title}", "dim")
        self._screen.say("type its number" if chats else "no chat is kept", "dim")
        self._opening = bool(chats)

    def _copy(self, *, code: bool) -> None:
        answer = self._session.last_answer
        wanted = code_block(answer) if code else answer.strip()
        if not wanted:
            self._screen.say("there is no code block to copy" if code else "there is nothing to copy", "dim")
            return
        self._screen.copy(wanted)
        self._screen.say("(copied)", "dim")

    def _tell(self, event: Event) -> None:
        match event:
            case Asked(seconds, typed):
                said = typed or f"({seconds:.1f} s of speech)"
                self._screen.say(f"you    {said}", "cyan")
            case Lost(microphone):
                self._screen.say(f"({microphone} is gone; what it heard is asked)", "yellow")
            case Written(text):
                self._screen.write(text)
            case Ended(reason, timings, felt_ms):
                self._screen.end_answer()
                used = timings.prompt_tokens + timings.generated_tokens
                self._last = f"{felt_ms:.0f} ms · {used}/{self._session.assistant.llm.n_ctx} tokens · "
                if reason != "stop":
                    self._screen.say(f"({reason})", "dim")
            case WrittenDown(transcript):
                self._screen.say(f"heard  {transcript}", "dim")
            case Unread(message):
                self._screen.say(f"{message}; read on here", "yellow")
            case Failed(message):
                self._screen.end_answer()
                self._screen.say(message, "yellow")

    def _show(self) -> None:
        session, listener = self._session, self._session.listener
        assistant = session.assistant
        where = f"on {assistant.devices.name}" if assistant.loaded else "at rest"
        corner = f"{self._last}{assistant.bundle.name} {where}"
        status, level = self._hint(), None
        if listener is not None and listener.microphone.overruns:
            corner = f"{listener.microphone.overruns} gaps in the sound · {corner}"
        if session.state == "recording" and listener is not None:
            part = 1 + int(listener.seconds / assistant.speech.window_seconds)
            status = f"● {listener.seconds:.1f} s" + (f", part {part}" if part > 1 else "")
            level = listener.level
        elif session.state == "answering":
            status = "…"
        elif session.state == "speaking":
            status = "♪ escape stops it"
        self._screen.show(status, self._line, corner, level)

    def _hint(self) -> str:
        if self._session.listener is None:
            return "type"
        if self._session.hands_free:
            return "listening"
        return f"{'hold or ' if self._holds else ''}tap space to talk"
