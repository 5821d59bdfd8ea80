"""The other thread: one question after another is answered, kept, read aloud, written down."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass, field
from time import perf_counter

import numpy as np
import numpy.typing as npt

from edge_llasm.assistant import Assistant
from edge_llasm.audio import SAMPLE_RATE
from edge_llasm.errors import EdgeLlasmError
from edge_llasm.live.events import Asked, Ended, Failed, Unread, Written, WrittenDown
from edge_llasm.live.mailbox import Mailbox
from edge_llasm.live.record import Record
from edge_llasm.model import Chunk
from edge_llasm.sampling import Sampling
from edge_llasm.voice import Reading, Speaker

__all__ = ["Answers", "Question"]

Samples = npt.NDArray[np.float32]  # (n_samples,) f32, 16 kHz


@dataclass(frozen=True)
class Question:
    """What was said or typed."""

    audio: Samples | None
    typed: str
    asked: float
    """s of perf_counter: the key's release, the line's end"""
    cancel: threading.Event = field(default_factory=threading.Event)
    """set: the answer ends where it is"""

    @property
    def seconds(self) -> float:
        """Of the recording; 0 = none."""
        return 0.0 if self.audio is None else len(self.audio) / SAMPLE_RATE


class Answers:
    """Work for the assistant, in the order in which it comes."""

    def __init__(
        self,
        assistant: Assistant,
        record: Record,
        *,
        options: Sampling | None,
        transcripts: bool,
        dictation: bool,
        speaker: Speaker | None,
    ) -> None:
        self._assistant, self._record, self._options = assistant, record, options
        self._transcripts, self._dictation, self._speaker = transcripts, dictation, speaker
        self.events = Mailbox()
        """what becomes of the questions"""
        self._leaving = threading.Event()
        self._worker: threading.Thread | None = None
        self.last = ""
        """the newest whole answer"""

    def ask(self, question: Question) -> None:
        """Answer it next."""
        self._begin(lambda: self._work(question))

    def warm(self) -> None:
        """Have the language model know the chat before the next question, which needs that."""
        self._begin(self._recall)

    def unload(self) -> None:
        """Give the model's memory back; `warm` loads it again."""
        self._begin(self._put_away)

    def finish(self) -> None:
        """Wait until nothing is computed any more; soon, when the question's `cancel` is set."""
        self._leaving.set()
        if self._worker is not None:
            self._worker.join()
        self._leaving.clear()

    def _begin(self, work: Callable[[], None]) -> None:
        before = self._worker

        def run() -> None:
            if before is not None:
                before.join()
            work()

        self._worker = threading.Thread(target=run, name="edge-llasm-answer", daemon=True)
        self._worker.start()

    def _work(self, question: Question) -> None:
        self.events.put(Asked(question.seconds, question.typed))
        self._record.next_turn()
        reading = None if self._speaker is None else self._speaker.begin()
        try:
            answer = self._answer(question, reading)
            self._write_down(question)
        except EdgeLlasmError as error:
            self._fail(str(error), reading)
        except Exception as error:  # noqa: BLE001  a bug: told like everything else, and the chat goes on
            self._fail(f"unexpected {type(error).__name__}: {error}; please report it", reading)
        else:
            if reading is not None:
                self._warm()
                self._hear_out(reading, answer)
                return
        self._warm()

    def _fail(self, message: str, reading: Reading | None) -> None:
        if reading is not None:
            reading.cut()
        self.events.put(Failed(message))

    def _answer(self, question: Question, reading: Reading | None) -> str:
        answer, felt_ms = "", 0.0
        last: Chunk | None = None

        def unheard() -> int:
            return len(answer) - reading.heard if reading is not None else 0

        chunks = (
            self._assistant.transcribe(question.audio, options=self._options, cancel=question.cancel)
            if self._dictation and question.audio is not None
            else self._assistant.reply(
                question.audio, question.typed or None, options=self._options, cancel=question.cancel
            )
        )
        with closing(chunks):
            for chunk in chunks:
                last, answer = chunk, answer + chunk.text
                self._record.grow(question.audio, answer, unheard())
                if chunk.text:
                    self.events.put(Written(chunk.text))
                    felt_ms = felt_ms or 1000 * (perf_counter() - question.asked)
                    if reading is not None:
                        reading.feed(chunk.text)
        if reading is not None:
            reading.finish()
            if question.cancel.is_set():
                reading.cut()
        assert last is not None and last.timings is not None
        self.last = answer
        self._record.end(answer, last.finish_reason or "stop", unheard())
        self.events.put(Ended(last.finish_reason or "stop", last.timings, felt_ms))
        return answer

    def _write_down(self, question: Question) -> None:
        """What was said, for the reader; whoever asks the next question does not wait for it."""
        if question.audio is None or not self._transcripts or self._dictation or question.cancel.is_set():
            return
        with suppress(EdgeLlasmError):  # the answer is there; this was only for the reader
            chunks = self._assistant.transcribe(question.audio, cancel=question.cancel)
            transcript = "".join(chunk.text for chunk in chunks)
            if not question.cancel.is_set():
                self._record.transcribed(transcript)
                self.events.put(WrittenDown(transcript))

    def _hear_out(self, reading: Reading, answer: str) -> None:
        """Until the answer is read to its end, or cut off."""
        try:
            reading.wait()
            self._record.heard(len(answer) - reading.heard)
        except EdgeLlasmError as error:
            self.events.put(Unread(str(error)))

    def _recall(self) -> None:
        with suppress(EdgeLlasmError):  # the next question will tell
            self._assistant.wake()
            if not self._record.recall():
                self._warm()

    def _put_away(self) -> None:
        with suppress(EdgeLlasmError):  # then it stays where it is
            self._record.put_away()
            self._assistant.unload()

    def _warm(self) -> None:
        with suppress(EdgeLlasmError):  # the next question will tell
            self._assistant.warm(cancel=self._leaving)
