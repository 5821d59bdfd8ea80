"""Each decoder by itself, on what the first one cannot read."""

import shutil
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import soundfile

from edge_llasm.decode import Decoded, TooLong, Undecodable, by_av, by_ffmpeg, by_soundfile, decode
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


@pytest.mark.parametrize("decoder", [by_soundfile, *DECODERS])
def test_no_more_is_decoded_than_the_limit(decoder: Decoder) -> None:
    data = (CLIPS / "total-espeak.ogg").read_bytes()
    samples, rate = decoder(data, 10.0)  # type: ignore[call-arg]
    assert 1 < len(samples) / rate < 10
    with pytest.raises(TooLong):
        decoder(data, 1.0)  # type: ignore[call-arg]


def test_a_recording_over_the_limit_is_refused_by_its_name() -> None:
    with pytest.raises(AudioError, match=r"a\.ogg is longer than 1 s"):
        decode((CLIPS / "total-espeak.ogg").read_bytes(), "a.ogg", 1.0)


def test_many_channels_take_the_room_of_a_longer_recording(tmp_path: Path) -> None:
    file = tmp_path / "wide.wav"
    soundfile.write(file, np.zeros((48_000, 12), np.int16), 48_000)
    with pytest.raises(TooLong):
        by_soundfile(file.read_bytes(), 5.0)
    assert by_soundfile(file.read_bytes(), 7.0)[0].shape == (48_000, 12)


def test_a_codec_that_nobody_knows_is_no_recording() -> None:
    head = b"RIFF\xb4\1\0\0WAVEfmt \x10\0\0\0" + b"\x34\x12\1\0\x80>\0\0\0}\0\0\2\0\x10\0data\xc8\0\0\0"
    with pytest.raises(AudioError, match="cannot be decoded"):
        decode(head + b"\1\0" * 100, "a.wav")


def test_the_first_decoder_leaves_to_the_others_what_it_does_not_know() -> None:
    with pytest.raises(Undecodable):
        by_soundfile((CLIPS / "total-espeak.m4a").read_bytes())


def test_without_any_fallback_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(AudioError, match=r"a\.m4a cannot be decoded .*pip install 'edge-llasm\[media\]'"):
        decode((CLIPS / "total-espeak.m4a").read_bytes(), "a.m4a")
