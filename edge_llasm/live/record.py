"""What is kept of a chat while it goes on: its turns as they grow, and the language model's cache when it is left."""

from __future__ import annotations

from io import BytesIO
from time import perf_counter

import numpy as np
import numpy.typing as npt

from edge_llasm.assistant import Assistant
from edge_llasm.audio import SAMPLE_RATE
from edge_llasm.chats import Store
from edge_llasm.chats.caches import Caches
from edge_llasm.errors import ChatsError
from edge_llasm.prompt import Spoken, Turn

__all__ = ["Record"]

Samples = npt.NDArray[np.float32]  # (n_samples,) f32, 16 kHz

KEEP_EVERY_S = 0.2
"""Between two writings of an answer that grows"""


class Record:
    """One chat after another, one turn after another; without a store nothing is kept. Raises ChatsError throughout."""

    def __init__(self, store: Store | None, assistant: Assistant, *, keep_audio: bool) -> None:
        self._store, self._assistant, self._keep_audio = store, assistant, keep_audio
        self._caches = None if store is None else Caches(store)
        self._model = f"{assistant.bundle.name} {assistant.bundle.version}"
        self._chat: int | None = None
        self._turn: int | None = None
        self._written = 0.0  # s, when the turn was written last

    def next_turn(self) -> None:
        """There is a question; its turn is kept from the first text of its answer on."""
        self._turn = None

    def grow(self, audio: Samples | None, answer: str, unheard: int) -> None:
        """The answer so far; of what is read aloud, so many characters were not heard yet."""
        if self._store is None:
            return
        if self._turn is None:
            if self._chat is None:
                self._chat = self._store.begin_chat(self._model)
            seconds = 0.0 if audio is None else len(audio) / SAMPLE_RATE
            recording = None if audio is None or not self._keep_audio else _flac(audio)
            self._turn = self._store.begin_turn(self._chat, self._assistant.question, seconds, recording)
            self._written = perf_counter()
        elif perf_counter() - self._written > KEEP_EVERY_S:
            self._store.grow(self._turn, answer, unheard)
            self._written = perf_counter()

    def end(self, answer: str, finish_reason: str, unheard: int) -> None:
        """The whole answer."""
        if self._store is not None and self._turn is not None:
            self._store.end_turn(self._turn, answer, finish_reason, unheard)

    def heard(self, unheard: int) -> None:
        """The answer was read to its end, or cut off."""
        if self._store is not None and self._turn is not None:
            self._store.heard(self._turn, unheard)

    def transcribed(self, transcript: str) -> None:
        """What was said, for a reader."""
        if self._store is not None and self._turn is not None:
            self._store.transcribed(self._turn, transcript)

    def find(self, chat: int) -> list[Turn]:
        """A kept chat, to go on with; ChatsError also for one that another model heard."""
        if self._store is None:
            raise ChatsError("nothing is kept here (--no-history): there is no chat to go on with")
        kept, turns = self._store.chat(chat), self._store.turns(chat)
        spoken = any(isinstance(part, Spoken) for turn in turns for part in turn.user)
        if spoken and kept.model != self._model:
            raise ChatsError(
                f"chat {chat} was heard by {kept.model}, this is {self._model}: only the same model can go on with it"
            )
        return turns

    def go_on_with(self, chat: int | None) -> None:
        """From now on this one is kept, None: a new one. The one before is put away, with its cache."""
        self.put_away()
        self._chat = chat

    def put_away(self) -> None:
        """The chat as the language model keeps it, on disk; it is there already where the model was unloaded."""
        if self._caches is not None and self._chat is not None and self._assistant.loaded:
            self._caches.keep(self._chat, self._assistant)

    def recall(self) -> bool:
        """Whether the language model knows the chat without reading it."""
        return (
            self._caches is not None
            and self._chat is not None
            and self._caches.recall(self._chat, self._assistant)
        )


def _flac(audio: Samples) -> bytes:
    import soundfile

    file = BytesIO()
    soundfile.write(file, audio, SAMPLE_RATE, format="FLAC", subtype="PCM_16")
    return file.getvalue()
