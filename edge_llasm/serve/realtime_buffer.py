"""`input_audio_buffer.*`: what is being said, listened to while it comes, until it is a part of the question."""

from __future__ import annotations

import anyio

from edge_llasm.live import Listener
from edge_llasm.live.drafts import Drafts
from edge_llasm.serve.api_errors import bad_request
from edge_llasm.serve.backend import Backend
from edge_llasm.serve.conversation import Conversation
from edge_llasm.serve.fields import Fields
from edge_llasm.serve.pcm import RATE, PcmSource, pcm_from
from edge_llasm.serve.realtime_answers import Answers
from edge_llasm.serve.realtime_events import Events
from edge_llasm.serve.realtime_shape import message, new_id

__all__ = ["InputBuffer"]

SLICE = 2 * RATE // 10
"""Bytes, 100 ms: what is listened to before the question may be over"""
NOBODY_S = 3.0
"""Without speech, what was heard so long ago is forgotten"""


class InputBuffer:
    """The sound of one session. Where the client leaves that to it, a pause asks and speech ends the answer."""

    def __init__(self, backend: Backend, chat: Conversation, events: Events, answers: Answers) -> None:
        self._backend, self._chat = backend, chat
        self._events, self._answers = events, answers
        self._source = PcmSource()
        self._drafts = Drafts(chat)
        self._listener = Listener(self._source, self._drafts)
        self._speaking = False
        self._fed = 0  # samples of this session
        self._coming = ""  # the item that speech becomes

    async def append(self, event: Fields) -> None:
        data = pcm_from(event.text("audio"))
        event.finish()
        self._backend.decoder.wake()  # while they speak
        if self._listener.seconds + len(data) / 2 / RATE > self._backend.limits.audio_seconds:
            await self._forget()
            raise bad_request(
                f"a question may have {self._backend.limits.audio_seconds:g} s of sound at most", "audio"
            )
        for start in range(0, len(data), SLICE):
            await anyio.to_thread.run_sync(self._listen, data[start : start + SLICE])
            if self._chat.settings.turns is not None:
                await self._attend()

    async def commit(self, event: Fields) -> None:
        event.finish()
        if not self._listener.recording or self._listener.seconds == 0:
            raise bad_request(
                "the buffer is empty: append sound first", code="input_audio_buffer_commit_empty"
            )
        await self._take(new_id("item"))

    async def clear(self, event: Fields) -> None:
        event.finish()
        await self._forget()
        await self._events.send("input_audio_buffer.cleared")

    async def close(self) -> None:
        """Wait until no native code runs."""
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(self._drafts.close)

    def _listen(self, data: bytes) -> None:
        if not self._listener.recording:
            self._listener.start()
        self._source.feed(data)
        self._listener.poll()
        self._fed += len(data) // 2

    async def _attend(self) -> None:
        """Nobody tells when the question is over: see."""
        turns, listener, send = self._chat.settings.turns, self._listener, self._events.send
        assert turns is not None
        if not listener.heard_speech:
            if listener.seconds > NOBODY_S:
                await anyio.to_thread.run_sync(listener.forget)
            return
        if not self._speaking:
            self._speaking = True
            self._coming = new_id("item")
            start_ms = max(0, self._ms - round(1000 * listener.seconds))
            await send("input_audio_buffer.speech_started", audio_start_ms=start_ms, item_id=self._coming)
            if turns.interrupt:
                await self._answers.stop()
        if 1000 * listener.pause_s >= turns.silence_ms:
            await send("input_audio_buffer.speech_stopped", audio_end_ms=self._ms, item_id=self._coming)
            await self._take(self._coming)
            if turns.respond:
                self._answers.begin(self._chat.settings)

    async def _take(self, item: str) -> None:
        """The recording is over: it becomes a part of the question."""
        samples = await anyio.to_thread.run_sync(self._listener.stop)
        self._speaking = False
        self._chat.said = (*self._chat.said, samples)
        before = self._events.newest
        await self._events.send("input_audio_buffer.committed", item_id=item, previous_item_id=before)
        content = [{"type": "input_audio", "transcript": None}]
        await self._events.add(message(item, "user", "completed", content))
        if self._chat.settings.transcribe:
            self._answers.write_down(item, samples)

    async def _forget(self) -> None:
        self._speaking = False
        await anyio.to_thread.run_sync(self._listener.cancel)

    @property
    def _ms(self) -> int:
        return round(1000 * self._fed / RATE)
