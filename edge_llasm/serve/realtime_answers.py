"""`response.*`: the answers of a realtime session, and after them what was said, written down for the reader."""

from __future__ import annotations

import asyncio
from contextlib import aclosing, suppress
from typing import Any

import numpy as np
import numpy.typing as npt
from starlette.websockets import WebSocketDisconnect

from edge_llasm.errors import EdgeLlasmError
from edge_llasm.serve.api_errors import ApiError, bad_request
from edge_llasm.serve.backend import Backend
from edge_llasm.serve.completions import failure
from edge_llasm.serve.conversation import Conversation, Understood
from edge_llasm.serve.fields import Fields
from edge_llasm.serve.realtime_events import Events
from edge_llasm.serve.realtime_shape import Answer
from edge_llasm.serve.settings import Settings, read_response

__all__ = ["Answers"]

Samples = npt.NDArray[np.float32]  # (n_samples,) f32, 16 kHz


class Answers:
    """At most one answer at a time, each a task of its own."""

    def __init__(self, backend: Backend, chat: Conversation, events: Events) -> None:
        self._backend, self._chat, self._events = backend, chat, events
        self._answer: asyncio.Task[None] | None = None
        self._writing: asyncio.Task[None] | None = None
        self._unwritten: list[tuple[str, Samples]] = []

    async def create(self, event: Fields) -> None:
        settings = read_response(event.table("response"), self._chat.settings)
        event.finish()
        self.begin(settings)

    async def cancel(self, event: Fields) -> None:
        event.text("response_id")
        event.finish()
        if self._answer is None or self._answer.done():
            raise bad_request("no answer is being written", code="response_cancel_not_active")
        await self.stop()

    def begin(self, settings: Settings) -> None:
        """Answer what was said. Raises ApiError."""
        if self._answer is not None and not self._answer.done():
            raise bad_request(
                "an answer is being written: cancel it first", code="conversation_already_has_active_response"
            )
        if not self._chat.said:
            raise bad_request("there is nothing to answer: commit sound or create an item first")
        self._answer = asyncio.create_task(self._write(settings))

    def write_down(self, item: str, samples: Samples) -> None:
        """The item's recording, once its question is answered."""
        self._unwritten.append((item, samples))

    async def stop(self) -> None:
        """The answer ends where it is."""
        if self._answer is not None:
            self._answer.cancel()
            await asyncio.gather(self._answer, return_exceptions=True)

    async def close(self) -> None:
        await self.stop()
        if self._writing is not None:
            self._writing.cancel()
            await asyncio.gather(self._writing, return_exceptions=True)

    async def _write(self, settings: Settings) -> None:
        """One answer, from response.created to response.done."""
        answer, send = Answer(self._backend.bundle.name), self._events.send
        unwritten, self._unwritten = self._unwritten, []
        user: tuple[Any, ...] = ()
        try:
            await send("response.created", response=answer.shown("in_progress"))
            await send("response.output_item.added", **answer.at, item=answer.item("in_progress"))
            await send("response.content_part.added", **answer.inside, part=answer.part)
            async with aclosing(self._chat.answer(settings)) as items:
                async for item in items:
                    if isinstance(item, Understood):
                        user, answer.seconds, answer.heard_ms = item.user, item.seconds, item.ms
                        continue
                    if item.text:
                        answer.text += item.text
                        await send("response.output_text.delta", **answer.inside, delta=item.text)
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
        send = self._events.send
        if error is None:
            await send("response.output_text.done", **answer.inside, text=answer.text)
            await send("response.content_part.done", **answer.inside, part=answer.part)
            state = "completed" if status == "completed" else "incomplete"
            await send("response.output_item.done", **answer.at, item=answer.item(state))
            self._events.newest = answer.item_id
        await send("response.done", response=answer.shown(status, error))

    async def _write_down(self, items: list[tuple[str, Samples]], before: asyncio.Task[None] | None) -> None:
        kind = "conversation.item.input_audio_transcription.completed"
        try:
            if before is not None:
                await before
            for item, samples in items:
                text = ""
                async with aclosing(self._chat.write_down(samples)) as chunks:
                    async for chunk in chunks:
                        text += chunk.text
                await self._events.send(kind, item_id=item, content_index=0, transcript=text)
        except (ApiError, EdgeLlasmError, WebSocketDisconnect):
            return  # the answer is there; this was only for the reader
