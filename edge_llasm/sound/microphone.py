"""A microphone that already listens when the key goes down, so that no first word is lost."""

from __future__ import annotations

import threading
from collections import deque
from math import inf
from time import monotonic
from types import TracebackType
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import soxr

from edge_llasm.audio import SAMPLE_RATE
from edge_llasm.errors import SoundError
from edge_llasm.sound.cards import find_input
from edge_llasm.sound.clock import Clock
from edge_llasm.sound.portaudio import opening, quiet, reopen

__all__ = ["Microphone"]

Samples = npt.NDArray[np.float32]  # (n_samples,) f32, full scale 1

BLOCK_S = 0.010
"""Of one callback. What is under way when the key goes up is waited for: half of it, on the average"""
PRE_ROLL_S = 0.400
"""What was heard before the key went down and is kept all the same"""
SILENT_S = 1.0
"""Without a block for so long, the microphone is gone"""
FIRST_BLOCK_S = 5.0
"""What a sound server may take until it delivers at all"""
UNDER_WAY_S = 0.3
"""At most, from the microphone to the callback, beyond the latency that the driver admits"""


class Microphone:
    """An open input stream. The callback only copies; everything else happens where `read` and `end` are called.

    One recording at a time: `begin`, `read` as often as one likes, `end` or `drop`.
    """

    def __init__(self, wanted: str | None = None, *, private: bool = False) -> None:
        """Open the microphone with this name or number (None: the default), and wait until it delivers.

        `private`: it is open only from `begin` to `end`, and there is no sound from before the key went down.
        Raises SoundError.
        """
        self._wanted, self.private = wanted, private
        self._blocks: deque[tuple[float, Samples]] = deque()  # (when its first sample was heard, (n,))
        self._recording, self._earliest = False, -inf
        self._arrived = threading.Event()
        self._last = 0.0
        self.level = 0.0
        """RMS of the newest block, full scale 1"""
        self.overruns = 0
        """Times that the driver lost samples because this machine was busy"""
        self._stream: Any = None
        if private:
            self._name, self._rate = (card := find_input(wanted)).name, card.rate
        else:
            self._open(wanted)

    @property
    def name(self) -> str:
        return self._name

    @property
    def rate(self) -> float:
        """Hz, the card's own; what `read` and `end` return is at 16 kHz."""
        return self._rate

    @property
    def lost(self) -> bool:
        """Whether it is closed, was unplugged, or fell silent otherwise."""
        return self._stream is None or not self._stream.active or monotonic() - self._last > SILENT_S

    def begin(self, pre_roll_s: float = PRE_ROLL_S) -> None:
        """Start a recording, with what was heard just before. A microphone that was lost is opened anew.

        What was heard more than `pre_roll_s` ago is left out; below 0, what will be heard until then.

        Where it is gone, the default takes its place. Raises SoundError when there is none either.
        """
        if self.lost:
            self.close()
            try:
                self._open(self._wanted)
            except SoundError:
                if self._wanted is None:
                    raise
                self._open(None)
        self._earliest = self._stream.time - pre_roll_s if pre_roll_s < PRE_ROLL_S else -inf
        self._resampler = soxr.ResampleStream(self._rate, SAMPLE_RATE, 1, dtype="float32")
        self._recording = True

    def read(self) -> Samples:
        """What was heard since the last call, (n_samples,) f32 at 16 kHz; may be empty."""
        return self._resampled(self._take(), last=False)

    def end(self, spare_s: float = 0.0) -> Samples:
        """Stop the recording; the rest of it, (n_samples,) f32 at 16 kHz.

        Waits for what was said before this call and is still under way, but for the last `spare_s` of it. A lost
        microphone gives what it heard.
        """
        if self._stream is None:
            return np.zeros(0, np.float32)
        released = self._stream.time - spare_s if self._stream.active else 0.0
        patience = monotonic() + self._stream.latency + UNDER_WAY_S
        self._arrived.clear()
        while self._until < released and self._stream.active and monotonic() < patience:
            self._arrived.wait(BLOCK_S)
            self._arrived.clear()
        blocks = self._take()
        self._rest()
        return self._resampled(blocks, last=True)

    def drop(self) -> None:
        """Stop the recording and forget it."""
        self._rest()
        self._take()

    def close(self) -> None:
        """Close the stream; closing twice is fine."""
        if self._stream is not None:
            with quiet():
                self._stream.abort(ignore_errors=True)
                self._stream.close(ignore_errors=True)
            self._stream = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _rest(self) -> None:
        self._recording = False
        if self.private:
            self.close()

    def _open(self, wanted: str | None) -> None:
        library = reopen()
        card = find_input(wanted)
        self._name, self._rate = card.name, card.rate
        self._kept = round(PRE_ROLL_S / BLOCK_S)
        self._clock, self._until = Clock(card.rate, BLOCK_S), -inf
        self._blocks.clear()
        self._arrived.clear()
        try:
            with opening():
                self._stream = library.InputStream(
                    device=card.number,
                    channels=1,
                    samplerate=card.rate,
                    blocksize=round(BLOCK_S * card.rate),
                    dtype="float32",
                    callback=self._hear,
                )
                self._stream.start()
        except library.PortAudioError as error:
            raise SoundError(
                f"{card.name} cannot be recorded from ({error}): take another one (edge-llasm devices)"
            ) from error
        if not self._arrived.wait(FIRST_BLOCK_S):
            self.close()
            raise SoundError(f"{card.name} delivers nothing: take another one (edge-llasm devices)")

    def _hear(self, block: Samples, n_samples: int, time: Any, status: Any) -> None:
        """PortAudio's callback, on its own thread. `block` (n_samples, 1) is its memory: copied."""
        self.overruns += bool(status.input_overflow)
        samples = block[:, 0].copy()
        until = self._clock.until(n_samples, time.inputBufferAdcTime, time.currentTime)
        self._blocks.append((until - n_samples / self._rate, samples))
        self._until = until
        if not self._recording and len(self._blocks) > self._kept:
            self._next()
        self.level = float(np.sqrt(np.dot(samples, samples) / max(1, n_samples)))
        self._last = monotonic()
        self._arrived.set()

    def _take(self) -> list[tuple[float, Samples]]:
        return [block for block in iter(self._next, None) if block[0] >= self._earliest]

    def _next(self) -> tuple[float, Samples] | None:
        """Two threads take blocks away: what was there a moment ago may be gone."""
        try:
            return self._blocks.popleft()
        except IndexError:
            return None

    def _resampled(self, blocks: list[tuple[float, Samples]], *, last: bool) -> Samples:
        samples = np.concatenate([np.zeros(0, np.float32), *(samples for _, samples in blocks)])
        resampled: Samples = self._resampler.resample_chunk(samples, last=last)
        return resampled
