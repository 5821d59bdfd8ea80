"""An old chat goes on without being read again, where that is faster."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge_llasm.assistant import Assistant
from edge_llasm.chats import Store
from edge_llasm.chats.caches import Caches
from edge_llasm.live.events import Ended
from edge_llasm.live.session import Session
from edge_llasm.sampling import Sampling
from edge_llasm.segments import Tokens


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "chats.sqlite") as store:
        yield store


@pytest.fixture
def slow(assistant: Assistant, monkeypatch: pytest.MonkeyPatch) -> Assistant:
    """A model that reads slowly, by its own account."""
    monkeypatch.setattr(assistant.llm._cache, "read_ms", lambda n: 60_000.0 * n)
    return assistant


def ended(session: Session, text: str) -> Ended:
    session.send(text)
    while True:
        for event in session.poll():
            if isinstance(event, Ended):
                return event


def forget(assistant: Assistant) -> None:
    """As a new process would."""
    assistant.reset()
    list(assistant.llm.generate([Tokens((3, 4))], Sampling(max_tokens=1)))
    assistant.llm.shelf.clear()


def test_a_resumed_chat_is_not_read_again_and_goes_on_the_same(slow: Assistant, store: Store) -> None:
    with Session(slow, None, store) as session:
        first = ended(session, "go to line seven")
    forget(slow)
    with Session(slow, None, store) as session:
        session.resume(1)
        second = ended(session, "and now")
        answer = session.last_answer
    assert second.timings.cached_tokens >= first.timings.prompt_tokens
    forget(slow)
    slow.resume(store.turns(1)[:1])
    assert not Caches(store).recall(1, slow)  # by now it holds both turns
    *chunks, last = slow.reply(text="and now")
    assert last.timings is not None
    assert last.timings.cached_tokens == 0
    assert "".join(chunk.text for chunk in [*chunks, last]) == answer


def test_a_chat_that_is_read_faster_than_written_is_not_written(
    assistant: Assistant, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(assistant.llm._cache, "read_ms", lambda n: 0.0)
    with Session(assistant, None, store) as session:
        ended(session, "go to line seven")
    assert not store.cache_file(1).exists()


def test_the_caches_keep_within_their_room(slow: Assistant, store: Store) -> None:
    list(slow.reply(text="go to line seven"))
    Caches(store).keep(1, slow)
    size = store.cache_file(1).stat().st_size
    os.utime(store.cache_file(1), (1, 1))
    caches = Caches(store, room=2 * size)
    caches.keep(2, slow)
    os.utime(store.cache_file(2), (2, 2))
    assert caches.recall(1, slow)  # used just now
    caches.keep(3, slow)
    assert [store.cache_file(n).exists() for n in (1, 2, 3)] == [True, False, True]


def test_a_deleted_chat_takes_its_cache_along(slow: Assistant, store: Store) -> None:
    with Session(slow, None, store) as session:
        ended(session, "go to line seven")
    assert store.cache_file(1).exists()
    store.delete(1)
    assert not store.cache_file(1).exists()
