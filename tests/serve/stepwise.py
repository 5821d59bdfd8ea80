"""An assistant that a test lets write token by token."""

from __future__ import annotations

import threading
from collections.abc import Generator
from typing import Any

from edge_llasm.assistant import Assistant
from edge_llasm.model import Chunk


class Stepwise:
    """The assistant, writing a token only when the test lets it."""

    def __init__(self, assistant: Assistant) -> None:
        self._assistant = assistant
        self.llm, self.loaded = assistant.llm, True
        self.steps = threading.Semaphore(0)
        self.written = 0
        self.asked: list[Any] = []
        """the newest question of each chat, in the order of their turns"""

    def answer(self, turns: Any, **more: Any) -> Generator[Chunk, None, None]:
        self.asked.append(turns[-1].user)
        yield from self._slowly(self._assistant.answer(turns, **more), more["cancel"])

    def transcribe(self, audio: Any, **more: Any) -> Generator[Chunk, None, None]:
        yield from self._slowly(self._assistant.transcribe(audio, **more), more["cancel"])

    def close(self) -> None:
        self._assistant.close()

    def _slowly(
        self, chunks: Generator[Chunk, None, None], cancel: threading.Event
    ) -> Generator[Chunk, None, None]:
        for chunk in chunks:
            while not self.steps.acquire(timeout=0.01) and not cancel.is_set():
                pass
            self.written += chunk.finish_reason is None
            yield chunk
