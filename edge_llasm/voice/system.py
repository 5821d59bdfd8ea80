"""The system's own voices: espeak-ng, `say` of macOS, SAPI of Windows. Each is a program that turns text into a wav."""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import numpy.typing as npt
import soundfile

from edge_llasm.errors import VoiceError
from edge_llasm.voice.script import Language

__all__ = ["SystemVoice", "espeak", "espeak_version", "listed", "sapi", "say"]

Samples = npt.NDArray[np.float32]  # (n_samples,) f32, full scale 1

PATIENCE_S = 60
"""For one clause, or for a list of voices"""
FILE = "{file}"
"""In a command: where the wav goes, for a program that cannot write it to its output"""
CHINESE_ESPEAK = 1, 52
"""The first version whose Mandarin voice reads characters by their sounds"""
SAPI = """\
[Console]::InputEncoding = [Text.Encoding]::UTF8
[Console]::OutputEncoding = [Text.Encoding]::UTF8
Add-Type -AssemblyName System.Speech
$voice = New-Object System.Speech.Synthesis.SpeechSynthesizer
"""
SAPI_LIST = "$voice.GetInstalledVoices() | % { $_.VoiceInfo.Name + '  ' + $_.VoiceInfo.Culture.Name }"
SAPI_SAY = "$voice.SelectVoice('{name}'); $voice.SetOutputToWaveFile('{file}'); $voice.Speak([Console]::In.ReadToEnd())"
LISTED = re.compile(r"(?m)^(.+?)\s{2,}([a-z]{2,3})[_-][A-Za-z]+")
"""A voice's name and language, as `say -v ?` and the script above print them"""


@dataclass(frozen=True)
class SystemVoice:
    """A program that reads text on its standard input."""

    name: str
    speaks: frozenset[Language]
    command: tuple[str, ...]

    def say(self, text: str) -> tuple[Samples, int]:
        """-> (n_samples,) f32 and their rate in Hz. Raises VoiceError."""
        with TemporaryDirectory(prefix="edge-llasm-") as folder:
            file = Path(folder) / "said.wav"
            output = _run([part.replace(FILE, str(file)) for part in self.command], text)
            try:
                wav = file.read_bytes() if any(FILE in part for part in self.command) else output
                samples, rate = soundfile.read(BytesIO(wav), dtype="float32", always_2d=True)
            except (OSError, soundfile.LibsndfileError) as error:
                raise VoiceError(
                    f"the voice {self.name} gave no sound ({error}): take another one (--voice-en, --voice-zh)"
                ) from error
        return samples.mean(axis=1), rate


def espeak(name: str, spoken: Language, *, mixes: bool = True) -> SystemVoice:
    """espeak-ng's voice; `mixes`: it reads English words among Chinese ones too."""
    speaks: frozenset[Language] = frozenset({spoken, "en"} if mixes else {spoken})
    command = ("espeak-ng", "-b", "1", "-v", name, "--stdin", "--stdout")
    return SystemVoice(f"espeak-ng {name}", speaks, command)


def espeak_version() -> tuple[int, int]:
    """(1, 51). Raises VoiceError."""
    told = _run(["espeak-ng", "--version"]).decode(errors="replace")
    found = re.search(r"(\d+)\.(\d+)", told)
    if found is None:
        raise VoiceError("espeak-ng does not tell its version: install it again")
    return int(found[1]), int(found[2])


def say(name: str, spoken: Language) -> SystemVoice:
    """A voice of macOS, whose Chinese ones read English words too."""
    command = ("say", "-v", name, "-o", FILE, "--file-format=WAVE", "--data-format=LEI16@22050", "-f", "-")
    return SystemVoice(name, frozenset({spoken, "en"}), command)


def sapi(name: str, spoken: Language) -> SystemVoice:
    """A voice of Windows, whose Chinese ones read English words too."""
    script = SAPI + SAPI_SAY.replace("{name}", name.replace("'", "''"))
    return SystemVoice(name, frozenset({spoken, "en"}), _powershell(script))


def listed(system: str) -> list[tuple[str, str]]:
    """(name, language) of each voice of macOS ("Darwin") or Windows. Raises VoiceError."""
    command = ["say", "-v", "?"] if system == "Darwin" else list(_powershell(SAPI + SAPI_LIST))
    return LISTED.findall(_run(command).decode(errors="replace"))


def _powershell(script: str) -> tuple[str, ...]:
    return "powershell", "-NoProfile", "-NonInteractive", "-Command", script


def _run(command: list[str], text: str = "") -> bytes:
    try:
        done = subprocess.run(
            command, input=text.encode(), capture_output=True, timeout=PATIENCE_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise VoiceError(
            f"{command[0]} cannot be run ({error}): edge-llasm doctor says what is missing"
        ) from error
    if done.returncode:
        told = done.stderr.decode(errors="replace").strip().splitlines() or [f"status {done.returncode}"]
        raise VoiceError(f"{command[0]} failed ({told[-1]}): take another voice (--voice-en, --voice-zh)")
    return done.stdout
