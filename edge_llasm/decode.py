"""Bytes of a sound file -> samples: libsndfile first, then PyAV (m4a, webm, video), then the ffmpeg command."""

from __future__ import annotations

import io
import shutil
import subprocess
import tempfile
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_llasm.errors import AudioError, EngineError

BLOCK = 1 << 20
"""Samples of all channels read at a time: a header may promise more, so nothing of its size is set aside"""
FFMPEG_RATE = 16_000
"""Hz, what ffmpeg is asked for"""
FORMATS = (
    "aac,ac3,aiff,amr,amrnb,amrwb,ape,asf,au,avi,caf,eac3,flac,flv,matroska,webm,mov,mp4,m4a,3gp,3g2,mj2,mp3,mpeg,"
    "mpegts,ogg,oga,rm,tak,tta,voc,w64,wav,wv"
)
"""Demuxers that may open a recording. Others read text as pictures, or fetch the files that a playlist names."""
MAX_VALUES_PER_S = 2 * 48_000
"""Where there is a limit: samples of all channels that a second of it stands for"""
FFMPEG_PATIENCE = 60.0
"""s for ffmpeg to decode what it is not trusted with"""
NOTHING_ELSE = {"format_whitelist": FORMATS, "protocol_whitelist": "none"}

Decoded = tuple[NDArray[np.float32], int]
"""(n, n_channels) f32 of full scale 1, sample rate in Hz"""


class Undecodable(Exception):
    """This decoder cannot read it; another one may."""


class TooLong(Exception):
    """It is longer than the limit, or says so."""


def decode(data: bytes, name: str, max_seconds: float | None = None) -> Decoded:
    """Raises AudioError that names the file, EngineError without any decoder."""
    reasons = []
    for decoder in (by_soundfile, by_av, by_ffmpeg):
        try:
            return decoder(data, max_seconds)
        except Undecodable as error:
            reasons.append(str(error))
        except TooLong as error:
            raise AudioError(
                f"{name} is longer than {max_seconds:g} s, or has as many samples; cut it"
            ) from error
    reason = reasons[0].rstrip(".")
    if len(data) < 64 or _is_text(data):
        raise AudioError(f"{name} is not a recording ({reason}); give a sound file")
    missing = reasons[1:] == [_NO_AV, _NO_FFMPEG]
    hint = "for m4a, webm and video pip install 'edge-llasm[media]'" if missing else "convert it to wav"
    raise AudioError(f"{name} cannot be decoded ({reason}); {hint}")


_NO_AV = "PyAV is not installed"
_NO_FFMPEG = "ffmpeg is not installed"


def _is_text(data: bytes) -> bool:
    head = data[:512]
    return all(byte >= 32 or byte in b"\t\n\r" for byte in head)


def _check_length(max_seconds: float | None, frames: int, rate: int, channels: int) -> None:
    """Raises TooLong. Many channels and high rates take the room of a longer recording."""
    if max_seconds is not None and frames > 0:
        seconds = frames / max(rate, 1)
        if seconds > max_seconds or frames * channels > max_seconds * MAX_VALUES_PER_S:
            raise TooLong


def by_soundfile(data: bytes, max_seconds: float | None = None) -> Decoded:
    """wav, flac, ogg, opus, mp3, aiff and more, of any rate and number of channels.

    Raises Undecodable, TooLong, EngineError.
    """
    try:
        import soundfile
    except (ImportError, OSError) as error:
        raise EngineError(
            f"libsndfile cannot be loaded ({error}); install it: pip install soundfile"
        ) from error
    blocks: list[NDArray[np.float32]] = []
    try:
        with soundfile.SoundFile(io.BytesIO(data)) as file:
            rate, channels = int(file.samplerate), int(file.channels)
            _check_length(max_seconds, file.frames, rate, channels)
            frames, block_frames = 0, max(1, BLOCK // channels)
            while len(block := file.read(block_frames, dtype="float32", always_2d=True)):
                blocks.append(block)
                frames += len(block)
                _check_length(max_seconds, frames, rate, channels)
    except (soundfile.SoundFileError, RuntimeError, TypeError, ValueError) as error:
        raise Undecodable(getattr(error, "error_string", None) or str(error)) from error
    return np.concatenate(blocks) if blocks else np.empty((0, channels), np.float32), rate


def by_av(data: bytes, max_seconds: float | None = None) -> Decoded:
    """m4a, webm and the sound of videos, mixed to mono. Raises Undecodable, TooLong."""
    try:
        import av
    except (ImportError, OSError) as error:
        raise Undecodable(_NO_AV) from error
    try:
        with av.open(io.BytesIO(data), options=NOTHING_ELSE) as container:
            if not container.streams.audio:
                raise Undecodable("it holds no sound")
            stream = container.streams.audio[0]
            if stream.codec_context is None:
                raise Undecodable("its codec is not known")
            rate = int(stream.rate)
            _check_length(max_seconds, (container.duration or 0) * rate // av.time_base, rate, 1)
            resampler = av.AudioResampler("flt", "mono", rate)
            blocks, frames = [], 0
            for packet in container.decode(stream):
                for frame in resampler.resample(packet):
                    blocks.append(_planar(frame))
                    frames += len(blocks[-1])
                _check_length(max_seconds, frames, rate, 1)
            blocks += [_planar(frame) for frame in resampler.resample(None)]
    except (av.FFmpegError, ValueError, TypeError, IndexError) as error:
        raise Undecodable(str(error)) from error
    if not blocks:
        raise Undecodable("it holds no sound")
    return np.concatenate(blocks).reshape(-1, 1), rate


def _planar(frame: Any) -> NDArray[np.float32]:
    samples: NDArray[np.float32] = frame.to_ndarray()[0]
    return samples


def by_ffmpeg(data: bytes, max_seconds: float | None = None) -> Decoded:
    """The same by the ffmpeg on PATH, at 16 kHz. Raises Undecodable, TooLong."""
    program = shutil.which("ffmpeg")
    if program is None:
        raise Undecodable(_NO_FFMPEG)
    # A file and not a pipe: m4a keeps its index at the end.
    with tempfile.NamedTemporaryFile(prefix="edge-llasm-") as copy:
        copy.write(data)
        copy.flush()
        command = [
            program,
            "-nostdin",
            "-loglevel",
            "error",
            "-protocol_whitelist",
            "file",
            "-format_whitelist",
            FORMATS,
        ]
        command += ["-i", f"file:{copy.name}", "-vn", "-f", "f32le", "-ac", "1", "-ar", str(FFMPEG_RATE)]
        command += [] if max_seconds is None else ["-t", str(max_seconds + 1)]  # so that more shows
        patience = None if max_seconds is None else FFMPEG_PATIENCE
        try:
            done = subprocess.run([*command, "-"], capture_output=True, check=False, timeout=patience)
        except OSError as error:
            raise Undecodable(f"ffmpeg does not start ({error.strerror})") from error
        except subprocess.TimeoutExpired as error:
            raise TooLong from error
    if not done.stdout:
        lines = done.stderr.decode("utf-8", "replace").strip().splitlines()
        raise Undecodable(lines[-1] if lines else "it holds no sound")
    samples = np.frombuffer(done.stdout, "<f4").reshape(-1, 1)
    _check_length(max_seconds, len(samples), FFMPEG_RATE, 1)
    return samples, FFMPEG_RATE
