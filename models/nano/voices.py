"""Who speaks: synthesizers, their voices, and which of them training never hears."""

import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from random import Random

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from edge_llasm.speech.mel import SAMPLE_RATE
from models.nano.espeak import Espeak
from models.nano.world.spoken import language_of, tokens

ESPEAK_ENGLISH = (
    "en-us",
    "en-us",
    "en-us",
    "en-us",
    "en-gb",
    "en-gb-x-rp",
    "en-gb-scotland",
    "en-029",
    "en-us-nyc",
)
ESPEAK_VARIANTS = (
    "Alex Alicia Andrea Andy Annie Denis Diogo Gene Gene2 Henrique Hugo Jacky Lee Marco Mario Michael Mike Mr Nguyen Reed "
    "RicishayMax RicishayMax3 Storm Tweaky adam anika antonio aunty belinda benjamin boris caleb david ed edward f1 f2 f3 f4 "
    "grandma grandpa gustave ian iven iven2 iven4 john kaukovalta klatt klatt2 klatt4 klatt6 linda m1 m2 m3 m4 m5 m6 marcelo max "
    "michel miguel norbert pablo paul quincy rob robert sandro steph steph2 travis victor"
).split()
ESPEAK_HELD_OUT = "f5 m7 m8 shelby zac iven3 klatt3 mike2 pedro edward2 steph3 RicishayMax2".split()
FLITE = ("rms", "slt", "awb", "kal16", "kal")  # Debian's flite: clustergen and diphone voices
FESTIVAL_HELD_OUT = ("ked_diphone", "cmu_us_slt_arctic_hts")  # a synthesizer that training never hears

# How espeak-ng and flite must be told to read a name.
RESPELLED = {"xun": "shoon", "vinci": "vinchee", "chopin": "showpan", "mulan": "moolahn"}

# flite's phones in espeak-ng's mnemonics, so that both synthesizers label the same sound alike.
ARPABET = {
    "aa": "A:", "ae": "a", "ah": "V", "ao": "O:", "aw": "aU", "ax": "@", "ay": "aI", "b": "b", "ch": "tS", "d": "d", "dh": "D",
    "eh": "E", "er": "3:", "ey": "eI", "f": "f", "g": "g", "hh": "h", "ih": "I", "iy": "i:", "jh": "dZ", "k": "k", "l": "l",
    "m": "m", "n": "n", "ng": "N", "ow": "oU", "oy": "OI", "p": "p", "r": "r", "s": "s", "sh": "S", "t": "t", "th": "T",
    "uh": "U", "uw": "u:", "v": "v", "w": "w", "y": "j", "z": "z", "zh": "Z", "pau": "_",
}  # fmt: skip


@dataclass(frozen=True)
class Voice:
    engine: str  # "espeak", "flite" or "festival"
    name: str  # variant or voice name
    accent: str = "en-us"  # espeak's voice for English-only sentences
    rate: float = 1.0  # 1 is the engine's normal tempo
    pitch: float = 0.5  # 0 … 1, 0.5 normal
    pitch_range: float = 0.5  # 0 (monotonous) … 1


@dataclass(frozen=True)
class Speech:
    samples: NDArray[np.float32]  # (n,) 16 kHz, full scale 1
    phonemes: tuple[tuple[float, str], ...]  # (start in s, espeak-ng mnemonic), in order; empty when unknown


def training_voice(rng: Random, text: str) -> Voice:
    if language_of(text) == "en" and rng.random() < 0.5 and shutil.which("flite"):
        return Voice("flite", rng.choice(FLITE), rate=rng.uniform(0.75, 1.3), pitch=rng.random())
    return _espeak_voice(rng, ESPEAK_VARIANTS)


def held_out_voice(rng: Random) -> Voice:
    return _espeak_voice(rng, ESPEAK_HELD_OUT)


def _espeak_voice(rng: Random, variants: list[str]) -> Voice:
    return Voice(
        "espeak",
        rng.choice(variants),
        rng.choice(ESPEAK_ENGLISH),
        rng.uniform(0.72, 1.3),
        rng.uniform(0.15, 0.85),
        rng.uniform(0.2, 0.9),
    )


class Speakers:
    """Every synthesizer behind one ``say``."""

    def __init__(self) -> None:
        self._espeak = Espeak()

    def say(self, text: str, voice: Voice) -> Speech | None:
        """The sentence spoken, or ``None`` when the synthesizer failed on it."""
        if voice.engine == "espeak":
            return self._say_espeak(text, voice)
        return _say_flite(text, voice) if voice.engine == "flite" else _say_festival(text, voice)

    def close(self) -> None:
        self._espeak.close()

    def _say_espeak(self, text: str, voice: Voice) -> Speech | None:
        language = voice.accent if language_of(text) == "en" else "cmn"
        words_per_minute = int((175 if language != "cmn" else 165) * voice.rate)
        respelled = _respell(text, {**RESPELLED, "li": "lee"})
        said = self._espeak.say(
            respelled,
            f"{language}+{voice.name}",
            words_per_minute,
            int(voice.pitch * 100),
            int(voice.pitch_range * 100),
        )
        if said is None or len(said[0]) < 2000:
            return None
        samples, rate, phonemes = said
        resampled = soxr.resample(samples.astype(np.float32) / 32768.0, rate, SAMPLE_RATE)
        return Speech(resampled.astype(np.float32), tuple((start, name or "_") for start, name in phonemes))


def _respell(text: str, spelling: dict[str, str]) -> str:
    return " ".join(spelling.get(word, word) for word in text.split(" "))


def _say_flite(text: str, voice: Voice) -> Speech | None:
    mean = {"rms": 105, "slt": 175, "awb": 130, "kal": 105, "kal16": 105}[voice.name] * (
        0.75 + 0.5 * voice.pitch
    )  # Hz
    with tempfile.TemporaryDirectory() as folder:
        wave = Path(folder, "said.wav")
        done = subprocess.run(
            ["flite", "-voice", voice.name, "-psdur", "--setf", f"duration_stretch={1 / voice.rate:.3f}",
             "--setf", f"int_f0_target_mean={mean:.0f}", "-t", _respell(text, {**RESPELLED, "li": "lee"}), "-o", str(wave)],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode or not wave.exists():
            return None
        samples = _read(wave)
    ends = [entry.rpartition(":") for entry in done.stdout.split()]
    starts = [0.0] + [float(end) for _, _, end in ends]
    return Speech(
        samples,
        tuple((start, ARPABET.get(name, "_")) for start, (name, _, _) in zip(starts, ends, strict=False)),
    )


def _say_festival(text: str, voice: Voice) -> Speech | None:
    with tempfile.TemporaryDirectory() as folder:
        wave = Path(folder, "said.wav")
        command = [
            "text2wave",
            "-eval",
            f"(voice_{voice.name})",
            "-eval",
            f"(Parameter.set 'Duration_Stretch {1 / voice.rate:.3f})",
            "-o",
            str(wave),
        ]
        done = subprocess.run(
            command,
            input=_respell(text, {**RESPELLED, "li": "lee"}),
            capture_output=True,
            text=True,
            check=False,
        )
        return Speech(_read(wave), ()) if done.returncode == 0 and wave.exists() else None


def _read(wave: Path) -> NDArray[np.float32]:
    samples, rate = soundfile.read(wave, dtype="float32")
    return np.asarray(soxr.resample(samples, rate, SAMPLE_RATE), dtype=np.float32)


def speakable_by(voice: Voice, text: str) -> bool:
    """flite and festival speak English only."""
    return voice.engine == "espeak" or (language_of(text) == "en" and bool(tokens(text)))
