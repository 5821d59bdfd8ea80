"""Against a virtual sound card: nothing of what was said is lost."""

import time
from pathlib import Path

import numpy as np
import pytest
import soxr
from numpy.typing import NDArray

from edge_llasm.sound import Microphone
from edge_llasm.sound.microphone import PRE_ROLL_S
from tests.sound.virtual import RATE, SILENT, Room

Samples = NDArray[np.float32]
PATIENCE_S = 60


def likeness(recorded: Samples, said: Samples) -> tuple[float, float]:
    """Where in a recording something is said (s), and how like it is: 1 for a copy."""
    at = int(np.argmax(np.correlate(recorded, said, "valid")))
    return at / 16_000, float(np.corrcoef(recorded[at : at + len(said)], said)[0, 1])


def test_what_is_said_while_the_key_is_down_is_recorded_whole(virtual_room: Room, speech: Path) -> None:
    with virtual_room.tap("room") as tap, Microphone() as microphone:
        for _ in range(3):
            began = tap.seconds
            microphone.begin()
            heard = []
            playing = virtual_room.play(speech)
            while playing.poll() is None:
                time.sleep(0.05)
                heard.append(microphone.read())
            heard.append(microphone.end())
            assert likeness(np.concatenate(heard), tap.said(began))[1] > 0.99
        assert microphone.overruns == 0


def test_what_is_said_just_before_the_key_goes_down_is_recorded_too(virtual_room: Room, speech: Path) -> None:
    with virtual_room.tap("room") as tap, Microphone() as microphone:
        playing = virtual_room.play(speech)
        while microphone.level < 0.01:
            time.sleep(0.005)
        time.sleep(PRE_ROLL_S / 2)
        microphone.begin()
        playing.wait()
        said = tap.said(0.0)
        at, like = likeness(microphone.end(), said[int(np.argmax(np.abs(said) > 0.01)) :])
    assert at < PRE_ROLL_S
    assert like > 0.99


def test_what_was_dropped_is_not_in_the_next_recording(virtual_room: Room, speech: Path) -> None:
    with Microphone() as microphone:
        microphone.begin()
        virtual_room.play(speech).communicate()
        microphone.drop()
        time.sleep(2 * PRE_ROLL_S)
        microphone.begin()
        time.sleep(0.2)
        assert np.abs(microphone.end()).max() < 1e-3


def test_an_unplugged_microphone_gives_what_it_heard_and_the_next_recording_takes_the_new_one(
    virtual_room: Room, speech: Path
) -> None:
    with virtual_room.tap("room") as tap, Microphone() as microphone:
        microphone.begin()
        with virtual_room.play(speech):
            while not tap.loud_at:
                tap.wait()
            time.sleep(1.0)
            assert not microphone.lost
            virtual_room.control("unload-module", "module-null-sink")
        end = time.monotonic() + PATIENCE_S
        while not microphone.lost:
            assert time.monotonic() < end
            time.sleep(0.01)
        heard = microphone.end()
        said = soxr.resample(tap.samples, RATE, 16_000)
        said = said[int(np.argmax(np.abs(said) > SILENT)) :][:8_000]
        assert likeness(heard, said)[1] > 0.99
        virtual_room.control("load-module", "module-null-sink", "sink_name=room", "rate=16000", "channels=1")
        with virtual_room.tap("room") as tap:
            microphone.begin()
            assert not microphone.lost
            virtual_room.play(speech).communicate()
            assert likeness(microphone.end(), tap.said(0.0))[1] > 0.99


def test_a_private_microphone_hears_only_from_begin_to_end(virtual_room: Room, speech: Path) -> None:
    with Microphone(private=True) as microphone:
        for _ in range(2):
            assert virtual_room.control("list", "short", "source-outputs") == ""
            microphone.begin()
            assert virtual_room.control("list", "short", "source-outputs") != ""
            with virtual_room.tap("room") as tap:
                virtual_room.play(speech).communicate()
                assert likeness(microphone.end(), tap.said(0.0))[1] > 0.99
        microphone.begin()
        microphone.drop()
        assert virtual_room.control("list", "short", "source-outputs") == ""


def test_where_the_wanted_microphone_is_gone_the_default_takes_its_place(virtual_room: Room) -> None:
    with Microphone("pulse") as microphone:
        microphone.close()
        microphone._wanted = "unplugged"
        microphone.begin()
        assert not microphone.lost
        microphone.drop()


@pytest.mark.parametrize("wanted", ["no such card", "99"])
def test_an_unknown_microphone_is_refused_by_name(virtual_room: Room, wanted: str) -> None:
    from edge_llasm.errors import SoundError

    with pytest.raises(SoundError, match=f'no microphones are called "{wanted}"'):
        Microphone(wanted)
