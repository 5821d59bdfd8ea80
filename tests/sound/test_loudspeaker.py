"""Against a virtual sound card: what is played is heard, and a cut is silence."""

import numpy as np
import pytest
import soxr
from numpy.typing import NDArray

from edge_llasm.errors import SoundError
from edge_llasm.sound import Loudspeaker
from tests.sound.virtual import RATE, Room

Samples = NDArray[np.float32]


def chirp(seconds: float, rate: int) -> Samples:
    """Every moment sounds different."""
    time = np.arange(round(seconds * rate)) / rate
    return (0.3 * np.sin(2 * np.pi * (200 * time + 100 * time**2))).astype(np.float32)


def test_what_is_played_is_heard_whole(virtual_room: Room) -> None:
    virtual_room.furnish()
    with virtual_room.tap() as tap, Loudspeaker() as loudspeaker:
        loudspeaker.open()
        sound = chirp(2.0, loudspeaker.rate)
        for part in np.array_split(sound, 7):
            loudspeaker.play(part)
        loudspeaker.wait()
        assert loudspeaker.heard == len(sound)
        assert loudspeaker.quiet_s >= 0
        loudspeaker.close()
        while tap.seconds < 2.5:
            tap.wait()
    said = soxr.resample(sound, loudspeaker.rate, RATE)
    at = int(np.argmax(np.correlate(tap.samples, said, "valid")))
    assert np.corrcoef(tap.samples[at : at + len(said)], said)[0, 1] > 0.99


def test_a_cut_is_silence_and_what_was_heard_is_known(virtual_room: Room) -> None:
    virtual_room.furnish()
    with virtual_room.tap() as tap, Loudspeaker() as loudspeaker:
        loudspeaker.open()
        loudspeaker.play(chirp(20.0, loudspeaker.rate))
        while loudspeaker.heard < loudspeaker.rate:
            tap.wait()
        assert loudspeaker.quiet_s < 0
        loudspeaker.cut()
        heard_s = loudspeaker.heard / loudspeaker.rate
        assert loudspeaker.quiet_s >= 0
        recorded_s = tap.seconds
        while tap.seconds < recorded_s + 1.0:
            tap.wait()
        assert loudspeaker.heard / loudspeaker.rate == heard_s
    loud = np.flatnonzero(np.abs(tap.samples) > 1e-3)
    assert heard_s == pytest.approx((loud[-1] - loud[0]) / RATE, abs=0.3)
    assert 1.0 < heard_s < 15.0


def test_it_is_opened_again_after_a_cut(virtual_room: Room) -> None:
    virtual_room.furnish()
    with Loudspeaker() as loudspeaker:
        for _ in range(2):
            loudspeaker.open()
            loudspeaker.play(chirp(0.2, loudspeaker.rate))
            loudspeaker.wait()
            assert loudspeaker.heard == round(0.2 * loudspeaker.rate)
            loudspeaker.close()


def test_an_unknown_loudspeaker_is_refused_by_name(virtual_room: Room) -> None:
    with pytest.raises(SoundError, match='no loudspeakers are called "none such"'):
        Loudspeaker("none such")
