"""Recordings of requests: decoded within limits, and heard once, however often a chat sends them again."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import blake2b

import anyio
import numpy as np
import numpy.typing as npt

from edge_llasm.assistant import Assistant
from edge_llasm.audio import SAMPLE_RATE, load_audio
from edge_llasm.errors import AudioError
from edge_llasm.prompt import Spoken
from edge_llasm.serve.limits import Limits

__all__ = ["Recordings"]

Samples = npt.NDArray[np.float32]  # (n_samples,) f32, 16 kHz

DECODERS = 2
"""Files that are decoded at once"""


@dataclass(frozen=True)
class _Heard:
    spoken: Spoken
    seconds: float

    @property
    def size(self) -> int:
        """Bytes."""
        return sum(piece.values.nbytes for piece in self.spoken.pieces)


class Recordings:
    """What was heard, by the file's content, within a number of bytes; the oldest is forgotten first."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._memo: OrderedDict[bytes, _Heard] = OrderedDict()
        self._lock = threading.Lock()
        self._decoders = anyio.CapacityLimiter(DECODERS)
        self.found = 0
        """times that a recording had been heard already"""

    async def decode(self, files: Iterable[bytes]) -> Batch:
        """The recordings of one request, those that are new decoded. Raises AudioError, also when they are too long."""
        batch = Batch(self)
        left = self._limits.audio_seconds
        for file in files:
            if file in batch.samples or file in batch.spoken:
                continue
            heard = self._find(file)
            if heard is not None:
                batch.spoken[file], seconds = heard.spoken, heard.seconds
            else:
                samples = await self.load(file, left)
                batch.samples[file], seconds = samples, len(samples) / SAMPLE_RATE
            batch.seconds, left = batch.seconds + seconds, left - seconds
            if left <= 0:
                raise AudioError(
                    f"the recordings are longer than {self._limits.audio_seconds:g} s together; send less at once"
                )
        return batch

    async def load(self, file: bytes, seconds: float) -> Samples:
        """One recording, decoded; few at a time. Raises AudioError, also when it is longer than `seconds`."""
        return await anyio.to_thread.run_sync(
            lambda: load_audio(file, max_seconds=seconds), limiter=self._decoders
        )

    def remember(self, file: bytes, spoken: Spoken, seconds: float) -> None:
        with self._lock:
            self._memo[_key(file)] = _Heard(spoken, seconds)
            while sum(heard.size for heard in self._memo.values()) > self._limits.memo_bytes:
                self._memo.popitem(last=False)

    def _find(self, file: bytes) -> _Heard | None:
        with self._lock:
            heard = self._memo.get(_key(file))
            if heard is not None:
                self._memo.move_to_end(_key(file))
                self.found += 1
            return heard


class Batch:
    """The recordings of one request."""

    def __init__(self, recordings: Recordings) -> None:
        self._recordings = recordings
        self.samples: dict[bytes, Samples] = {}
        """of those that are new, by their files"""
        self.spoken: dict[bytes, Spoken] = {}
        """the others"""
        self.seconds = 0.0
        """of all"""

    def hear(self, assistant: Assistant, file: bytes, cancel: threading.Event) -> Spoken:
        """On the decoder's thread. Raises NoSpeech, PromptTooLong, EngineError."""
        if file not in self.spoken:
            samples = self.samples.pop(file)
            self.spoken[file] = spoken = assistant.hear(samples, cancel=cancel)
            if not cancel.is_set():  # else maybe only the beginning of it
                self._recordings.remember(file, spoken, len(samples) / SAMPLE_RATE)
        return self.spoken[file]


def _key(file: bytes) -> bytes:
    return blake2b(file, digest_size=16).digest()
