"""A loudspeaker that can be cut off at once, and knows how much of what it was given was heard."""

from __future__ import annotations

import threading
from collections import deque
from math import inf
from time import monotonic
from types import TracebackType
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from edge_llasm.errors import SoundError
from edge_llasm.sound.cards import find_output
from edge_llasm.sound.portaudio import close_before_reopening, opening, portaudio

__all__ = ["Loudspeaker"]

Samples = npt.NDArray[np.float32]  # (n_samples,) f32, full scale 1

BLOCK_S = 0.020
"""Of one callback: a cut is noticed after so long at most"""
LATENCY_S = 0.100
"""Asked for between callback and card: less breaks up on a busy machine. A cut drops it."""
CUT_S = 0.100
"""What a cut is waited for at most"""
ON_ITS_WAY_S = 1.0
"""After so long, what was played has come through a microphone, and was looked at"""
KEPT_S = 3.0
"""The loudness of so long is known: more than any card keeps ready"""
STUCK_S = 5.0
"""Without a callback for so long, the loudspeaker is gone"""


class Loudspeaker:
    """An output stream, open while there is something to say. The callback only copies.

    One thread opens, plays, waits and closes; `cut` may come from any.
    """

    def __init__(self, wanted: str | None = None) -> None:
        """The loudspeaker with this number or name (None: the default); not opened yet. Raises SoundError."""
        self._wanted = wanted
        card = find_output(wanted)
        self.name = card.name
        self.rate = round(card.rate)
        """Hz, the card's own"""
        self._lock = threading.Lock()
        self._stream: Any = None
        self._silent = threading.Event()  # the stream has ended
        self._moved = threading.Event()  # the callback took something
        self._quiet_from = -inf
        self._loud: deque[tuple[float, float]] = deque(maxlen=round(KEPT_S / BLOCK_S))  # (heard when, RMS)
        self._queue: deque[Samples] = deque()
        self._heard: int | None = None  # once it was cut
        self.was_cut = False
        self._forget()
        close_before_reopening(self)

    def open(self) -> None:
        """Begin anew, with nothing to play. Raises SoundError."""
        library = portaudio()
        card = find_output(self._wanted)
        with opening(), self._lock:
            self._forget()
            self.name, self.rate, self._abort = card.name, round(card.rate), library.CallbackAbort
            try:
                self._stream = library.OutputStream(
                    device=card.number,
                    channels=min(2, card.outputs),
                    samplerate=self.rate,
                    blocksize=round(BLOCK_S * self.rate),
                    latency=LATENCY_S,
                    dtype="float32",
                    callback=self._play,
                    finished_callback=self._silent.set,
                )
                self._stream.start()
            except library.PortAudioError as error:
                raise SoundError(
                    f"{card.name} cannot be played to ({error}): take another one (edge-llasm devices)"
                ) from error

    def play(self, samples: Samples) -> None:
        """(n_samples,) f32 at `rate`, after what is there already."""
        self._given += len(samples)
        self._queue.append(samples)

    def wait(self, pending_s: float = 0.0) -> None:
        """Until at most so many seconds are still to be played, or it was cut. Raises SoundError if it is stuck."""
        moved = monotonic()
        while not self.was_cut and (self._given - self._taken) / self.rate > pending_s:
            if self._moved.wait(BLOCK_S):
                moved = monotonic()
                self._moved.clear()
            elif monotonic() - moved > STUCK_S:
                raise SoundError(f"{self.name} stopped playing: take another one (edge-llasm devices)")
        while not pending_s and not self.was_cut and self.quiet_s < 0:
            self._silent.wait(min(BLOCK_S, -self.quiet_s))

    def cut(self) -> None:
        """Silence, now; returns when there is, after 0.1 s at most. What was not heard is dropped."""
        if not self._lock.acquire(blocking=False):
            return  # it is being opened or closed: nothing sounds
        try:
            if self._stream is None or self.was_cut:
                return
            self._heard = self.heard
            self.was_cut = True
        finally:
            self._lock.release()
        self._silent.wait(CUT_S)
        self._quiet_from = min(self._quiet_from, monotonic())

    def close(self) -> None:
        """Close the stream, which cuts it; closing twice is fine."""
        self.cut()
        with opening(), self._lock:
            if self._stream is not None:
                self._stream.close(ignore_errors=True)
            self._stream = None

    @property
    def heard(self) -> int:
        """Samples that have left the card since it was opened."""
        if self._heard is not None:
            return self._heard
        under_way = round(max(0.0, -self.quiet_s) * self.rate)
        return max(0, self._taken - under_way)

    @property
    def quiet_s(self) -> float:
        """s since the last sound left the card; negative while more is under way, inf before the first."""
        return monotonic() - self._quiet_from

    @property
    def loudness(self) -> float:
        """RMS of the loudest block that was heard in the last second, full scale 1."""
        now = monotonic()
        heard = (rms for at, rms in tuple(self._loud) if now - ON_ITS_WAY_S < at <= now)
        return max(heard, default=0.0)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _forget(self) -> None:
        self._queue.clear()
        self._given = self._taken = self._begun = 0  # samples; `_begun` of the queue's first
        self._heard = None
        self.was_cut = False
        self._silent.clear()

    def _play(self, block: Samples, n_samples: int, time: Any, status: Any) -> None:
        """PortAudio's callback, on its own thread. `block` (n_samples, n_channels) is its memory."""
        if self.was_cut:
            block.fill(0)
            raise self._abort  # what the card still holds is dropped too
        filled = 0
        while filled < n_samples and self._queue:
            samples = self._queue[0][self._begun :][: n_samples - filled]
            block[filled : filled + len(samples)] = samples[:, None]
            filled += len(samples)
            self._begun += len(samples)
            if self._begun == len(self._queue[0]):
                self._queue.popleft()
                self._begun = 0
        block[filled:] = 0
        played = block[:, 0]
        heard = monotonic() + max(0.0, time.outputBufferDacTime - time.currentTime)
        self._loud.append((heard, float(np.sqrt(np.dot(played, played) / max(1, n_samples)))))
        if filled:
            self._quiet_from = heard + filled / self.rate
            self._taken += filled
            self._moved.set()
