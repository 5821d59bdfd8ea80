"""`POST /v1/audio/transcriptions`: what was said, written down and never answered."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, Generator
from contextlib import aclosing
from dataclasses import dataclass, replace
from time import perf_counter
from typing import Any

import numpy as np
import numpy.typing as npt
from starlette.datastructures import FormData, UploadFile
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from edge_llasm.assistant import Assistant
from edge_llasm.audio import SAMPLE_RATE
from edge_llasm.composer import default_sampling
from edge_llasm.errors import EdgeLlasmError
from edge_llasm.model import Chunk
from edge_llasm.sampling import Sampling
from edge_llasm.serve.api_errors import ApiError, JsonResponse, bad_request, dumps, unsupported
from edge_llasm.serve.backend import Backend, backend_of, client_of
from edge_llasm.serve.chat import check_model
from edge_llasm.serve.completions import failure, timings_of
from edge_llasm.serve.decoder import Work
from edge_llasm.serve.fields import Fields
from edge_llasm.serve.hangup import EventStream, unless_gone
from edge_llasm.serve.subtitles import Segment, srt, vtt

__all__ = ["transcriptions"]

Samples = npt.NDArray[np.float32]  # (n_samples,) f32, 16 kHz

HARD_WIRED = "whisper-1"
"""The model's name in programs that let nobody choose"""
FORMATS = ("json", "text", "srt", "verbose_json", "vtt")
MAX_FIELDS = 32
GRANULARITIES = "timestamp_granularities"


@dataclass(frozen=True)
class _Wanted:
    """A checked request."""

    file: bytes
    form: str
    """of FORMATS"""
    language: str | None
    options: Sampling
    stream: bool


async def transcriptions(request: Request) -> Response:
    """Write a recording down, at once or as server-sent events."""
    backend = backend_of(request)
    async with request.form(max_files=1, max_fields=MAX_FIELDS) as form:
        wanted = await _wanted(form, backend)
    samples = await backend.recordings.load(wanted.file, backend.limits.audio_seconds)
    items = backend.decoder.items(client_of(request), _work(samples, wanted.options))
    transcript = _Transcript(backend, samples, wanted)
    if not wanted.stream:
        return await unless_gone(request.receive, transcript.whole(items))
    events = transcript.events(items)
    first = await unless_gone(request.receive, anext(events))
    return EventStream(first, events)


async def _wanted(form: FormData, backend: Backend) -> _Wanted:
    texts: dict[str, Any] = {}
    file: bytes | None = None
    granularities: list[str] = []
    for key, value in form.multi_items():
        name = key.removesuffix("[]")
        if name == "file" and isinstance(value, UploadFile):
            file = await value.read()
        elif not isinstance(value, str):
            raise bad_request(f"{key} must be text", key, "invalid_value")
        elif name == GRANULARITIES:
            granularities.append(value)
        elif name in texts:
            raise bad_request(f"{key} stands twice", key, "invalid_value")
        else:
            texts[name] = value
    fields = Fields(texts)
    check_model(fields, (*backend.names, HARD_WIRED))
    if not file:
        raise bad_request("file must be the recording", "file", "invalid_value")
    kind = fields.choice("response_format", FORMATS) or "json"
    stream = fields.choice("stream", ("true", "false", "True", "False", "1", "0")) in ("true", "True", "1")
    if stream and kind not in ("json", "text"):
        raise unsupported("stream", f"cannot give {kind}")
    if granularities and (kind != "verbose_json" or set(granularities) != {"segment"}):
        raise unsupported(GRANULARITIES, "can only be segment, with response_format verbose_json")
    if (fields.text("prompt") or "").strip():
        raise unsupported("prompt", "would be ignored by this model")
    wanted = _Wanted(file, kind, _language(fields, backend), _options(fields, backend), stream)
    fields.finish({"chunking_strategy": ("auto",)})
    return wanted


def _language(fields: Fields, backend: Backend) -> str | None:
    """The hint must be true of this model; it hears by itself which of its languages is spoken."""
    if not (hint := fields.text("language")):
        return None
    known = {tag.partition("-")[0].lower() for tag in backend.bundle.languages}
    if hint.partition("-")[0].lower() not in known:
        raise fields.wrong("language", f"one that this model understands: {', '.join(sorted(known))}")
    return hint


def _options(fields: Fields, backend: Backend) -> Sampling:
    options = default_sampling(backend.bundle)
    if text := fields.text("temperature"):
        try:
            options = replace(options, temperature=float(text))
        except ValueError as error:
            raise fields.wrong("temperature", "a number from 0 to 10") from error
    return options


def _work(samples: Samples, options: Sampling) -> Work[Chunk]:
    def work(assistant: Assistant, cancel: threading.Event) -> Generator[Chunk, None, None]:
        yield from assistant.transcribe(samples, options=options, cancel=cancel)

    return work


class _Transcript:
    """One transcript, in the form that was asked for."""

    def __init__(self, backend: Backend, samples: Samples, wanted: _Wanted) -> None:
        self._backend, self._wanted = backend, wanted
        self._seconds = len(samples) / SAMPLE_RATE
        self._segments: list[Segment] = []
        self._asked = perf_counter()

    async def whole(self, items: AsyncGenerator[Chunk, None]) -> Response:
        last = None
        async with aclosing(self._chunks(items)) as chunks:
            async for chunk in chunks:
                last = chunk
        assert last is not None
        match self._wanted.form:
            case "text":
                return PlainTextResponse(self._text + "\n")
            case "srt":
                return PlainTextResponse(srt(self._said))
            case "vtt":
                return PlainTextResponse(vtt(self._said), media_type="text/vtt")
            case "json":
                return JsonResponse(
                    {"text": self._text, "usage": _usage(last), "timings": self._timings(last)}
                )
        segments = [
            {"id": i, "start": round(one.start, 3), "end": round(one.end, 3), "text": one.text}
            for i, one in enumerate(self._said)
        ]
        return JsonResponse(
            {
                "task": "transcribe",
                "language": self._wanted.language or "und",
                "duration": round(self._seconds, 3),
                "text": self._text,
                "segments": segments,
                "usage": {"type": "duration", "seconds": round(self._seconds, 3)},
                "timings": self._timings(last),
            }
        )

    async def events(self, items: AsyncGenerator[Chunk, None]) -> AsyncGenerator[bytes, None]:
        """The data of each event. What goes wrong after the first is an event too."""
        begun = False
        try:
            async with aclosing(self._chunks(items)) as chunks:
                async for chunk in chunks:
                    if chunk.text:
                        begun = True
                        yield dumps({"type": "transcript.text.delta", "delta": chunk.text})
                    if chunk.finish_reason is not None:
                        begun = True
                        yield dumps(
                            {
                                "type": "transcript.text.done",
                                "text": self._text,
                                "usage": _usage(chunk),
                                "timings": self._timings(chunk),
                            }
                        )
        except (ApiError, EdgeLlasmError) as error:
            if not begun:
                raise
            yield dumps({"type": "error", **failure(error).body})
        yield b"[DONE]"

    @property
    def _text(self) -> str:
        return "".join(one.text for one in self._segments)

    @property
    def _said(self) -> list[Segment]:
        """Without the spaces between them, and without pieces of which nothing was written down."""
        return [replace(one, text=one.text.strip()) for one in self._segments if one.text.strip()]

    async def _chunks(self, items: AsyncGenerator[Chunk, None]) -> AsyncGenerator[Chunk, None]:
        try:
            async with aclosing(items):
                async for chunk in items:
                    if chunk.finish_reason == "cancelled":
                        raise ApiError(503, "the server is going down", kind="server_error")
                    if chunk.heard is not None:
                        self._add(*chunk.heard, chunk.text)
                    if chunk.timings is not None:
                        self._backend.metrics.answered(chunk.timings, self._seconds, 0.0)
                    yield chunk
        except (GeneratorExit, asyncio.CancelledError):
            self._backend.metrics.cancelled.inc()
            raise

    def _add(self, start: float, end: float, text: str) -> None:
        """What was written down of a piece, piece by piece and bit by bit."""
        if self._segments and self._segments[-1].start == start:
            text = self._segments.pop().text + text
        self._segments.append(Segment(start, end, text))

    def _timings(self, last: Chunk) -> dict[str, Any]:
        assert last.timings is not None
        queue_ms = 1000 * (perf_counter() - self._asked) - last.timings.total_ms
        return {"queue_ms": round(queue_ms, 1), **timings_of(last, self._seconds, 0.0)}


def _usage(last: Chunk) -> dict[str, Any]:
    timings = last.timings
    assert timings is not None
    return {
        "type": "tokens",
        "input_tokens": timings.prompt_tokens,
        "input_token_details": {
            "audio_tokens": timings.audio_tokens,
            "text_tokens": timings.prompt_tokens - timings.audio_tokens,
        },
        "output_tokens": timings.generated_tokens,
        "total_tokens": timings.prompt_tokens + timings.generated_tokens,
    }
