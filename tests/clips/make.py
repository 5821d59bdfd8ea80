"""Makes the clips beside it: `python -m tests.clips.make`. Needs flite, PyAV and espeakng-loader; no test does.

Every clip is one utterance without silence around it, mono, 16 kHz.
"""

import subprocess
import tempfile
from pathlib import Path

import av
import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from models.nano.espeak import Espeak

HERE = Path(__file__).parent
RATE = 16_000  # Hz
QUIET = 0.004  # of the peak: what is below it at the ends is cut off
BY_ESPEAK = {
    "yes": ("yes", "en-us"),
    "undo": ("undo", "en-us+f3"),
    "hao": ("好", "cmn"),
    "total": ("把 total 打印出来", "cmn+f3"),
}
BY_FLITE = {"yes": ("yes", "rms"), "undo": ("undo", "slt")}
CONTAINERS = {"m4a": ("ipod", "aac"), "webm": ("webm", "libopus")}  # of `total`


def main() -> None:
    espeak = Espeak()
    for name, (text, voice) in BY_ESPEAK.items():
        said = espeak.say(text, voice, 160, 50, 50)
        if said is None:
            raise SystemExit(f"espeak-ng did not say {text!r}")
        sound, rate, _ = said
        clip = _clip(sound.astype(np.float32) / np.float32(32768), rate)
        _write(f"{name}-espeak", clip)
        if name == "total":
            for suffix, (container, codec) in CONTAINERS.items():
                _write_by_av(HERE / f"{name}-espeak.{suffix}", container, codec, clip)
    espeak.close()
    for name, (text, voice) in BY_FLITE.items():
        with tempfile.NamedTemporaryFile(suffix=".wav") as file:
            subprocess.run(["flite", "-voice", voice, "-t", text, "-o", file.name], check=True)
            _write(f"{name}-flite", _clip(*soundfile.read(file.name, dtype="float32")))


def _clip(sound: NDArray[np.float32], rate: int) -> NDArray[np.float32]:
    sound = soxr.resample(sound, rate, RATE)
    loud = np.flatnonzero(np.abs(sound) > QUIET * np.abs(sound).max())
    clip: NDArray[np.float32] = 0.5 * sound[loud[0] : loud[-1] + 1] / np.abs(sound).max()
    return clip


def _write(name: str, clip: NDArray[np.float32]) -> None:
    soundfile.write(HERE / f"{name}.ogg", clip, RATE, format="OGG", subtype="OPUS")


def _write_by_av(path: Path, container: str, codec: str, clip: NDArray[np.float32]) -> None:
    rate = 48_000
    sound = soxr.resample(clip, RATE, rate).astype(np.float32)
    with av.open(str(path), "w", format=container) as file:
        stream = file.add_stream(codec, rate=rate, layout="mono")
        stream.bit_rate = 32_000
        frame = av.AudioFrame.from_ndarray(sound.reshape(1, -1), format="fltp", layout="mono")
        frame.sample_rate = rate
        resampler = av.AudioResampler(
            format=stream.format, layout="mono", rate=rate, frame_size=stream.frame_size or 960
        )
        for part in (*resampler.resample(frame), *resampler.resample(None)):
            file.mux(stream.encode(part))
        file.mux(stream.encode(None))


if __name__ == "__main__":
    main()
