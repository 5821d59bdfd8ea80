"""A chat that is spoken and typed: what happens when a key goes down, goes up, or a line is typed."""

from __future__ import annotations

from time import perf_counter
from types import TracebackType
from typing import Literal, Self

from edge_llasm.assistant import Assistant
from edge_llasm.chats import Store
from edge_llasm.errors import SoundError
from edge_llasm.live.answers import Answers, Question
from edge_llasm.live.drafts import Drafts
from edge_llasm.live.events import Ended, Event, Failed, Lost
from edge_llasm.live.interruption import Interruption
from edge_llasm.live.listener import Listener
from edge_llasm.live.record import Record
from edge_llasm.sampling import Sampling
from edge_llasm.sound import Microphone
from edge_llasm.sound.microphone import PRE_ROLL_S
from edge_llasm.voice import Speaker

__all__ = ["Session"]

State = Literal["idle", "recording", "answering", "speaking"]

OVER_S = 0.8
"""A pause that ends a question when nobody holds a key"""
NOBODY_S = 3.0
"""Without speech, what was heard so long ago is forgotten"""
ROOM_S = 0.1
"""How long a room goes on after a loudspeaker is silent"""
SHELF = 1 << 30
"""Bytes for copies of the KV cache: the chat's, while what was said is written down"""


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
        dictation: bool = False,
        unload_after_s: float = 0.0,
    ) -> None:
        """Without a microphone questions are only typed; without a store nothing is kept.

        `hands_free`: no key is needed, speech begins a question and a pause ends it; speech also ends an answer.

        `speaker` reads the answers aloud; while it does, the microphone is not recorded. Hands-free, who speaks over
        it must be clearly louder than what the microphone hears of it, and ends the answer.

        `transcripts`: after an answer, write down what was said; the model's answers know nothing of it.

        `dictation`: what is said is written down in place of an answer, and nothing is kept of it.

        `unload_after_s` without a question the model's memory is given back; it is loaded again as soon as somebody
        begins to ask. 0: never.
        """
        self.assistant = assistant
        assistant.llm.shelf.room = SHELF
        self.hands_free = hands_free
        """until the microphone cannot be opened again"""
        self._speaker = speaker
        self._interruption: Interruption | None = None  # while an answer is heard, hands-free
        self._drafts = Drafts(assistant, options, text=assistant.bundle.transcribe if dictation else None)
        self._listener = Listener(microphone, self._drafts) if microphone else None
        self._record = Record(None if dictation else store, assistant, keep_audio=keep_audio)
        self._answers = Answers(
            assistant,
            self._record,
            options=options,
            transcripts=transcripts,
            dictation=dictation,
            speaker=speaker,
        )
        self._question: Question | None = None
        self._unanswered = 0
        self._unload_after_s, self._unloaded = unload_after_s, False
        self._warm()

    @property
    def last_answer(self) -> str:
        return self._answers.last

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
            self._rest()

    def release(self) -> None:
        """Ask what was recorded."""
        if self._listener is not None and self._listener.recording:
            released = perf_counter()
            self._ask(Question(self._listener.stop(), "", released))

    def send(self, text: str) -> None:
        """Ask what was typed."""
        if text.strip():
            self.stop()
            self._ask(Question(None, text, perf_counter()))

    def cancel(self) -> None:
        """Forget the recording."""
        if self._listener is not None:
            self._listener.cancel()

    def stop(self) -> None:
        """End the answer where it is; silence, when this returns."""
        if self._question is not None:
            self._question.cancel.set()
        if self._speaker is not None:
            self._speaker.stop()

    def new_chat(self) -> None:
        """Forget what was said; it stays in the store."""
        self._finish()
        self._record.go_on_with(None)
        self.assistant.reset()
        self._warm()

    def resume(self, chat: int) -> None:
        """Go on with a kept chat. Raises ChatsError, also for one that another model heard."""
        turns = self._record.find(chat)
        self._finish()
        self._record.go_on_with(chat)
        self.assistant.resume(turns)
        self._warm()

    def poll(self) -> list[Event]:
        """Take in what was heard; what happened since the last call. Raises SoundError, when hands-free."""
        if self._listener is not None:
            if not self._overhears(self._listener):
                self._listener.poll()
            if self._listener.lost:
                self._answers.events.put(Lost(self._listener.microphone.name))
                self.release()
            elif self.hands_free:
                self._attend(self._listener)
        events = list(self._answers.events.take())
        self._unanswered -= sum(isinstance(event, (Ended, Failed)) for event in events)
        self._rest()
        return events

    def fileno(self) -> int:
        """Readable when `poll` has something to tell: for `select`, beside the keys."""
        return self._answers.events.fileno()

    def close(self) -> None:
        """End the answer, and wait until no native code runs."""
        self.cancel()
        self._finish()
        self._drafts.close()
        self._record.go_on_with(None)
        self._answers.events.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _rest(self) -> None:
        """The model is unloaded when nobody has asked for long, and loaded again when somebody begins to."""
        if self.state != "idle":
            self._used = perf_counter()
            if self._unloaded:
                self._warm()
        elif (
            self._unload_after_s and not self._unloaded and perf_counter() - self._used > self._unload_after_s
        ):
            self._unloaded = True
            self._answers.unload()

    def _warm(self) -> None:
        """Have the model know the chat."""
        self._used, self._unloaded = perf_counter(), False
        self._answers.warm()

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

    def _ask(self, question: Question) -> None:
        self._question = question
        self._unanswered += 1
        self._answers.ask(question)

    def _finish(self) -> None:
        self.stop()
        self._answers.finish()
