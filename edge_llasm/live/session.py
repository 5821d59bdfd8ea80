"""A chat that is spoken and typed: what happens when a key goes down, goes up, or a line is typed."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
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
from edge_llasm.chats.caches import Caches
from edge_llasm.errors import ChatsError, EdgeLlasmError, SoundError
from edge_llasm.live.drafts import Drafts
from edge_llasm.live.events import Asked, Ended, Event, Failed, Lost, Unread, Written, WrittenDown
from edge_llasm.live.interruption import Interruption
from edge_llasm.live.listener import Listener
from edge_llasm.prompt import Spoken
from edge_llasm.sampling import Sampling
from edge_llasm.sound import Microphone
from edge_llasm.sound.microphone import PRE_ROLL_S
from edge_llasm.voice import Reading, Speaker

__all__ = ["Session"]

Samples = npt.NDArray[np.float32]  # (n_samples,) f32, 16 kHz
State = Literal["idle", "recording", "answering", "speaking"]

OVER_S = 0.8
"""A pause that ends a question when nobody holds a key"""
NOBODY_S = 3.0
"""Without speech, what was heard so long ago is forgotten"""
ROOM_S = 0.1
"""How long a room goes on after a loudspeaker is silent"""
SHELF = 1 << 30
"""Bytes for copies of the KV cache: the chat's, while what was said is written down"""
KEEP_EVERY_S = 0.2
"""Between two writings of an answer that grows"""


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
        speaker: Speaker | None = None,
    ) -> None:
        """Without a microphone questions are only typed; without a store nothing is kept.

        `hands_free`: no key is needed, speech begins a question and a pause ends it; speech also ends an answer.

        `speaker` reads the answers aloud; while it does, the microphone is not recorded. Hands-free, who speaks over
        it must be clearly louder than what the microphone hears of it, and ends the answer.

        `transcripts`: after an answer, write down what was said; the model's answers know nothing of it.
        """
        self.assistant = assistant
        self.assistant.llm.shelf.room = SHELF
        self._store, self._options = store, options
        self._speaker = speaker
        self._interruption: Interruption | None = None  # while an answer is heard, hands-free
        self._caches = Caches(store) if store is not None else None
        self._transcripts, self._keep_audio = transcripts, keep_audio
        self.hands_free = hands_free
        """until the microphone cannot be opened again"""
        self._drafts = Drafts(assistant, options)
        self._listener = Listener(microphone, self._drafts) if microphone else None
        self._events: SimpleQueue[Event] = SimpleQueue()
        self._cancel, self._changing = threading.Event(), threading.Event()
        self._worker: threading.Thread | None = None
        self._chat: int | None = None
        self._unanswered = 0
        self.last_answer = ""
        self._begin(self._warm)

    @property
    def _model(self) -> str:
        return f"{self.assistant.bundle.name} {self.assistant.bundle.version}"

    @property
    def state(self) -> State:
        """Hands-free, it records when somebody speaks."""
        listener = self._listener
        if listener is not None and listener.recording and (listener.heard_speech or not self.hands_free):
            return "recording"
        if self._unanswered:
            return "answering"
        return "speaking" if self._speaker is not None and self._speaker.reading else "idle"

    @property
    def listener(self) -> Listener[Microphone] | None:
        return self._listener

    def press(self) -> None:
        """Start to record; an answer that is being written ends where it is. Raises SoundError."""
        if self._listener is not None and not self._listener.recording:
            self.stop()
            self._listener.start(self._pre_roll_s)

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
        """End the answer where it is; silence, when this returns."""
        self._cancel.set()
        if self._speaker is not None:
            self._speaker.stop()

    def new_chat(self) -> None:
        """Forget what was said; it stays in the store."""
        self._finish()
        self._put_away()
        self.assistant.reset()
        self._begin(self._warm)

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
        self._put_away()
        self.assistant.resume(turns)
        self._chat = chat
        self._begin(self._recall)

    def poll(self) -> list[Event]:
        """Take in what was heard; what happened since the last call. Raises SoundError, when hands-free."""
        if self._listener is not None:
            if not self._overhears(self._listener):
                self._listener.poll()
            if self._listener.lost:
                self._events.put(Lost(self._listener.microphone.name))
                self.release()
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
        self._put_away()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def _pre_roll_s(self) -> float:
        """Nothing of what the loudspeaker said."""
        return PRE_ROLL_S if self._speaker is None else min(PRE_ROLL_S, self._speaker.quiet_s - ROOM_S)

    def _overhears(self, listener: Listener[Microphone]) -> bool:
        """Hands-free: whether an answer is being read, and what the microphone hears is no question."""
        speaker = self._speaker
        if speaker is None or not self.hands_free or not listener.recording or listener.heard_speech:
            return False
        if speaker.quiet_s < ROOM_S:
            if self._interruption is None:
                self._interruption = Interruption()
            if self._interruption.hear(listener.overhear(), speaker.loudness):
                self.stop()
            return True
        if self._interruption is not None:
            self._interruption = None
            listener.start(self._pre_roll_s)
        return False

    def _attend(self, listener: Listener[Microphone]) -> None:
        if not listener.recording:
            try:
                listener.start(self._pre_roll_s)
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
        self._cancel = cancel = threading.Event()
        self._unanswered += 1
        self._begin(lambda: self._work(audio, typed, asked, cancel))

    def _begin(self, work: Callable[[], None]) -> None:
        """Do it on the other thread, after what that one is at."""
        before = self._worker

        def run() -> None:
            if before is not None:
                before.join()
            work()

        self._worker = threading.Thread(target=run, name="edge-llasm-answer", daemon=True)
        self._worker.start()

    def _finish(self) -> None:
        """Wait until nothing is computed any more, soon."""
        self.stop()
        self._changing.set()
        if self._worker is not None:
            self._worker.join()
        self._changing.clear()

    def _drain(self) -> Iterator[Event]:
        while True:
            try:
                yield self._events.get_nowait()
            except Empty:
                return

    def _work(self, audio: Samples | None, typed: str, asked: float, cancel: threading.Event) -> None:
        seconds = 0.0 if audio is None else len(audio) / SAMPLE_RATE
        self._events.put(Asked(seconds, typed))
        reading = None if self._speaker is None else self._speaker.begin()
        try:
            turn, length = self._answer(audio, typed, asked, seconds, cancel, reading)
        except EdgeLlasmError as error:
            self._events.put(Failed(str(error)))
        except Exception as error:  # noqa: BLE001  a bug: told like everything else, and the chat goes on
            self._events.put(Failed(f"unexpected {type(error).__name__}: {error}; please report it"))
        else:
            if audio is not None and self._transcripts and not cancel.is_set():
                self._write_down(audio, turn, cancel)
            self._warm()
            if reading is not None:
                self._hear_out(reading, turn, length)
            return
        if reading is not None:
            reading.cut()
        self._warm()

    def _hear_out(self, reading: Reading, turn: int | None, length: int) -> None:
        """Until the answer of so many characters is read, or cut off."""
        try:
            reading.wait()
        except EdgeLlasmError as error:
            self._events.put(Unread(str(error)))
        if self._store is not None and turn is not None:
            self._store.heard(turn, length - reading.heard)

    def _put_away(self) -> None:
        if self._caches is not None and self._chat is not None:
            self._caches.keep(self._chat, self.assistant)
        self._chat = None

    def _recall(self) -> None:
        if self._caches is None or self._chat is None or not self._caches.recall(self._chat, self.assistant):
            self._warm()

    def _warm(self) -> None:
        """The next question needs it: whoever asks meanwhile waits for no longer than without it."""
        with suppress(EdgeLlasmError):  # that question will tell
            self.assistant.warm(cancel=self._changing)

    def _answer(
        self,
        audio: Samples | None,
        typed: str,
        asked: float,
        seconds: float,
        cancel: threading.Event,
        reading: Reading | None,
    ) -> tuple[int | None, int]:
        """The turn's number in the store, and the answer's length."""
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
                    self._store.grow(turn, answer, len(answer) - reading.heard if reading else 0)
                    kept = perf_counter()
                if chunk.text:
                    self._events.put(Written(chunk.text))
                    if reading is not None:
                        reading.feed(chunk.text)
        if reading is not None:
            reading.finish()
            if cancel.is_set():
                reading.cut()
        assert last is not None and last.timings is not None
        self.last_answer = answer
        if self._store is not None and turn is not None:
            unheard = len(answer) - reading.heard if reading else 0
            self._store.end_turn(turn, answer, last.finish_reason or "stop", unheard)
        self._events.put(Ended(last.finish_reason or "stop", last.timings, felt_ms))
        return turn, len(answer)

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
