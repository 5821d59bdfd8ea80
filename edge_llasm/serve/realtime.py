"""`WS /v1/realtime`: speech in while it is spoken, text out while it is written.

The part of OpenAI's realtime events that a spoken chat with written answers needs; anything else is an `error` event.
In: session.update, input_audio_buffer.append|commit|clear, conversation.item.create, response.create|cancel.
"""

from __future__ import annotations

import asyncio
import binascii
import json
from collections.abc import Awaitable, Callable
from contextlib import aclosing, suppress
from secrets import token_hex
from typing import Any

import anyio
import numpy as np
import numpy.typing as npt
from starlette.websockets import WebSocket, WebSocketDisconnect

from edge_llasm.composer import default_sampling
from edge_llasm.errors import EdgeLlasmError
from edge_llasm.live import Listener
from edge_llasm.live.drafts import Drafts
from edge_llasm.serve.api_errors import ApiError, bad_request, dumps, unsupported
from edge_llasm.serve.backend import Backend, backend_of, client_of
from edge_llasm.serve.completions import failure
from edge_llasm.serve.conversation import Conversation, Understood
from edge_llasm.serve.fields import Fields
from edge_llasm.serve.pcm import RATE, PcmSource
from edge_llasm.serve.realtime_shape import Answer, message, new_id
from edge_llasm.serve.settings import Settings, read_response, read_session

__all__ = ["realtime"]

Samples = npt.NDArray[np.float32]  # (n_samples,) f32, 16 kHz

SUBPROTOCOL = "realtime"
AGAIN_LATER, AGAINST_THE_RULES, GOING = 1013, 1008, 1001
"""Close codes"""
SLICE = 2 * RATE // 10
"""Bytes, 100 ms: what is listened to before the question may be over"""
NOBODY_S = 3.0
"""Without speech, what was heard so long ago is forgotten"""


async def realtime(socket: WebSocket) -> None:
    """Serve one socket until it is closed."""
    backend = backend_of(socket)
    await socket.accept(SUBPROTOCOL if SUBPROTOCOL in socket.scope["subprotocols"] else None)
    name = socket.query_params.get("model", backend.names[0])
    problem = None
    if name not in backend.names:
        problem = ApiError(404, f"there is no model {name!r} here, only {backend.names[0]}", param="model")
    elif backend.decoder.state != "ready":
        problem = ApiError(503, "there is no model yet: try again", kind="server_error")
    elif backend.sockets.full:
        problem = ApiError(503, "too many sockets are open: try again", kind="server_error")
    if problem is not None:
        with suppress(WebSocketDisconnect):
            await socket.send_text(dumps({"type": "error", **problem.body}).decode())
            await socket.close(AGAINST_THE_RULES if problem.status == 404 else AGAIN_LATER)
        return
    with backend.sockets:
        await _Session(socket, backend).run()


class _Session:
    """One socket: a listener, a conversation, and at most one answer at a time."""

    def __init__(self, socket: WebSocket, backend: Backend) -> None:
        self._socket, self._backend = socket, backend
        self._id = f"sess_{token_hex(8)}"
        client = f"{client_of(socket)}\n{self._id}"
        settings = Settings(default_sampling(backend.bundle))
        self._chat = Conversation(backend.decoder, client, settings, backend.limits.chat_turns)
        self._source = PcmSource()
        self._drafts = Drafts(self._chat)
        self._listener = Listener(self._source, self._drafts)
        self._speaking = False
        self._fed = 0  # samples of this session
        self._item: str | None = None  # of the newest item
        self._coming = ""  # the item that speech becomes
        self._answer: asyncio.Task[None] | None = None
        self._writing: asyncio.Task[None] | None = None
        self._unwritten: list[tuple[str, Samples]] = []  # to be written down
        self._handlers: dict[str, Callable[[Fields], Awaitable[None]]] = {
            "session.update": self._update,
            "input_audio_buffer.append": self._append,
            "input_audio_buffer.commit": self._commit,
            "input_audio_buffer.clear": self._clear,
            "conversation.item.create": self._create_item,
            "response.create": self._respond,
            "response.cancel": self._cancel,
        }

    async def run(self) -> None:
        try:
            await self._send("session.created", session=self._shown)
            while True:
                async with asyncio.timeout(self._backend.limits.socket_seconds):
                    message = await self._socket.receive()
                if message["type"] == "websocket.disconnect":
                    return
                await self._handle(message.get("text") or "")  # a binary message is no event
        except WebSocketDisconnect:
            return
        except TimeoutError:
            with suppress(WebSocketDisconnect, RuntimeError):
                await self._socket.close(GOING)
        finally:
            await self._stop()
            if self._writing is not None:
                self._writing.cancel()
                await asyncio.gather(self._writing, return_exceptions=True)
            with anyio.CancelScope(shield=True):
                await anyio.to_thread.run_sync(self._drafts.close)

    async def _handle(self, text: str) -> None:
        asked: str | None = None
        try:
            event = Fields(_parsed(text))
            asked = event.text("event_id")
            kind = event.text("type")
            if kind not in self._handlers:
                raise bad_request(f"the event {kind!r} is not known here", "type", "unknown_event")
            await self._handlers[kind](event)
        except (ApiError, EdgeLlasmError) as error:
            await self._fail(error, asked)

    async def _update(self, event: Fields) -> None:
        session = event.table("session")
        event.finish()
        self._chat.settings = read_session(session, self._chat.settings, self._backend.names)
        await self._send("session.updated", session=self._shown)

    async def _append(self, event: Fields) -> None:
        data = _samples(event.text("audio"))
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

    def _listen(self, data: bytes) -> None:
        if not self._listener.recording:
            self._listener.start()
        self._source.feed(data)
        self._listener.poll()
        self._fed += len(data) // 2

    async def _attend(self) -> None:
        """Nobody tells when the question is over: see."""
        turns, listener = self._chat.settings.turns, self._listener
        assert turns is not None
        if not listener.heard_speech:
            if listener.seconds > NOBODY_S:
                await anyio.to_thread.run_sync(listener.forget)
            return
        if not self._speaking:
            self._speaking = True
            self._coming = new_id("item")
            start_ms = max(0, self._ms - round(1000 * listener.seconds))
            await self._send(
                "input_audio_buffer.speech_started", audio_start_ms=start_ms, item_id=self._coming
            )
            if turns.interrupt:
                await self._stop()
        if 1000 * listener.pause_s >= turns.silence_ms:
            await self._send("input_audio_buffer.speech_stopped", audio_end_ms=self._ms, item_id=self._coming)
            await self._take(self._coming)
            if turns.respond:
                await self._begin(self._chat.settings)

    async def _commit(self, event: Fields) -> None:
        event.finish()
        if not self._listener.recording or self._listener.seconds == 0:
            raise bad_request(
                "the buffer is empty: append sound first", code="input_audio_buffer_commit_empty"
            )
        await self._take(new_id("item"))

    async def _take(self, item: str) -> None:
        """The recording is over: it becomes a part of the question."""
        samples = await anyio.to_thread.run_sync(self._listener.stop)
        self._speaking = False
        self._chat.said = (*self._chat.said, samples)
        await self._send("input_audio_buffer.committed", item_id=item, previous_item_id=self._item)
        await self._add(item, [{"type": "input_audio", "transcript": None}])
        if self._chat.settings.transcribe:
            self._unwritten.append((item, samples))

    async def _clear(self, event: Fields) -> None:
        event.finish()
        await self._forget()
        await self._send("input_audio_buffer.cleared")

    async def _forget(self) -> None:
        self._speaking = False
        await anyio.to_thread.run_sync(self._listener.cancel)

    async def _create_item(self, event: Fields) -> None:
        item = event.table("item")
        event.finish({"previous_item_id": ()})
        item.choice("type", ("message",))
        name = item.text("id") or new_id("item")
        if item.choice("role", ("user", "assistant")) == "assistant":
            await self._create_answer(item, name)
            return
        parts: list[str | Samples] = []
        shown: list[dict[str, Any]] = []
        for i, one in enumerate(item.items("content")):
            part = Fields(one, item.path(f"content[{i}]"))
            if part.choice("type", ("input_text", "input_audio")) == "input_audio":
                data = _samples(part.text("audio"))
                source = PcmSource()
                source.feed(data)
                parts.append(source.end())
                shown.append({"type": "input_audio", "transcript": None})
            else:
                text = part.text("text")
                if not text or not text.strip():
                    raise part.wrong("text", "something")
                parts.append(text)
                shown.append({"type": "input_text", "text": text})
            part.finish()
        if not parts:
            raise item.wrong("content", "a list with something in it")
        item.finish({"object": ("realtime.item",), "status": ("completed",)})
        self._chat.said = (*self._chat.said, *parts)
        await self._add(name, shown)

    async def _create_answer(self, item: Fields, name: str) -> None:
        """An earlier answer, so that a chat can go on over another socket."""
        text = ""
        for i, one in enumerate(item.items("content")):
            part = Fields(one, item.path(f"content[{i}]"))
            part.choice("type", ("output_text", "text"))
            text += part.text("text") or ""
            part.finish()
        item.finish({"object": ("realtime.item",), "status": ("completed", "incomplete")})
        said = tuple(part for part in self._chat.said if isinstance(part, str))
        if not text or not said or len(said) < len(self._chat.said):
            raise bad_request(
                "an assistant's item must have text, and follow a user's text", item.path("role")
            )
        self._chat.said = ()
        self._chat.remember(said, text)
        shown = message(name, "assistant", "completed", [{"type": "output_text", "text": text}])
        await self._show(name, shown)

    async def _add(self, item: str, content: list[dict[str, Any]]) -> None:
        await self._show(item, message(item, "user", "completed", content))

    async def _show(self, item: str, shown: dict[str, Any]) -> None:
        for moment in ("added", "done"):
            await self._send(f"conversation.item.{moment}", previous_item_id=self._item, item=shown)
        self._item = item

    async def _respond(self, event: Fields) -> None:
        settings = read_response(event.table("response"), self._chat.settings)
        event.finish()
        await self._begin(settings)

    async def _begin(self, settings: Settings) -> None:
        if self._answer is not None and not self._answer.done():
            raise bad_request(
                "an answer is being written: cancel it first", code="conversation_already_has_active_response"
            )
        if not self._chat.said:
            raise bad_request("there is nothing to answer: commit sound or create an item first")
        self._answer = asyncio.create_task(self._write(settings))

    async def _cancel(self, event: Fields) -> None:
        event.text("response_id")
        event.finish()
        if self._answer is None or self._answer.done():
            raise bad_request("no answer is being written", code="response_cancel_not_active")
        await self._stop()

    async def _stop(self) -> None:
        if self._answer is not None:
            self._answer.cancel()
            await asyncio.gather(self._answer, return_exceptions=True)

    async def _write(self, settings: Settings) -> None:
        """One answer, from response.created to response.done."""
        answer = Answer(self._backend.bundle.name)
        unwritten, self._unwritten = self._unwritten, []
        user: tuple[Any, ...] = ()
        try:
            await self._send("response.created", response=answer.shown("in_progress"))
            await self._send("response.output_item.added", **answer.at, item=answer.item("in_progress"))
            await self._send("response.content_part.added", **answer.inside, part=answer.part)
            async with aclosing(self._chat.answer(settings)) as items:
                async for item in items:
                    if isinstance(item, Understood):
                        user, answer.seconds, answer.heard_ms = item.user, item.seconds, item.ms
                        continue
                    if item.text:
                        answer.text += item.text
                        await self._send("response.output_text.delta", **answer.inside, delta=item.text)
                    if item.finish_reason is not None:
                        answer.last = item
            await self._finish(answer, "completed" if answer.ended == "stop" else "incomplete")
            if answer.last is not None and answer.last.timings is not None:
                heard_s = answer.heard_ms / 1000
                self._backend.metrics.answered(answer.last.timings, answer.seconds, heard_s)
        except asyncio.CancelledError:
            self._backend.metrics.cancelled.inc()
            with suppress(WebSocketDisconnect, RuntimeError):
                await self._finish(answer, "cancelled")
        except (ApiError, EdgeLlasmError) as error:
            await self._finish(answer, "failed", failure(error))
        except WebSocketDisconnect:
            return
        else:
            if unwritten:
                self._writing = asyncio.create_task(self._write_down(unwritten, self._writing))
        finally:
            self._chat.remember(user, answer.text)

    async def _finish(self, answer: Answer, status: str, error: ApiError | None = None) -> None:
        if error is None:
            await self._send("response.output_text.done", **answer.inside, text=answer.text)
            await self._send("response.content_part.done", **answer.inside, part=answer.part)
            state = "completed" if status == "completed" else "incomplete"
            await self._send("response.output_item.done", **answer.at, item=answer.item(state))
            self._item = answer.item_id
        await self._send("response.done", response=answer.shown(status, error))

    async def _write_down(self, items: list[tuple[str, Samples]], before: asyncio.Task[None] | None) -> None:
        """What was said, for the reader, after the answer."""
        kind = "conversation.item.input_audio_transcription.completed"
        try:
            if before is not None:
                await before
            for item, samples in items:
                text = ""
                async with aclosing(self._chat.write_down(samples)) as chunks:
                    async for chunk in chunks:
                        text += chunk.text
                await self._send(kind, item_id=item, content_index=0, transcript=text)
        except (ApiError, EdgeLlasmError, WebSocketDisconnect):
            return  # the answer is there; this was only for the reader

    async def _fail(self, error: ApiError | EdgeLlasmError, asked: str | None) -> None:
        problem = failure(error)
        await self._send("error", error={**problem.body["error"], "event_id": asked})

    async def _send(self, kind: str, **fields: Any) -> None:
        event = {"type": kind, "event_id": new_id("event"), **fields}
        await self._socket.send_text(dumps(event).decode())

    @property
    def _shown(self) -> dict[str, Any]:
        settings = self._chat.settings.shown
        return {
            "object": "realtime.session",
            "id": self._id,
            "model": self._backend.bundle.name,
            **settings,
        }

    @property
    def _ms(self) -> int:
        return round(1000 * self._fed / RATE)


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise bad_request("an event must be a JSON object") from error


def _samples(audio: str | None) -> bytes:
    """base64 -> 16-bit samples. Raises ApiError."""
    try:
        data = binascii.a2b_base64(audio or "", strict_mode=True)
    except (binascii.Error, ValueError) as error:
        raise bad_request(f"audio is not base64 ({error})", "audio", "invalid_base64") from error
    if not data or len(data) % 2:
        raise unsupported("audio", "must hold whole 16-bit samples")
    return data
