"""An answer is read aloud while it is being written, and can be cut off in the middle of a word."""

from __future__ import annotations

import threading
from queue import SimpleQueue

import numpy as np

from edge_llasm.errors import EdgeLlasmError
from edge_llasm.sound.loudspeaker import Loudspeaker
from edge_llasm.voice.clauses import Clause, Clauses
from edge_llasm.voice.script import language
from edge_llasm.voice.voices import Voices

__all__ = ["Reading", "Speaker"]

AHEAD_S = 4.0
"""Of sound is made ready; more would be work that a cut makes useless"""
SILENT = 1e-3
"""Full scale 1"""


class Reading:
    """One answer: fed as it is written, read on a thread of its own."""

    def __init__(self, voices: Voices, loudspeaker: Loudspeaker) -> None:
        self._voices, self._loudspeaker = voices, loudspeaker
        self._cutter = Clauses()
        self._clauses: list[Clause] = []
        self._sounds: list[tuple[int, int]] = []  # from where to where each clause is heard, in samples
        self._answer = ""
        self._played: int | None = None  # samples, once it is over
        self._queue: SimpleQueue[Clause | None] = SimpleQueue()
        self._over = threading.Event()
        self._error: EdgeLlasmError | None = None
        self._thread = threading.Thread(target=self._read, name="edge-llasm-reading", daemon=True)
        self._thread.start()

    def join(self) -> None:
        """Wait for its thread, whatever became of it."""
        self._thread.join()

    @property
    def going_on(self) -> bool:
        return self._thread.is_alive()

    def feed(self, text: str) -> None:
        """The answer goes on."""
        self._answer += text
        self._take(self._cutter.feed(text))

    def finish(self) -> None:
        """The answer is whole: read it to its end."""
        self._take(self._cutter.finish())
        self._queue.put(None)

    def cut(self) -> None:
        """Be silent now; the answer may still be written."""
        self._over.set()
        self._queue.put(None)
        self._loudspeaker.cut()

    def wait(self) -> int:
        """Until it is read to the end, or cut: characters of the answer that were heard, those not to be read
        included. Raises SoundError, VoiceError."""
        self._thread.join()
        if self._error is not None:
            raise self._error
        return self.heard

    @property
    def heard(self) -> int:
        """The same until now. Within a clause it is judged by the time that was heard, back to a word's end."""
        played = self._loudspeaker.heard if self._played is None else self._played
        for clause, (begin, end) in zip(self._clauses, self._sounds, strict=False):
            if played < end:
                said = self._answer[clause.start : clause.end]
                return clause.start + _whole_words(said, max(0, played - begin) / (end - begin))
        waiting = self._clauses[len(self._sounds) :]
        return waiting[0].start if waiting else self._cutter.cut_until

    def _take(self, clauses: list[Clause]) -> None:
        for clause in clauses:
            self._clauses.append(clause)
            self._queue.put(clause)

    def _read(self) -> None:
        given = 0
        try:
            self._loudspeaker.open()
            for clause in iter(self._queue.get, None):
                if self._over.is_set():
                    break
                samples = self._voices.say(clause.text, self._loudspeaker.rate)
                if self._over.is_set():
                    break
                sound = np.flatnonzero(np.abs(samples) > SILENT)
                first, last = (sound[0], sound[-1]) if len(sound) else (0, 0)
                self._sounds.append((given + int(first), given + int(last)))
                given += len(samples)
                self._loudspeaker.play(samples)
                self._loudspeaker.wait(AHEAD_S)
            self._loudspeaker.wait()
        except EdgeLlasmError as error:
            self._error = error
        finally:
            self._loudspeaker.close()
            self._played = self._loudspeaker.heard


def _whole_words(text: str, share: float) -> int:
    """Characters of the words that lie whole within this share of the text; each Chinese character is a word."""
    at = int(share * len(text))
    while 0 < at < len(text) and all(
        one.isalnum() and language(one) == "en" for one in text[at - 1 : at + 1]
    ):
        at -= 1
    return at


class Speaker:
    """Reads one answer after another."""

    def __init__(self, voices: Voices, loudspeaker: Loudspeaker) -> None:
        self.voices, self.loudspeaker = voices, loudspeaker
        self._reading: Reading | None = None

    def begin(self) -> Reading:
        """Read a new answer; the one before it ends."""
        if self._reading is not None:
            self._reading.cut()
            self._reading.join()
        self._reading = Reading(self.voices, self.loudspeaker)
        return self._reading

    @property
    def reading(self) -> bool:
        """Whether an answer is still to be read on."""
        return self._reading is not None and self._reading.going_on

    @property
    def quiet_s(self) -> float:
        """s since the last sound; negative while more is under way."""
        return self.loudspeaker.quiet_s

    @property
    def loudness(self) -> float:
        """RMS of the loudest of the last second, full scale 1."""
        return self.loudspeaker.loudness

    def stop(self) -> None:
        """Silence, when this returns."""
        if self._reading is not None and self._reading.going_on:
            self._reading.cut()
