import numpy as np
import pytest

from edge_llasm.bench.clips import Speaker
from edge_llasm.vad import speech_spans

RATE = 16_000


@pytest.mark.parametrize("seconds", [0.5, 2, 4, 10, 90])
def test_somebody_speaks_for_exactly_so_long(seconds: float) -> None:
    clip = Speaker().say(seconds)
    assert clip.shape == (seconds * RATE,)
    assert clip.dtype == np.float32
    spans = speech_spans(clip, 30.0)
    assert spans[-1][1] - spans[0][0] > 0.8 * len(clip)


def test_nothing_is_said_twice_and_every_speaker_says_the_same() -> None:
    one, other = Speaker(), Speaker()
    said = [one.say(4) for _ in range(9)]
    assert len({clip.tobytes() for clip in said}) == 9
    assert all(np.array_equal(clip, other.say(4)) for clip in said)


def test_no_piece_of_a_long_clip_is_another_one() -> None:
    clip = Speaker().say(90)
    pieces = [clip[start:end].tobytes() for start, end in speech_spans(clip, 10.0)]
    assert len(set(pieces)) == len(pieces) > 8
