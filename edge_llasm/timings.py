"""What a turn took, measured while it runs."""

from collections.abc import Sequence
from dataclasses import dataclass
from time import perf_counter

from edge_llasm.llm import Piece
from edge_llasm.segments import Embeddings, Segment

__all__ = ["Meter", "Timings"]


@dataclass(frozen=True)
class Timings:
    """Where the time of one turn went."""

    audio_seconds: float
    """s of sound in the recordings, silence included"""
    load_ms: float
    """ms that loading the model took, once, before the first turn"""
    speech_ms: float
    """ms in the speech encoder, all pieces together"""
    adapter_ms: float
    """ms in the adapter, all pieces together"""
    prefill_ms: float
    """ms in which the language model read the prompt"""
    first_token_ms: float
    """ms from the audio in memory to the first text; equals total_ms when there was none"""
    total_ms: float
    """ms from the audio in memory to the end of the answer"""
    prompt_tokens: int
    """positions that the prompts took"""
    cached_tokens: int
    """those of them that were kept from the turn before"""
    audio_tokens: int
    """those of them that hold what was heard"""
    generated_tokens: int
    tokens_per_second: float
    """generated tokens per second of generation, without the prefill; 0.0 when nothing was generated"""


class Meter:
    """Adds up one turn, which may be several prompts (a long recording is transcribed piece by piece)."""

    def __init__(self, load_ms: float, audio_seconds: float) -> None:
        self._load_ms = load_ms
        self._audio_seconds = audio_seconds
        self._start = perf_counter()
        self._first: float | None = None
        self._speech_ms = self._adapter_ms = self._prefill_ms = self._generation_ms = 0.0
        self._prompt_tokens = self._cached_tokens = self._audio_tokens = self._generated_tokens = 0

    def heard(self, speech_ms: float, adapter_ms: float) -> None:
        self._speech_ms += speech_ms
        self._adapter_ms += adapter_ms

    def asked(self, segments: Sequence[Segment]) -> None:
        """A prompt is about to be answered."""
        self._audio_tokens += sum(len(segment) for segment in segments if isinstance(segment, Embeddings))

    def wrote(self, text: str) -> None:
        if text and self._first is None:
            self._first = self._now()

    def answered(self, last: Piece, busy_ms: float) -> None:
        """One prompt was answered; `busy_ms` is all the time in the language model, the prefill included."""
        self._prompt_tokens += last.prompt_tokens
        self._cached_tokens += last.cached_tokens
        self._generated_tokens += last.n_tokens
        self._prefill_ms += last.prefill_ms
        self._generation_ms += max(0.0, busy_ms - last.prefill_ms)

    def timings(self) -> Timings:
        total = self._now()
        return Timings(
            audio_seconds=self._audio_seconds,
            load_ms=self._load_ms,
            speech_ms=self._speech_ms,
            adapter_ms=self._adapter_ms,
            prefill_ms=self._prefill_ms,
            first_token_ms=total if self._first is None else self._first,
            total_ms=total,
            prompt_tokens=self._prompt_tokens,
            cached_tokens=self._cached_tokens,
            audio_tokens=self._audio_tokens,
            generated_tokens=self._generated_tokens,
            tokens_per_second=self._speed(),
        )

    def _speed(self) -> float:
        return 1000 * self._generated_tokens / self._generation_ms if self._generation_ms else 0.0

    def _now(self) -> float:
        return 1000 * (perf_counter() - self._start)
