"""`hotkey` at work: what its two keys do, and what becomes of an answer."""

from __future__ import annotations

import select
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from edge_llasm.errors import SoundError
from edge_llasm.live.code_block import code_block
from edge_llasm.live.events import Asked, Ended, Failed, Lost, Written, WrittenDown
from edge_llasm.live.tap import TAP_S

if TYPE_CHECKING:
    from edge_llasm.desktop.deliver import Courier
    from edge_llasm.desktop.keys import Keys, Move
    from edge_llasm.desktop.remote import Remote
    from edge_llasm.live.session import Session

__all__ = ["Hotkey"]

TICK_S = 0.05


class Hotkey:
    """Keys and requests in, text out, until Ctrl-C."""

    def __init__(
        self,
        session: Session,
        courier: Courier,
        keys: Keys | None,
        remote: Remote,
        tell: Callable[[str], None],
        *,
        code: bool,
        stream: Callable[[str], None] | None,
    ) -> None:
        """`tell` gets what happens, line by line; `code`: only an answer's code block counts.

        `stream`, where there is one, gets the answer as it is written, in the courier's place.
        """
        self._session, self._courier, self._keys, self._remote = session, courier, keys, remote
        self._notice, self._code, self._stream = tell, code, stream
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
                self._notice(str(error))
                continue
            self._remote.attend(self._act)
            for event in events:
                self._tell(event)
            for trouble in self._courier.troubles():
                self._notice(trouble)
            self._want_cancel()

    def _want_cancel(self) -> None:
        if self._keys is not None:
            self._keys.want_cancel(self._session.state != "idle" or self._courier.busy)

    def _wait(self) -> None:
        """Until a key moves, somebody asks or an answer goes on, but no longer than the microphone may wait."""
        ends = [end.fileno() for end in (self._keys, self._remote, self._session) if end is not None]
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
                self._notice("recording")
        elif action == "cancel":
            self._courier.stop()
            if recording:
                self._session.cancel()
                self._notice("cancelled")
            else:
                self._session.stop()
        elif recording:
            self._session.release()
        return self._session.state

    def _tell(self, event: Any) -> None:
        match event:
            case Asked(seconds):
                self._answer = ""
                self._notice(f"{seconds:.1f} s of speech")
            case Lost(microphone):
                self._notice(f"{microphone} is gone; what it heard is asked")
            case Written(text):
                self._answer += text
                if self._stream and not self._code:
                    self._stream(text)
            case Ended(reason, _, felt_ms):
                self._notice(
                    f"{'answered' if reason == 'stop' else reason}, the first words after {felt_ms:.0f} ms"
                )
                self._deliver(reason)
            case WrittenDown(transcript):
                self._notice(f"heard: {transcript}")
            case Failed(message):
                self._notice(message)

    def _deliver(self, reason: str) -> None:
        text = code_block(self._answer) if self._code else self._answer.strip()
        if self._stream:
            self._stream(f"{text}\n" if self._code and text else "\n" * (not self._code))
        elif reason != "cancelled" and text:
            self._courier.carry(text)
        if self._code and not text and reason != "cancelled":
            self._notice("there is no code block in the answer: nothing is delivered")
