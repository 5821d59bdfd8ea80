"""Chats as the language model keeps them, on disk: an old chat goes on without being read again.

Only copies: whatever happens to them, the chat itself is in the store.
"""

from __future__ import annotations

from contextlib import suppress

from edge_llasm.assistant import Assistant
from edge_llasm.chats.store import Store
from edge_llasm.errors import EngineError

__all__ = ["Caches"]

ROOM = 1 << 30
"""Bytes for all of them: a 7B's full context of 2,048 tokens. The one that was used longest ago goes first"""


class Caches:
    """One file a chat, beside the store, which deletes it with the chat."""

    def __init__(self, store: Store, room: int = ROOM) -> None:
        self._store, self._room = store, room

    def keep(self, chat: int, assistant: Assistant) -> None:
        """The assistant's chat, if reading it again would take longer."""
        file = self._store.cache_file(chat)
        with suppress(OSError, EngineError):  # the chat is safe; it will be read again
            file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            if assistant.save_cache(file):
                self._make_room()

    def recall(self, chat: int, assistant: Assistant) -> bool:
        """Whether the assistant knows the chat that it resumed without reading it."""
        file = self._store.cache_file(chat)
        with suppress(OSError, EngineError):
            if assistant.restore_cache(file):
                file.touch()
                return True
        return False

    def _make_room(self) -> None:
        files = self._store.cache_file(0).parent.glob("*.cache")
        used = 0
        for file in sorted(files, key=lambda file: file.stat().st_mtime, reverse=True):
            used += file.stat().st_size
            if used > self._room:
                file.unlink()
