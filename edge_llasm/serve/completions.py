"""`POST /v1/chat/completions`."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncGenerator, Generator
from contextlib import aclosing
from dataclasses import dataclass
from secrets import token_hex
from time import perf_counter
from typing import Any

import anyio
from starlette.requests import Request
from starlette.responses import Response

from edge_llasm.assistant import Assistant
from edge_llasm.errors import EdgeLlasmError
from edge_llasm.model import Chunk
from edge_llasm.serve.api_errors import ApiError, JsonResponse, dumps, translated
from edge_llasm.serve.backend import Backend, backend_of, client_of, json_body
from edge_llasm.serve.chat import ChatRequest, parse_chat
from edge_llasm.serve.decoder import Work
from edge_llasm.serve.hangup import EventStream, unless_gone
from edge_llasm.serve.recordings import Batch
from edge_llasm.timings import Timings

__all__ = ["FINISH", "Heard", "chat_completions", "failure", "timings_of", "usage_of"]

FINISH = {"stop": "stop", "length": "length", "repetition": "length"}
"""Our reasons -> OpenAI's; `timings.ended_by` keeps ours"""

Items = AsyncGenerator["Heard | Chunk", None]


@dataclass(frozen=True)
class Heard:
    """The recordings are heard; the answer follows."""

    ms: float


async def chat_completions(request: Request) -> Response:
    """Answer a chat, at once or as server-sent events."""
    backend = backend_of(request)
    body = await json_body(request)
    rules = backend.bundle, backend.names, backend.limits
    chat = await anyio.to_thread.run_sync(parse_chat, body, *rules)  # megabytes of base64
    files = [part for turn in chat.turns for part in turn.user if isinstance(part, bytes)]
    batch = await backend.recordings.decode(files)
    answer = _Answer(backend, chat, batch)
    items = backend.decoder.items(client_of(request, chat.user), _work(chat, batch))
    if not chat.stream:
        return JsonResponse(await unless_gone(request.receive, answer.whole(items)))
    events = answer.events(items)
    first = await unless_gone(request.receive, anext(events))  # what goes wrong until here has a status
    return EventStream(first, events)


def _work(chat: ChatRequest, batch: Batch) -> Work[Heard | Chunk]:
    def work(assistant: Assistant, cancel: threading.Event) -> Generator[Heard | Chunk, None, None]:
        start = perf_counter()
        turns = [turn.heard(lambda file: batch.hear(assistant, file, cancel)) for turn in chat.turns]
        yield Heard(1000 * (perf_counter() - start))
        yield from assistant.answer(
            turns, system=chat.system, drop=chat.drop, stop=chat.stop, options=chat.options, cancel=cancel
        )

    return work


class _Answer:
    """One answer, put into OpenAI's words."""

    def __init__(self, backend: Backend, chat: ChatRequest, batch: Batch) -> None:
        self._backend, self._chat, self._batch = backend, chat, batch
        self._common = {
            "id": f"chatcmpl-{token_hex(12)}",
            "created": int(time.time()),
            "model": backend.bundle.name,
        }
        self._heard_ms = 0.0
        self._asked = perf_counter()
        self._queue_ms = 0.0

    async def whole(self, items: Items) -> dict[str, Any]:
        text, last = "", None
        async with aclosing(self._chunks(items)) as chunks:
            async for chunk in chunks:
                text, last = text + chunk.text, chunk
        assert last is not None
        message = {"role": "assistant", "content": text, "refusal": None}
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": _finish(last)}
        return {**self._common, "object": "chat.completion", "choices": [choice], **self._closing(last)}

    async def events(self, items: Items) -> AsyncGenerator[bytes, None]:
        """The data of each event. What goes wrong after the first is an event too."""
        begun = False
        try:
            async with aclosing(self._chunks(items)) as chunks:
                async for chunk in chunks:
                    if not begun:
                        yield self._event({"role": "assistant", "content": ""})
                        begun = True
                    if chunk.text:
                        yield self._event({"content": chunk.text})
                    if chunk.finish_reason is not None:
                        closing = self._closing(chunk)
                        usage = closing.pop("usage")
                        yield self._event({}, _finish(chunk), **closing)
                        if self._chat.include_usage:
                            yield self._dump({"choices": [], "usage": usage})
        except (ApiError, EdgeLlasmError) as error:
            if not begun:
                raise
            yield dumps(failure(error).body)
        yield b"[DONE]"

    async def _chunks(self, items: Items) -> AsyncGenerator[Chunk, None]:
        try:
            async with aclosing(items):
                async for item in items:
                    if isinstance(item, Heard):
                        self._heard_ms = item.ms
                        self._queue_ms = 1000 * (perf_counter() - self._asked) - item.ms
                        continue
                    if item.finish_reason == "cancelled":
                        raise ApiError(503, "the server is going down", kind="server_error")
                    if item.timings is not None:
                        seconds, heard_s = self._batch.seconds, self._heard_ms / 1000
                        self._backend.metrics.answered(item.timings, seconds, heard_s)
                    yield item
        except (GeneratorExit, asyncio.CancelledError):
            self._backend.metrics.cancelled.inc()
            raise

    def _event(self, delta: dict[str, str], finish: str | None = None, **more: object) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        if self._chat.include_usage:
            more["usage"] = None
        return self._dump({"choices": [choice], **more})

    def _dump(self, fields: dict[str, object]) -> bytes:
        return dumps({**self._common, "object": "chat.completion.chunk", **fields})

    def _closing(self, last: Chunk) -> dict[str, Any]:
        assert last.timings is not None
        timings = timings_of(last, self._batch.seconds, self._heard_ms)
        return {"usage": usage_of(last.timings), "timings": {"queue_ms": round(self._queue_ms, 1), **timings}}


def usage_of(timings: Timings) -> dict[str, Any]:
    """Tokens, as OpenAI counts them."""
    return {
        "prompt_tokens": timings.prompt_tokens,
        "completion_tokens": timings.generated_tokens,
        "total_tokens": timings.prompt_tokens + timings.generated_tokens,
        "prompt_tokens_details": {
            "audio_tokens": timings.audio_tokens,
            "cached_tokens": timings.cached_tokens,
        },
        "completion_tokens_details": {"audio_tokens": 0, "reasoning_tokens": 0},
    }


def timings_of(last: Chunk, audio_seconds: float, heard_ms: float) -> dict[str, Any]:
    """Where the time went, from the model's turn on."""
    timings = last.timings
    assert timings is not None
    return {
        "audio_seconds": round(audio_seconds, 3),
        "speech_ms": round(heard_ms or timings.speech_ms + timings.adapter_ms, 1),
        "prefill_ms": round(timings.prefill_ms, 1),
        "first_token_ms": round(heard_ms + timings.first_token_ms, 1),
        "total_ms": round(heard_ms + timings.total_ms, 1),
        "tokens_per_second": round(timings.tokens_per_second, 1),
        "ended_by": last.finish_reason,
    }


def failure(error: ApiError | EdgeLlasmError) -> ApiError:
    return error if isinstance(error, ApiError) else translated(error)


def _finish(last: Chunk) -> str:
    return FINISH[last.finish_reason or "stop"]
