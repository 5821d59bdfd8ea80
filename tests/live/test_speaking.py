"""Answers are read aloud, cut off by a key or by a voice, and what was not heard is known afterwards."""

import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from edge_llasm.assistant import Assistant
from edge_llasm.audio import load_audio
from edge_llasm.chats import Exchange, Store
from edge_llasm.chats.export import UNHEARD, as_markdown
from edge_llasm.errors import VoiceError
from edge_llasm.live.events import Ended, Event, Unread, Written
from edge_llasm.live.session import Session
from edge_llasm.sampling import Sampling
from edge_llasm.sound import Loudspeaker, Microphone
from edge_llasm.voice import Speaker, Voice, Voices
from tests.live.test_session import until, written
from tests.sound.virtual import Room
from tests.voice.tone import Tone

LONG = Sampling(max_tokens=400, guard=None)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "chats.sqlite") as store:
        yield store


def speaker(voice: Voice) -> Speaker:
    return Speaker(Voices({"en": voice, "zh": voice}), Loudspeaker())


def read_out(session: Session) -> list[Event]:
    """What happens until the answer is read to its end."""
    events: list[Event] = []
    end = time.monotonic() + 60
    while session.state == "speaking":
        assert time.monotonic() < end
        events += session.poll()
        time.sleep(0.02)
    return events


def last(store: Store) -> Exchange:
    return store.exchanges(store.chats()[-1].number)[-1]


def test_an_answer_is_read_aloud_and_kept_as_heard(
    assistant: Assistant, store: Store, virtual_room: Room
) -> None:
    virtual_room.furnish()
    voice = Tone()
    with virtual_room.tap() as tap, Session(assistant, None, store, speaker=speaker(voice)) as session:
        session.send("hello")
        events = until(session, Ended) + read_out(session)
        assert session.state == "idle"
        assert voice.said
        assert tap.loud_at
    assert last(store).unheard == 0
    assert last(store).answer == written(events)


def test_a_key_cuts_the_voice_off_and_the_next_recording_does_not_hold_it(
    assistant: Assistant, store: Store, virtual_room: Room
) -> None:
    virtual_room.furnish()
    virtual_room.open_door(0.5)  # the microphone hears the loudspeaker
    with (
        virtual_room.tap() as tap,
        Microphone() as microphone,
        Session(assistant, microphone, store, options=LONG, speaker=speaker(Tone())) as session,
    ):
        session.send("hello")
        while microphone.level < 0.01:
            session.poll()
            assert session.state != "idle"
            tap.wait()
        session.press()
        recorded = tap.seconds
        assert session.state == "recording"
        while tap.seconds < recorded + 1.0:
            session.poll()
            tap.wait()
        assert session.listener is not None
        heard = session.listener.stop()
        after = tap.samples[round((recorded + 0.1) * 48_000) :]
    assert len(heard) > 8000
    assert np.abs(heard).max() < 1e-3
    assert not np.abs(after).any()
    exchange = last(store)
    assert 0 < exchange.unheard <= len(exchange.answer)


def test_what_was_not_heard_is_marked_when_the_chat_is_shown(
    assistant: Assistant, store: Store, virtual_room: Room
) -> None:
    virtual_room.furnish()
    with (
        virtual_room.tap() as tap,
        Session(assistant, None, store, options=LONG, speaker=speaker(Tone())) as session,
    ):
        session.send("hello")
        events = until(session, Ended)
        while not tap.loud_at:
            tap.wait()
        assert session.state == "speaking"
        session.stop()
        events += read_out(session)
    exchange = last(store)
    assert exchange.finish_reason == "length"  # it was written to its end
    assert exchange.answer == written(events)
    assert UNHEARD in as_markdown(store.chats()[0], [exchange])


def test_a_voice_that_fails_is_told_and_the_answer_is_there(
    assistant: Assistant, store: Store, virtual_room: Room
) -> None:
    class Broken(Tone):
        def say(self, text: str) -> None:  # type: ignore[override]
            raise VoiceError("the voice is gone")

    virtual_room.furnish()
    with Session(assistant, None, store, speaker=speaker(Broken())) as session:
        session.send("hello")
        events = until(session, Unread)
        assert Unread("the voice is gone") in events
        assert written(events) == last(store).answer
        session.send("more")
        assert any(isinstance(event, Written) for event in until(session, Ended))


def test_hands_free_its_own_voice_does_not_stop_an_answer_and_a_louder_one_does(
    assistant: Assistant, store: Store, virtual_room: Room, speech: Path
) -> None:
    said = load_audio(speech)

    class Person:
        """Says the same clip whatever it is given: speech, for the detector."""

        name, speaks = "person", frozenset({"en", "zh"})

        def say(self, text: str) -> tuple[np.ndarray, int]:  # type: ignore[type-arg]
            return np.tile(said, 3), 16_000

    virtual_room.furnish()
    virtual_room.open_door(0.1)
    with (
        Microphone() as microphone,
        Session(
            assistant, microphone, store, hands_free=True, transcripts=False, speaker=speaker(Person())  # type: ignore[arg-type]
        ) as session,
    ):  # fmt: skip
        session.send("hello")
        until(session, Ended)
        heard_s, began = 0.0, time.monotonic()
        while heard_s < 4.0:
            assert session.state == "speaking"
            assert session.poll() == []
            heard_s = time.monotonic() - began
            time.sleep(0.03)
        with virtual_room.play(speech):
            end = time.monotonic() + 20
            while session.state == "speaking":
                assert time.monotonic() < end
                session.poll()
                time.sleep(0.03)
    assert last(store).unheard > 0
