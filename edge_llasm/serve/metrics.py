"""What the server counts, as Prometheus reads it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
)

from edge_llasm.timings import Timings

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["Counting", "Metrics"]

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)


class Metrics:
    """The counters of one server; all but `waiting`, `loaded` and `chats_kept` only grow."""

    content_type = CONTENT_TYPE_LATEST

    def __init__(self) -> None:
        own = self._registry = CollectorRegistry()
        self.requests = Counter(
            "edge_llasm_requests", "Requests that were answered.", ["path", "status"], registry=own
        )
        self.waiting = Gauge("edge_llasm_queue_length", "Questions that wait.", registry=own)
        self.wait = Histogram(
            "edge_llasm_queue_seconds", "Waiting before the model's turn.", registry=own, buckets=SECONDS
        )
        self.hearing = Histogram(
            "edge_llasm_hearing_seconds", "Speech to embeddings.", registry=own, buckets=SECONDS
        )
        self.prefill = Histogram(
            "edge_llasm_prefill_seconds", "Reading the prompt.", registry=own, buckets=SECONDS
        )
        self.first = Histogram(
            "edge_llasm_first_text_seconds",
            "From the model's turn to the first text.",
            registry=own,
            buckets=SECONDS,
        )
        self.total = Histogram(
            "edge_llasm_answer_seconds",
            "From the model's turn to the end of the answer.",
            registry=own,
            buckets=SECONDS,
        )
        self.tokens = Counter(
            "edge_llasm_tokens", "Tokens: prompt, cached (of these), generated.", ["kind"], registry=own
        )
        self.audio = Counter("edge_llasm_audio_seconds", "Sound in the recordings.", registry=own)
        self.recordings_found = Gauge(
            "edge_llasm_recordings_found", "Recordings that had been heard already.", registry=own
        )
        self.loaded = Gauge("edge_llasm_model_loaded", "1, or 0 while the model is unloaded.", registry=own)
        self.chats_kept = Gauge(
            "edge_llasm_chats_kept_bytes", "Copies of the KV cache for chats that may go on.", registry=own
        )
        self.cancelled = Counter("edge_llasm_cancelled", "Answers that nobody waited for.", registry=own)

    def answered(self, timings: Timings, audio_seconds: float, heard_s: float) -> None:
        """One answer has come to its end."""
        self.hearing.observe(heard_s or (timings.speech_ms + timings.adapter_ms) / 1000)
        self.prefill.observe(timings.prefill_ms / 1000)
        self.first.observe(heard_s + timings.first_token_ms / 1000)
        self.total.observe(heard_s + timings.total_ms / 1000)
        self.tokens.labels("prompt").inc(timings.prompt_tokens)
        self.tokens.labels("cached").inc(timings.cached_tokens)
        self.tokens.labels("generated").inc(timings.generated_tokens)
        self.audio.inc(audio_seconds)

    def requested(self, path: str, status: int) -> None:
        """One request was answered."""
        self.requests.labels(path, str(status)).inc()

    def page(self) -> bytes:
        """The text that Prometheus fetches."""
        return generate_latest(self._registry)


class Counting:
    """ASGI middleware: counts requests by path and status. What is no path of ours is `other`."""

    def __init__(self, app: ASGIApp, metrics: Metrics, paths: frozenset[str]) -> None:
        self._app, self._metrics, self._paths = app, metrics, paths

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        path = scope["path"] if scope["path"] in self._paths else "other"

        async def counted(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._metrics.requested(path, message["status"])
            await send(message)

        await self._app(scope, receive, counted)
