"""A chat that is spoken and typed: what happens when a key goes down, goes up, or a line is typed."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from io import BytesIO
from queue import Empty, SimpleQueue
from time import perf_counter
from types import TracebackType
from typing import Literal, Self

import numpy as np
import numpy.typing as npt

from edge_llasm.assistant import Assistant, Chunk
from edge_llasm.audio import SAMPLE_RATE
from edge_llasm.chats import Store
from edge_llasm.errors import ChatsError, EdgeLlasmError, SoundError
from edge_llasm.live.drafts import Drafts
from edge_llasm.live.listener import Listener
from edge_llasm.prompt import Spoken
from edge_llasm.sampling import Sampling
from edge_llasm.sound import Microphone
from edge_llasm.timings import Timings

__all__ = ["Asked", "Ended", "Event", "Failed", "Session", "Written", "WrittenDown"]

Samples = npt.NDArray[np.float32]  # (n_samples,) f32, 16 kHz
State = Literal["idle", "recording", "answering"]

OVER_S = 0.8
"""A pause that ends a question when nobody holds a key"""
NOBODY_S = 3.0
"""Without speech, what was heard so long ago is forgotten"""
KEEP_EVERY_S = 0.2
"""Between two writings of an answer that grows"""


@dataclass(frozen=True)
class Asked:
    """A question is on its way."""

    seconds: float
    """of the recording; 0 = none"""
    typed: str


@dataclass(frozen=True)
class Written:
    """The answer goes on."""

    text: str


@dataclass(frozen=True)
class Ended:
    """The answer is over."""

    finish_reason: str
    timings: Timings
    felt_ms: float
    """from the key's release, or the line's end, to the first text"""


@dataclass(frozen=True)
class WrittenDown:
    """What was said, for the reader, after the answer."""

    transcript: str


@dataclass(frozen=True)
class Failed:
    """The question was not answered."""

    message: str


Event = Asked | Written | Ended | WrittenDown | Failed


class Session:
    """One chat after another with one model and one microphone.

    Not thread-safe: keys are told and `events` are read by one thread, which is never kept waiting; answers are
    computed on another one.
    """

    def __init__(
        self,
        assistant: Assistant,
        microphone: Microphone | None,
        store: Store | None = None,
        *,
        options: Sampling | None = None,
        transcripts: bool = True,
        keep_audio: bool = False,
        hands_free: bool = False,
        dictation: bool = False,
    ) -> None:
        """Without a microphone questions are only typed; without a store nothing is kept.

        `hands_free`: no key is needed, speech begins a question and a pause ends it; speech also ends an answer.

        `transcripts`: after an answer, write down what was said; the model's answers know nothing of it.

        `dictation`: what is said is written down in place of an answer, and nothing is kept of it.
        """
        self.assistant = assistant
        self._store, self._options = store, options
        self._transcripts, self._keep_audio = transcripts, keep_audio
        self.hands_free = hands_free
        """until the microphone cannot be opened again"""
        self._dictation = dictation
        self._drafts = Drafts(assistant, options, text=assistant.bundle.transcribe if dictation else None)
        self._listener = Listener(microphone, self._drafts) if microphone else None
        self._events: SimpleQueue[Event] = SimpleQueue()
        self._cancel = threading.Event()
        self._worker: threading.Thread | None = None
        self._chat: int | None = None
        self._unanswered = 0
        self.last_answer = ""

    @property
    def _model(self) -> str:
        return f"{self.assistant.bundle.name} {self.assistant.bundle.version}"

    @property
    def state(self) -> State:
        """Hands-free, it records when somebody speaks."""
        listener = self._listener
        if listener is not None and listener.recording and (listener.heard_speech or not self.hands_free):
            return "recording"
        return "answering" if self._unanswered else "idle"

    @property
    def listener(self) -> Listener | None:
        return self._listener

    def press(self) -> None:
        """Start to record; an answer that is being written ends where it is. Raises SoundError."""
        if self._listener is not None and not self._listener.recording:
            self.stop()
            self._listener.start()

    def release(self) -> None:
        """Ask what was recorded."""
        if self._listener is not None and self._listener.recording:
            released = perf_counter()
            self._ask(self._listener.stop(), "", released)

    def send(self, text: str) -> None:
        """Ask what was typed."""
        if text.strip():
            self.stop()
            self._ask(None, text, perf_counter())

    def cancel(self) -> None:
        """Forget the recording."""
        if self._listener is not None:
            self._listener.cancel()

    def stop(self) -> None:
        """End the answer where it is."""
        self._cancel.set()

    def new_chat(self) -> None:
        """Forget what was said; it stays in the store."""
        self._finish()
        self.assistant.reset()
        self._chat = None

    def resume(self, chat: int) -> None:
        """Go on with a kept chat. Raises ChatsError, also for one that another model heard."""
        if self._store is None:
            return
        kept, turns = self._store.chat(chat), self._store.turns(chat)
        spoken = any(isinstance(part, Spoken) for turn in turns for part in turn.user)
        if spoken and kept.model != self._model:
            raise ChatsError(
                f"chat {chat} was heard by {kept.model}, this is {self._model}: only the same model can go on with it"
            )
        self._finish()
        self.assistant.resume(turns)
        self._chat = chat

    def poll(self) -> list[Event]:
        """Take in what was heard; what happened since the last call. Raises SoundError, when hands-free."""
        if self._listener is not None:
            self._listener.poll()
            if self._listener.lost:
                self.release()  # what was recorded is answered all the same
            elif self.hands_free:
                self._attend(self._listener)
        events = list(self._drain())
        self._unanswered -= sum(isinstance(event, (Ended, Failed)) for event in events)
        return events

    def close(self) -> None:
        """End the answer, and wait until no native code runs."""
        self.cancel()
        self._finish()
        self._drafts.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _attend(self, listener: Listener) -> None:
        if not listener.recording:
            try:
                listener.start()
            except SoundError:
                self.hands_free = False  # from now on by key, which tries again
                raise
        elif not listener.heard_speech:
            if listener.seconds > NOBODY_S:
                listener.forget()
        elif listener.pause_s >= OVER_S:
            self.release()
        else:
            self.stop()

    def _ask(self, audio: Samples | None, typed: str, asked: float) -> None:
        before, self._cancel = self._worker, threading.Event()
        self._unanswered += 1
        arguments = (before, audio, typed, asked, self._cancel)
        self._worker = threading.Thread(
            target=self._work, args=arguments, name="edge-llasm-answer", daemon=True
        )
        self._worker.start()

    def _finish(self) -> None:
        self._cancel.set()
        if self._worker is not None:
            self._worker.join()

    def _drain(self) -> Iterator[Event]:
        while True:
            try:
                yield self._events.get_nowait()
            except Empty:
                return

    def _work(
        self,
        before: threading.Thread | None,
        audio: Samples | None,
        typed: str,
        asked: float,
        cancel: threading.Event,
    ) -> None:
        if before is not None:
            before.join()
        seconds = 0.0 if audio is None else len(audio) / SAMPLE_RATE
        self._events.put(Asked(seconds, typed))
        try:
            if self._dictation and audio is not None:
                self._dictate(audio, asked, cancel)
                return
            turn = self._answer(audio, typed, asked, seconds, cancel)
        except EdgeLlasmError as error:
            self._events.put(Failed(str(error)))
        except Exception as error:  # noqa: BLE001  a bug: told like everything else, and the chat goes on
            self._events.put(Failed(f"unexpected {type(error).__name__}: {error}; please report it"))
        else:
            if audio is not None and self._transcripts and not cancel.is_set():
                self._write_down(audio, turn, cancel)

    def _answer(
        self, audio: Samples | None, typed: str, asked: float, seconds: float, cancel: threading.Event
    ) -> int | None:
        turn, answer, felt_ms, kept = None, "", 0.0, perf_counter()
        last: Chunk | None = None
        with closing(
            self.assistant.reply(audio, typed or None, options=self._options, cancel=cancel)
        ) as chunks:
            for chunk in chunks:
                last, answer = chunk, answer + chunk.text
                if chunk.text and not felt_ms:
                    felt_ms = 1000 * (perf_counter() - asked)
                if self._store is not None and turn is None:
                    turn = self._keep(audio, seconds)
                if self._store is not None and turn is not None and perf_counter() - kept > KEEP_EVERY_S:
                    self._store.grow(turn, answer)
                    kept = perf_counter()
                if chunk.text:
                    self._events.put(Written(chunk.text))
        assert last is not None and last.timings is not None
        self.last_answer = answer
        if self._store is not None and turn is not None:
            self._store.end_turn(turn, answer, last.finish_reason or "stop")
        self._events.put(Ended(last.finish_reason or "stop", last.timings, felt_ms))
        return turn

    def _dictate(self, audio: Samples, asked: float, cancel: threading.Event) -> None:
        text, felt_ms = "", 0.0
        with closing(self.assistant.transcribe(audio, options=self._options, cancel=cancel)) as chunks:
            for chunk in chunks:
                text += chunk.text
                if chunk.text and not felt_ms:
                    felt_ms = 1000 * (perf_counter() - asked)
                if chunk.text:
                    self._events.put(Written(chunk.text))
        self.last_answer = text
        assert chunk.timings is not None
        self._events.put(Ended(chunk.finish_reason or "stop", chunk.timings, felt_ms))

    def _keep(self, audio: Samples | None, seconds: float) -> int:
        assert self._store is not None
        if self._chat is None:
            self._chat = self._store.begin_chat(self._model)
        recording = _flac(audio) if audio is not None and self._keep_audio else None
        return self._store.begin_turn(self._chat, self.assistant.question, seconds, recording)

    def _write_down(self, audio: Samples, turn: int | None, cancel: threading.Event) -> None:
        try:
            transcript = "".join(chunk.text for chunk in self.assistant.transcribe(audio, cancel=cancel))
            if cancel.is_set():
                return
            if self._store is not None and turn is not None:
                self._store.transcribed(turn, transcript)
        except EdgeLlasmError:
            return  # the answer is there; this was only for the reader
        self._events.put(WrittenDown(transcript))


def _flac(audio: Samples) -> bytes:
    import soundfile

    file = BytesIO()
    soundfile.write(file, audio, SAMPLE_RATE, format="FLAC", subtype="PCM_16")
    return file.getvalue()
