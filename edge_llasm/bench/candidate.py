"""What is measured: something that answers speech, alone in a process of its own.

Alone, because only then its memory can be told, and no other library's threads hold its cores. The process that
compares them asks by a line of JSON and reads a line of JSON, so that all take their turns in one run.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

__all__ = ["ANSWER", "Candidate", "Loaded", "Turn"]

ANSWER = 32
"""Tokens that a turn writes, at least, for its speed of decoding"""


@dataclass(frozen=True)
class Loaded:
    """What a candidate says of itself once it can be asked."""

    name: str
    """as the table shows it, such as "edge-llasm, onnx blocks8" or "pytorch float32" """
    load_ms: float
    """ms from an imported library to a loaded model"""
    note: str = ""
    """what a reader must know to compare it: a window, random weights, a transcript's length"""
    device: str = "cpu"
    """where it computes: only a CPU's limits are known"""
    expected: int | None = None
    """bytes of the files that it reads, and of its KV cache; None: not known"""
    bytes_per_token: int | None = None
    """of weights that it reads for each token of the answer; None: not known"""


@dataclass(frozen=True)
class Turn:
    """One spoken question, from its sound in memory to `n_tokens` of answer. None: it has no such stage."""

    first_token_ms: float
    """ms from the end of speech (the samples are in memory, the model is loaded) to the first token"""
    mel_ms: float | None
    """ms for the spectrogram; None where it is counted in speech_ms"""
    speech_ms: float
    """ms in the speech tower; of a cascade the transcription"""
    adapter_ms: float | None
    """ms from states to embeddings"""
    prefill_ms: float
    """ms in which the language model read the prompt"""
    prompt_tokens: int
    """positions of the whole prompt"""
    cached_tokens: int
    """those of them that were kept from the turn before"""
    tokens_per_second: float
    """of decoding, after the first token; 0.0 where there was none"""
    find_ms: float | None = None
    """ms in which it was found out where somebody speaks; None: it does not ask"""
    operations: float | None = None
    """multiplications and additions that the definition of its speech tower asks for; None: not counted"""


class Candidate(Protocol):
    """Something that answers speech."""

    loaded: Loaded

    def turn(self, seconds: float, *, first: bool) -> Turn:
        """Answer a question of so many seconds; `first` begins a new chat, otherwise the last one goes on."""

    def close(self) -> None:
        """Free native memory; closing twice is fine."""
