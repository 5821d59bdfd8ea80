"""The chat of one realtime socket: what was said and answered, and the work on what is being said."""

from __future__ import annotations

import threading
from collections.abc import AsyncGenerator, Generator
from dataclasses import dataclass
from time import perf_counter

import numpy as np
import numpy.typing as npt

from edge_llasm.assistant import Assistant
from edge_llasm.audio import SAMPLE_RATE
from edge_llasm.model import Chunk
from edge_llasm.prompt import Spoken, Turn
from edge_llasm.sampling import Sampling
from edge_llasm.serve.decoder import Decoder
from edge_llasm.serve.settings import Settings

__all__ = ["Conversation", "Understood"]

Samples = npt.NDArray[np.float32]  # (n_samples,) f32, 16 kHz
Part = str | Samples | Spoken


@dataclass(frozen=True)
class Understood:
    """The question is heard; the answer follows."""

    user: tuple[str | Spoken, ...]
    seconds: float
    """of its recordings"""
    ms: float
    """that hearing took"""


class Conversation:
    """Turns with one decoder, and the parts of a question that is not asked yet.

    `prepare` is called on another thread than the rest: drafts see the chat as it was when they began.
    """

    def __init__(self, decoder: Decoder, client: str, settings: Settings, most: int) -> None:
        self._decoder, self._client, self._most = decoder, client, most
        self.settings = settings
        self.turns: tuple[Turn, ...] = ()
        """answered ones, oldest first"""
        self.said: tuple[Part, ...] = ()
        """of the next one"""

    def prepare(
        self, audio: Samples, text: str | None, *, options: Sampling | None, cancel: threading.Event
    ) -> None:
        """Work on what was said until now, when nobody waits for an answer."""
        turns, said, system = self.turns, self.said, self.settings.system

        def work(assistant: Assistant, cancel: threading.Event) -> Generator[None, None, None]:
            user = _heard(assistant, (*said, audio) if text is None else (*said, audio, text), cancel)
            if not cancel.is_set():
                assistant.read([*turns, Turn(user)], system=system, options=options, cancel=cancel)
            yield

        self._decoder.draft(self._client, work, cancel)

    def answer(self, settings: Settings) -> AsyncGenerator[Understood | Chunk, None]:
        """Answer what was said; `remember` the turn when it is over."""
        turns, said = self.turns, self.said
        self.said = ()

        def work(assistant: Assistant, cancel: threading.Event) -> Generator[Understood | Chunk, None, None]:
            start = perf_counter()
            user = _heard(assistant, said, cancel)
            seconds = sum(len(part) for part in said if isinstance(part, np.ndarray)) / SAMPLE_RATE
            yield Understood(user, seconds, 1000 * (perf_counter() - start))
            yield from assistant.answer(
                [*turns, Turn(user)], system=settings.system, options=settings.options, cancel=cancel
            )

        return self._decoder.items(self._client, work)

    def write_down(self, audio: Samples) -> AsyncGenerator[Chunk, None]:
        """What was said in a recording."""

        def work(assistant: Assistant, cancel: threading.Event) -> Generator[Chunk, None, None]:
            yield from assistant.transcribe(audio, cancel=cancel)

        return self._decoder.items(self._client, work)

    def remember(self, user: tuple[str | Spoken, ...], answer: str) -> None:
        """A turn is over; without any answer it was none."""
        if answer:
            self.turns = (*self.turns, Turn(user, answer))[-self._most :]


def _heard(assistant: Assistant, said: tuple[Part, ...], cancel: threading.Event) -> tuple[str | Spoken, ...]:
    return tuple(
        assistant.hear(part, cancel=cancel) if isinstance(part, np.ndarray) else part for part in said
    )
