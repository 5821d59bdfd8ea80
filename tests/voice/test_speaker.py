"""Against a virtual sound card: an answer is read while it is written, and cut off in the middle."""

import shutil

import numpy as np
import pytest
import soxr
from numpy.typing import NDArray

from edge_llasm.errors import VoiceError
from edge_llasm.sound import Loudspeaker
from edge_llasm.voice import Speaker, Voices, find_voices
from tests.sound.virtual import RATE, Room, Tap
from tests.voice.tone import Tone

Samples = NDArray[np.float32]


class Broken(Tone):
    def say(self, text: str) -> tuple[Samples, int]:
        raise VoiceError("the voice is gone")


def hummed(tap: Tap) -> float:
    """s between the first and the last loud sample."""
    loud = np.flatnonzero(np.abs(tap.samples) > 1e-3)
    return float(loud[-1] - loud[0]) / RATE if len(loud) else 0.0


def quiet(tap: Tap, seconds: float = 0.5) -> None:
    """Record on for so long."""
    end = tap.seconds + seconds
    while tap.seconds < end:
        tap.wait()


def test_an_answer_is_read_before_it_is_whole_and_its_code_is_not(virtual_room: Room) -> None:
    virtual_room.furnish()
    voice, answer = Tone(), "First one. ```python\nx = 1. \n```\nAnd **last**. "
    with virtual_room.tap() as tap:
        speaker = Speaker(Voices({"en": voice}), Loudspeaker())
        reading = speaker.begin()
        reading.feed(answer[:20])
        while not tap.loud_at:
            tap.wait()
        assert voice.said == ["First one."]
        reading.feed(answer[20:])
        reading.finish()
        assert reading.wait() == len(answer)
        quiet(tap)
    assert voice.said == ["First one.", "And last."]
    assert hummed(tap) > 1.8


def test_what_was_not_heard_is_known_to_the_word(virtual_room: Room) -> None:
    virtual_room.furnish()
    answer = "Short. " + "four " * 20
    with virtual_room.tap() as tap:
        speaker = Speaker(Voices({"en": Tone()}), Loudspeaker())
        reading = speaker.begin()
        reading.feed(answer)
        reading.finish()
        while hummed(tap) < 2.0:
            tap.wait()
        speaker.stop()
        assert not reading.going_on or reading.wait()
        heard = reading.wait()
        recorded = tap.seconds
        quiet(tap)
        assert not np.abs(tap.samples[round((recorded + 0.1) * RATE) :]).any()
        spoken = hummed(tap)
    assert answer[heard - 1] == " " or answer[heard] == " "
    assert heard / len(answer) == pytest.approx(10 * spoken / len(answer), abs=0.1)


def test_an_answer_that_is_stopped_before_it_is_heard_was_not_heard(virtual_room: Room) -> None:
    virtual_room.furnish()
    speaker = Speaker(Voices({"en": Tone()}), Loudspeaker())
    reading = speaker.begin()
    speaker.stop()
    reading.feed("Never said. ")
    reading.finish()
    assert reading.wait() == 0


def test_the_next_answer_ends_the_one_before(virtual_room: Room) -> None:
    virtual_room.furnish()
    voice = Tone()
    speaker = Speaker(Voices({"en": voice}), Loudspeaker())
    first = speaker.begin()
    first.feed("word " * 400)
    second = speaker.begin()
    second.feed("two.")
    second.finish()
    assert second.wait() == 4
    assert first.wait() < 2000
    assert voice.said[-1] == "two."
    assert len("".join(voice.said)) < 1000  # what nobody will hear is not synthesized


def test_a_voice_that_fails_is_told_by_the_reading(virtual_room: Room) -> None:
    speaker = Speaker(Voices({"en": Broken()}), Loudspeaker())
    reading = speaker.begin()
    reading.feed("One. Two. ")
    reading.finish()
    with pytest.raises(VoiceError, match="the voice is gone"):
        reading.wait()
    assert not reading.going_on


def test_a_real_voice_is_heard_as_it_was_synthesized(virtual_room: Room) -> None:
    if shutil.which("espeak-ng") is None:
        pytest.skip("no voice without espeak-ng")
    virtual_room.furnish()
    voices, answer = find_voices(), "The capital of France is Paris."
    with virtual_room.tap() as tap:
        loudspeaker = Loudspeaker()
        reading = Speaker(voices, loudspeaker).begin()
        reading.feed(answer)
        reading.finish()
        assert reading.wait() == len(answer)
        quiet(tap)
    said = soxr.resample(voices.say(answer, loudspeaker.rate), loudspeaker.rate, RATE)
    at = int(np.argmax(np.correlate(tap.samples, said, "valid")))
    assert np.corrcoef(tap.samples[at : at + len(said)], said)[0, 1] > 0.99
