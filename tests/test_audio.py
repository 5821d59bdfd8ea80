"""Recordings of every kind, and what is no recording."""

import io
import shutil
import struct
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from edge_llasm.audio import SAMPLE_RATE, load_audio, load_recordings
from edge_llasm.errors import AudioError

CLIPS = Path(__file__).parent / "clips"
Samples = NDArray[np.float32]

needs_media = pytest.mark.skipif(
    find_spec("av") is None and shutil.which("ffmpeg") is None, reason="neither PyAV nor ffmpeg is installed"
)


def tone(rate: int = SAMPLE_RATE, seconds: float = 0.5, hz: float = 440.0) -> Samples:
    return (0.5 * np.sin(2 * np.pi * hz * np.arange(round(rate * seconds)) / rate)).astype(np.float32)


def encoded(
    samples: Samples, rate: int = SAMPLE_RATE, format: str = "WAV", subtype: str | None = None
) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, samples, rate, format=format, subtype=subtype)
    return file.getvalue()


def likeness(a: Samples, b: Samples) -> float:
    """Correlation of a quarter of `b` with its like in `a`: codecs delay."""
    middle = b[len(b) // 4 : len(b) // 2]
    best = np.abs(np.correlate(a, middle, "valid")).argmax()
    found = a[best : best + len(middle)]
    return float(abs(found @ middle) / (np.linalg.norm(found) * np.linalg.norm(middle)))


@pytest.mark.parametrize(
    "subtype", ["PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE", "ULAW", "ALAW"]
)
def test_wav_of_every_sample_format_gives_the_same_samples(subtype: str) -> None:
    samples = load_audio(encoded(tone(), subtype=subtype))
    assert samples.dtype == np.float32
    np.testing.assert_allclose(samples, tone(), atol=0.02)


@pytest.mark.parametrize("rate", [8_000, 11_025, 22_050, 44_100, 48_000, 96_000])
def test_every_rate_is_resampled_to_16_khz(rate: int) -> None:
    samples = load_audio(encoded(tone(rate), rate))
    assert abs(len(samples) - SAMPLE_RATE // 2) <= 1
    assert likeness(samples, tone()) > 0.99


@pytest.mark.parametrize(
    ("format", "subtype"), [("FLAC", None), ("OGG", "VORBIS"), ("OGG", "OPUS"), ("MP3", None), ("AIFF", None)]
)
def test_compressed_formats_are_decoded(format: str, subtype: str | None) -> None:
    assert likeness(load_audio(encoded(tone(), format=format, subtype=subtype)), tone()) > 0.9


@needs_media
@pytest.mark.parametrize("suffix", ["m4a", "webm"])
def test_m4a_and_webm_hold_what_the_ogg_holds(suffix: str) -> None:
    spoken = load_audio(CLIPS / "total-espeak.ogg")
    decoded = load_audio(CLIPS / f"total-espeak.{suffix}")
    assert abs(len(decoded) - len(spoken)) < 0.1 * SAMPLE_RATE
    assert likeness(decoded, spoken) > 0.8


def test_path_text_path_bytes_and_open_file_are_the_same(tmp_path: Path) -> None:
    path = tmp_path / "a tone.wav"
    path.write_bytes(encoded(tone()))
    with path.open("rb") as stream:
        for source in (path, str(path), path.read_bytes(), stream):
            np.testing.assert_array_equal(load_audio(source), load_audio(path))


def test_a_wrong_extension_does_not_matter(tmp_path: Path) -> None:
    for name in ("flac.wav", "flac.raw", "flac"):
        (tmp_path / name).write_bytes(encoded(tone(), format="FLAC"))
        assert likeness(load_audio(tmp_path / name), tone()) > 0.99


def test_stereo_is_averaged() -> None:
    np.testing.assert_allclose(
        load_audio(encoded(np.stack([tone(), 0 * tone()], axis=1))), tone() / 2, atol=1e-3
    )


def test_channels_in_opposite_phase_do_not_cancel() -> None:
    assert np.abs(load_audio(encoded(np.stack([tone(), -tone()], axis=1)))).max() > 0.4


def test_arrays_of_integers_are_scaled_by_their_type() -> None:
    whole = np.array([-128, 0, 64], np.int8)
    for array in (
        whole,
        whole.astype(np.int16) * 256,
        whole.astype(np.int32) << 24,
        (whole.astype(np.int16) + 128).astype(np.uint8),
    ):
        np.testing.assert_allclose(load_audio(array), [-1.0, 0.0, 0.5], atol=1e-6)


def test_an_array_is_taken_at_its_rate_and_not_changed() -> None:
    given = tone(48_000)
    kept = given.copy()
    assert likeness(load_audio(given, 48_000), tone()) > 0.99
    np.testing.assert_array_equal(given, kept)
    with pytest.raises(ValueError, match="sample_rate"):
        load_audio(encoded(tone()), 16_000)


def test_a_header_that_promises_too_much_gives_what_is_there() -> None:
    streamed = bytearray(encoded(tone()))
    streamed[4:8] = streamed[40:44] = b"\xff\xff\xff\xff"  # as programs write that do not know the length yet
    assert len(load_audio(bytes(streamed))) == len(tone())
    assert len(load_audio(encoded(tone())[:-4000])) == len(tone()) - 2000


def nothing_but_a_header() -> bytes:
    return encoded(np.zeros(0, np.float32))


def playlist() -> bytes:
    return b"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nfile:///etc/hostname\n#EXT-X-ENDLIST\n" * 3


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"Meeting notes: buy milk.\n" * 40, "is not a recording"),
        ("会议记录：买牛奶。\n".encode() * 40, "is not a recording"),
        (playlist(), "is not a recording"),
        (b"RIFF", "is not a recording"),
        (nothing_but_a_header(), "holds no samples"),
        (bytes(range(256)) * 64, "cannot be decoded"),
        (encoded(tone())[:30], "is not a recording"),
        (b"\x89PNG\r\n\x1a\n" + bytes(2000), "cannot be decoded"),
    ],
    ids=["empty", "text", "chinese", "playlist", "riff", "header", "bytes", "cut header", "picture"],
)
def test_what_is_no_recording_is_said_in_one_line(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "recording.wav"
    path.write_bytes(content)
    for source in (path, content):
        with pytest.raises(AudioError, match=message) as caught:
            load_audio(source)
        assert "\n" not in str(caught.value)
    assert "recording" in str(caught.value)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_samples_that_are_not_finite_are_refused(bad: float) -> None:
    samples = tone()
    samples[100] = bad
    for source in (samples, encoded(samples, subtype="FLOAT")):
        with pytest.raises(AudioError, match="not finite"):
            load_audio(source)


def test_files_that_cannot_be_opened(tmp_path: Path) -> None:
    with pytest.raises(AudioError, match="does not exist"):
        load_audio(tmp_path / "missing.wav")
    with pytest.raises(AudioError, match="is a folder"):
        load_audio(tmp_path)
    with pytest.raises(AudioError, match="cannot be read"):
        load_audio("nul\0byte.wav")
    with pytest.raises(AudioError, match="binary mode"):
        load_audio(io.StringIO("text"))  # type: ignore[arg-type]
    with pytest.raises(AudioError, match="not int"):
        load_audio(7)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros(0, np.float32), "no samples"),
        (np.zeros((2, 3, 4), np.float32), "n_channels"),
        (np.zeros((2, 16_000), np.float32), "transpose"),
        (np.zeros(10, np.complex64), "floats or integers"),
        (np.array(["a"]), "floats or integers"),
        (np.full(10, 3000.0), "32768"),
    ],
)
def test_arrays_that_are_no_sound_are_refused(array: NDArray[np.float32], message: str) -> None:
    with pytest.raises(AudioError, match=message):
        load_audio(array)


@pytest.mark.parametrize("rate", [0, 1, 1_000_000])
def test_absurd_rates_are_refused(rate: int) -> None:
    wav = bytearray(encoded(tone()))
    wav[24:28] = struct.pack("<I", rate)
    with pytest.raises(AudioError):
        load_audio(bytes(wav))
    with pytest.raises(AudioError, match="Hz"):
        load_audio(tone(), rate)


def test_one_recording_or_a_list_of_them() -> None:
    samples, file = tone(), encoded(tone())
    assert load_recordings(None) == load_recordings([]) == []
    for one in (samples, file, [file], (samples,)):
        assert [len(recording) for recording in load_recordings(one)] == [len(samples)]
    assert len(load_recordings([samples, file])) == 2
