"""A question from the key's press to its release."""

from __future__ import annotations

from typing import Generic, Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from edge_llasm.audio import SAMPLE_RATE
from edge_llasm.live.drafts import Drafts
from edge_llasm.live.ear import Ear
from edge_llasm.silero import FRAME
from edge_llasm.sound.microphone import PRE_ROLL_S

__all__ = ["Listener", "Source"]

Samples = npt.NDArray[np.float32]  # (n_samples,) f32, 16 kHz

PAUSES_S = 0.200, 0.300, 0.500, 1.000
"""Into a pause, the question may be over; where it ends, soft sounds included, is seen better later on"""

KEY_S = 0.015
"""A keyboard tells that a key has moved at least so long after the finger did (danluu.com/keyboard-latency: 15 to 60 ms
for 21 of them). In a pause nobody waits for what is heard after that"""


class Source(Protocol):
    """Where sound comes from: a `sound.Microphone`, or what has its methods."""

    level: float
    """RMS, full scale 1"""

    @property
    def lost(self) -> bool:
        """Whether no more will come."""

    def begin(self, pre_roll_s: float) -> None:
        """Start a recording, with so much of what was heard before as there is."""

    def read(self) -> Samples:
        """What was heard since the last call, (n_samples,) f32 at 16 kHz; may be empty."""

    def end(self, spare_s: float) -> Samples:
        """Stop the recording; the rest of it. Of its end nobody has to wait for so much."""

    def drop(self) -> None:
        """Stop the recording and forget it."""


S = TypeVar("S", bound=Source)


class Listener(Generic[S]):
    """Records through a microphone; in each pause what was said so far goes to `drafts`.

    Not thread-safe: `poll` is called some twenty times a second by whoever shows the level.
    """

    def __init__(self, microphone: S, drafts: Drafts | None = None) -> None:
        self._microphone, self._drafts = microphone, drafts
        self._parts: list[Samples] = []
        self._ear = Ear()
        self._drafted_s, self._drafts_of_pause = 0.0, 0  # the speech until here is in so many drafts
        self.recording = False

    @property
    def seconds(self) -> float:
        """Recorded so far, the pre-roll included."""
        return sum(map(len, self._parts)) / SAMPLE_RATE

    @property
    def heard_speech(self) -> bool:
        """Whether anybody has spoken yet."""
        return self._ear.heard_speech

    @property
    def pause_s(self) -> float:
        """s since somebody spoke last."""
        return self._ear.pause_s

    @property
    def level(self) -> float:
        """RMS, full scale 1."""
        return self._microphone.level if self.recording else 0.0

    @property
    def microphone(self) -> S:
        return self._microphone

    @property
    def lost(self) -> bool:
        """Whether the microphone went away while it recorded; what it heard is there."""
        return self.recording and self._microphone.lost

    def start(self, pre_roll_s: float = PRE_ROLL_S) -> None:
        """The key went down; of what was heard before, keep so much. Raises SoundError."""
        self._microphone.begin(pre_roll_s)
        self._parts, self._ear = [], Ear()
        self._drafted_s, self._drafts_of_pause = 0.0, 0
        self.recording = True

    def poll(self) -> None:
        """Take in what was heard, and see whether there is a pause."""
        if not self.recording:
            return
        self._hear(self._microphone.read())
        if self._drafts is None or not self._ear.heard_speech:
            return
        if self._ear.spoken_s > self._drafted_s:
            self._drafted_s, self._drafts_of_pause = self._ear.spoken_s, 0
        due = sum(self._ear.pause_s >= pause for pause in PAUSES_S)
        if due > self._drafts_of_pause:
            said = np.concatenate(self._parts)
            self._drafts.offer(said[: len(said) // FRAME * FRAME])  # the detector goes on from whole frames
            self._drafts_of_pause = due

    def forget(self) -> None:
        """Nobody has spoken for long: of what was heard keep only the end, as if the key went down now."""
        kept = np.concatenate(self._parts)[-round(PRE_ROLL_S * SAMPLE_RATE) :]
        self._parts, self._ear = [], Ear()
        self._drafted_s, self._drafts_of_pause = 0.0, 0
        self._hear(kept)

    def overhear(self) -> Samples:
        """What was heard since the last call, (n_samples,) f32 at 16 kHz, which is no part of the question."""
        self._parts.clear()
        return self._microphone.read()

    def stop(self) -> Samples:
        """The key went up: the whole recording, (n_samples,) f32 at 16 kHz.

        A draft that holds all that was said goes on: the answer waits for it. Another one leaves off.
        """
        self._hear(self._microphone.read())
        self._hear(self._microphone.end(KEY_S if self._ear.pause_s >= PAUSES_S[0] else 0.0))
        self.recording = False
        drafted = self._drafts_of_pause > 0 and self._ear.spoken_s == self._drafted_s
        if self._drafts is not None and not drafted:
            self._drafts.drop()
        return np.concatenate([np.zeros(0, np.float32), *self._parts])

    def cancel(self) -> None:
        """Forget the recording."""
        if self.recording:
            self._microphone.drop()
            self.recording = False
        if self._drafts is not None:
            self._drafts.drop()

    def _hear(self, samples: Samples) -> None:
        self._parts.append(samples)
        self._ear.feed(samples)
