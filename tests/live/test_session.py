"""A chat by voice and by hand: what is asked is answered, kept, and can be gone on with."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge_llasm.assistant import Assistant
from edge_llasm.chats import Store
from edge_llasm.errors import ChatsError
from edge_llasm.live.events import Asked, Ended, Event, Failed, Lost, Written, WrittenDown
from edge_llasm.live.session import Session
from edge_llasm.model import Chunk
from edge_llasm.prompt import Spoken
from edge_llasm.sampling import Sampling
from edge_llasm.segments import Embeddings
from edge_llasm.sound import Microphone
from tests.sound.virtual import Room

PATIENCE_S = 120
LONG = Sampling(max_tokens=400, guard=None)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "chats.sqlite") as store:
        yield store


def until(session: Session, kind: type[Event]) -> list[Event]:
    """What happens, up to the first event of a kind."""
    events: list[Event] = []
    end = time.monotonic() + PATIENCE_S
    while not any(isinstance(event, kind) for event in events):
        assert time.monotonic() < end, events
        events += session.poll()
        time.sleep(0.02)
    return events


def written(events: list[Event]) -> str:
    return "".join(event.text for event in events if isinstance(event, Written))


def test_a_typed_question_is_answered_and_kept(assistant: Assistant, store: Store) -> None:
    with Session(assistant, None, store) as session:
        session.send("hello")
        assert session.state == "answering"
        events = until(session, Ended)
        assert session.state == "idle"
    assert events[0] == Asked(0.0, "hello")
    (chat,) = store.chats()
    (exchange,) = store.exchanges(chat.number)
    assert (exchange.typed, exchange.answer) == ("hello", written(events))
    assert exchange.finish_reason in ("stop", "length", "repetition")


def test_a_spoken_question_is_answered_kept_and_written_down(
    assistant: Assistant, store: Store, virtual_room: Room, speech: Path
) -> None:
    with Microphone() as microphone, Session(assistant, microphone, store, keep_audio=True) as session:
        session.press()
        assert session.state == "recording"
        with virtual_room.play(speech) as playing:
            while playing.poll() is None:
                assert session.poll() == []
                time.sleep(0.05)
        session.release()
        events = until(session, WrittenDown)
        (first,) = assistant.history
        session.send("and then?")
        second = written(until(session, Ended))
    asked, *_, down = events
    assert isinstance(asked, Asked)
    assert asked.seconds > 1.9
    (chat,) = store.chats()
    exchanges = store.exchanges(chat.number)
    assert isinstance(down, WrittenDown)
    assert exchanges[0].transcript == down.transcript
    assert [exchange.answer for exchange in exchanges] == [written(events), second]
    ((_, recording),) = store.recordings(chat.number)
    assert recording.startswith(b"fLaC")

    # Gone on with later, the chat is the same to the model.
    assistant.reset()
    with Session(assistant, None, store) as session:
        session.resume(chat.number)
        assert assistant.history[0] == first
        session.send("more")
        until(session, Ended)
    assert len(store.exchanges(chat.number)) == 3


def test_dictation_is_written_down_and_not_answered(
    assistant: Assistant, virtual_room: Room, speech: Path
) -> None:
    with Microphone() as microphone, Session(assistant, microphone, dictation=True) as session:
        session.press()
        with virtual_room.play(speech) as playing:
            while playing.poll() is None:
                session.poll()
                time.sleep(0.05)
        session.release()
        events = until(session, Ended)
        assert session.state == "idle"
        assert session.last_answer == written(events) != ""
    assert not any(isinstance(event, WrittenDown) for event in events)
    assert assistant.history == ()


def test_a_draft_of_a_dictation_is_all_of_its_work_before_the_first_word(
    assistant: Assistant, speech: Path
) -> None:
    alone = list(assistant.transcribe(speech))
    assistant.prepare(speech, assistant.bundle.transcribe)
    prepared = list(assistant.transcribe(speech))
    assert "".join(chunk.text for chunk in prepared) == "".join(chunk.text for chunk in alone)
    timings = prepared[-1].timings
    assert timings is not None
    assert timings.speech_ms == 0
    assert timings.cached_tokens >= timings.prompt_tokens - 1


@pytest.fixture
def first_answer_waits(assistant: Assistant, monkeypatch: pytest.MonkeyPatch) -> None:
    """After its first text, until it is to end: the test's model would be ready before anybody could stop it."""
    reply, asked = assistant.reply, iter([True])

    def waiting(*question: Any, cancel: threading.Event, **more: Any) -> Iterator[Chunk]:
        waits = next(asked, False)
        for chunk in reply(*question, cancel=cancel, **more):
            yield chunk
            if waits:
                cancel.wait(PATIENCE_S)

    monkeypatch.setattr(assistant, "reply", waiting)


@pytest.mark.usefixtures("first_answer_waits")
def test_an_answer_can_be_stopped_and_is_kept_as_far_as_it_came(assistant: Assistant, store: Store) -> None:
    with Session(assistant, None, store, options=LONG) as session:
        session.send("hello")
        begun = until(session, Written)
        session.stop()
        events = begun + until(session, Ended)
    ended = events[-1]
    assert isinstance(ended, Ended)
    assert ended.finish_reason == "cancelled"
    (exchange,) = store.exchanges(store.chats()[0].number)
    assert (exchange.answer, exchange.finish_reason) == (written(events), "cancelled")


@pytest.mark.usefixtures("first_answer_waits")
def test_a_new_question_ends_the_answer_before_it(assistant: Assistant, store: Store) -> None:
    with Session(assistant, None, store, options=LONG) as session:
        session.send("first")
        until(session, Written)
        session.send("second")
        events: list[Event] = []
        while sum(isinstance(event, Ended) for event in events) < 2:
            assert session.state == "answering"
            events += until(session, Ended)
        assert session.state == "idle"
    ends = [event.finish_reason for event in events if isinstance(event, Ended)]
    assert ends == ["cancelled", "length"]
    assert written(events[events.index(Asked(0.0, "second")) :])
    assert [exchange.typed for exchange in store.exchanges(1)] == ["first", "second"]


def test_silence_is_not_answered(assistant: Assistant, store: Store, virtual_room: Room) -> None:
    with Microphone() as microphone, Session(assistant, microphone, store) as session:
        session.press()
        time.sleep(0.5)
        session.release()
        events = until(session, Failed)
    failed = events[-1]
    assert isinstance(failed, Failed)
    assert failed.message.startswith("no speech was found")
    assert store.chats() == []


def test_an_unplugged_microphone_asks_what_it_heard(
    assistant: Assistant, store: Store, virtual_room: Room, speech: Path
) -> None:
    with Microphone() as microphone, Session(assistant, microphone, store) as session:
        session.press()
        with virtual_room.play(speech):
            time.sleep(1.5)
            virtual_room.control("unload-module", "module-null-sink")
        events = until(session, Ended)
    assert Lost(microphone.name) in events
    assert written(events)


def test_a_new_chat_forgets_and_keeps_the_old_one(assistant: Assistant, store: Store) -> None:
    with Session(assistant, None, store) as session:
        session.send("hello")
        first = written(until(session, Ended))
        session.new_chat()
        session.send("hello")
        assert written(until(session, Ended)) == first
    assert [chat.turns for chat in store.chats()] == [1, 1]


def test_a_chat_that_another_model_heard_is_refused(assistant: Assistant, store: Store) -> None:
    heard = Spoken((Embeddings(np.ones((2, 4), np.float32)),))
    chat = store.begin_chat("other 1.0")
    store.end_turn(store.begin_turn(chat, [heard], 1.0), "yes", "stop")
    with (
        Session(assistant, None, store) as session,
        pytest.raises(ChatsError, match=r"chat 1 was heard by other 1\.0"),
    ):
        session.resume(chat)


def test_nothing_is_kept_without_a_store(assistant: Assistant, tmp_path: Path) -> None:
    with Session(assistant, None) as session:
        session.send("hello")
        until(session, Ended)
    assert list(tmp_path.iterdir()) == []


def test_hands_free_a_pause_asks_and_speech_ends_the_answer(
    assistant: Assistant, store: Store, virtual_room: Room, speech: Path
) -> None:
    with (
        Microphone() as microphone,
        Session(assistant, microphone, store, options=LONG, hands_free=True, transcripts=False) as session,
    ):
        end = time.monotonic() + 4.0  # longer than silence is remembered
        while time.monotonic() < end:
            assert session.poll() == []
            assert session.state == "idle"
            time.sleep(0.05)
        with virtual_room.play(speech):
            asked, *_ = until(session, Written)
        assert isinstance(asked, Asked)
        assert 1.9 < asked.seconds < 5.0
        with virtual_room.play(speech):
            events = until(session, Asked)
        ended = next((event for event in events if isinstance(event, Ended)), None)
        assert ended is None or ended.finish_reason in ("cancelled", "length")
        assert written(until(session, Ended))
    assert [exchange.seconds > 1.9 for exchange in store.exchanges(1)] == [True, True]


def test_a_model_at_rest_goes_on_with_the_chat_as_if_it_had_not_rested(
    tiny_bundle: Path, store: Store
) -> None:
    def asked(unload_after_s: float) -> list[str]:
        with (
            Assistant.load(tiny_bundle, device="cpu") as assistant,
            Session(assistant, None, store, unload_after_s=unload_after_s) as session,
        ):
            answers = []
            for question in ("hello", "and then?"):
                session.send(question)
                answers.append(written(until(session, Ended)))
                end = time.monotonic() + PATIENCE_S
                while unload_after_s and assistant.loaded:
                    assert time.monotonic() < end
                    assert session.poll() == []
                    time.sleep(0.02)
            assert assistant.loaded == (unload_after_s == 0)
            assert len(assistant.history) == 2
            return answers

    assert asked(0.1) == asked(0.0)


def test_a_model_at_rest_is_loaded_as_soon_as_somebody_begins_to_speak(
    tiny_bundle: Path, virtual_room: Room
) -> None:
    with (
        Microphone() as microphone,
        Assistant.load(tiny_bundle, device="cpu") as assistant,
        Session(assistant, microphone, unload_after_s=0.1) as session,
    ):
        end = time.monotonic() + PATIENCE_S
        while assistant.loaded:
            assert time.monotonic() < end
            session.poll()
            time.sleep(0.02)
        session.press()
        while not assistant.loaded:
            assert time.monotonic() < end
            assert session.state == "recording"
            time.sleep(0.02)
        session.cancel()
