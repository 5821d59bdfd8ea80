"""A recording that goes on is judged as if it were heard from its beginning, and only from where it goes on."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edge_llasm import detector
from edge_llasm.audio import load_audio
from edge_llasm.detector import FRAME, LEAD_IN, Judge, new_detector

Frames = NDArray[np.float32]


class Counting:
    """A detector that counts the frames it is given, and may be interrupted."""

    def __init__(self) -> None:
        self._detector, self.frames, self.interrupted_at = new_detector(), 0, -1

    def process_array(self, frame: Frames) -> Any:
        self.frames += 1
        if self.frames == self.interrupted_at:
            raise KeyboardInterrupt
        return self._detector.process_array(frame)

    def reset(self) -> None:
        self._detector.reset()


@pytest.fixture
def counting(monkeypatch: pytest.MonkeyPatch) -> Counting:
    counting = Counting()
    monkeypatch.setattr(detector, "new_detector", lambda: counting)
    return counting


@pytest.fixture
def frames(speech: Path) -> Frames:
    said = load_audio(speech)
    return said[: len(said) // FRAME * FRAME].reshape(-1, FRAME)


def test_a_recording_that_goes_on_is_judged_only_from_there(frames: Frames, counting: Counting) -> None:
    judge = Judge()
    half = len(frames) // 2
    judge.judge(frames[:half])
    assert counting.frames == 1 + LEAD_IN + half
    goes_on = judge.judge(frames)
    assert counting.frames == 1 + LEAD_IN + len(frames)
    np.testing.assert_array_equal(goes_on, Judge().judge(frames))


@pytest.mark.parametrize("kept", [0, 5, LEAD_IN, 40])
def test_what_another_recording_began_with_leaves_no_trace(
    frames: Frames, kept: int, counting: Counting
) -> None:
    alone = Judge().judge(frames)
    judge = Judge()
    judge.judge(np.concatenate([frames[:kept], frames[::-1][:7]]))
    np.testing.assert_array_equal(judge.judge(frames), alone)
    np.testing.assert_array_equal(judge.judge(frames[:kept]), Judge().judge(frames[:kept]))
    np.testing.assert_array_equal(judge.judge(frames), alone)


def test_after_an_interruption_it_begins_anew(frames: Frames, counting: Counting) -> None:
    alone = Judge().judge(frames)
    judge = Judge()
    judge.judge(frames[:30])
    counting.interrupted_at = counting.frames + 5
    with pytest.raises(KeyboardInterrupt):
        judge.judge(frames)
    np.testing.assert_array_equal(judge.judge(frames), alone)
