"""Each decoder by itself, on what the first one cannot read."""

import shutil
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from edge_llasm.decode import Decoded, Undecodable, by_av, by_ffmpeg, by_soundfile, decode
from edge_llasm.errors import AudioError

CLIPS = Path(__file__).parent / "clips"
Decoder = Callable[[bytes], Decoded]

DECODERS = [
    pytest.param(by_av, marks=pytest.mark.skipif(find_spec("av") is None, reason="PyAV is not installed")),
    pytest.param(
        by_ffmpeg, marks=pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="ffmpeg is not installed")
    ),
]


@pytest.mark.parametrize("decoder", DECODERS)
@pytest.mark.parametrize("suffix", ["m4a", "webm", "ogg"])
def test_the_fallbacks_read_what_browsers_and_phones_record(decoder: Decoder, suffix: str) -> None:
    samples, rate = decoder((CLIPS / f"total-espeak.{suffix}").read_bytes())
    assert samples.dtype == np.float32
    assert samples.shape[1] == 1
    assert 1.5 < len(samples) / rate < 1.8
    assert 0.3 < np.abs(samples).max() < 0.8


@pytest.mark.parametrize("decoder", DECODERS)
@pytest.mark.parametrize(
    "head",
    [
        "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nfile://{}\n#EXT-X-ENDLIST\n",
        "ffconcat version 1.0\nfile {}\n",
    ],
)
def test_a_playlist_never_opens_other_files(decoder: Decoder, head: str) -> None:
    with pytest.raises(Undecodable):
        decoder(head.format(CLIPS / "total-espeak.ogg").encode())


def test_the_first_decoder_leaves_to_the_others_what_it_does_not_know() -> None:
    with pytest.raises(Undecodable):
        by_soundfile((CLIPS / "total-espeak.m4a").read_bytes())


def test_without_any_fallback_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(AudioError, match=r"a\.m4a cannot be decoded .*pip install 'edge-llasm\[media\]'"):
        decode((CLIPS / "total-espeak.m4a").read_bytes(), "a.m4a")
