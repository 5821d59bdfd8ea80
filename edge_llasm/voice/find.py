"""Names of voices -> voices: the system's own where none is named."""

from __future__ import annotations

import platform
import shutil
from pathlib import Path

from edge_llasm.errors import VoiceError
from edge_llasm.voice import system
from edge_llasm.voice.piper import PiperVoice
from edge_llasm.voice.script import Language
from edge_llasm.voice.voices import Voice, Voices

__all__ = ["find_voices"]

ESPEAK: dict[Language, str] = {"en": "en-us", "zh": "cmn"}
PLAIN: dict[Language, tuple[str, ...]] = {
    "en": ("Samantha", "Alex", "Daniel", "Karen"),
    "zh": ("Tingting", "Ting-Ting", "Meijia", "Mei-Jia"),
}
"""Of macOS, whose list begins with the voices that are meant as jokes"""
NOTHING = "install espeak-ng (edge-llasm doctor says how) or name a piper voice (--voice-en, --voice-zh)"
LANGUAGES: dict[Language, str] = {"en": "English", "zh": "Chinese"}


def find_voices(english: str | None = None, chinese: str | None = None) -> Voices:
    """A voice of the system by its name, or a file of piper's; None: the system's own.

    Raises VoiceError for a voice that was named and is not there, and when there is none at all.
    """
    named: dict[Language, str | None] = {"en": english, "zh": chinese}
    voices: dict[Language, Voice] = {}
    remarks = []
    for spoken, name in named.items():
        try:
            voices[spoken], remark = _find(spoken, name)
        except VoiceError as error:
            if name is not None:
                raise
            remark = f"{LANGUAGES[spoken]} is not read aloud: {error}"
        remarks += [remark] if remark else []
    if not voices:
        raise VoiceError(f"there is no voice to read aloud with: {NOTHING}")
    return Voices(voices, tuple(remarks))


def _find(spoken: Language, name: str | None) -> tuple[Voice, str]:
    """A voice, and what is to be said about it."""
    if name is not None and name.endswith(".onnx"):
        return PiperVoice(Path(name).expanduser(), spoken), ""
    if platform.system() in ("Darwin", "Windows"):
        return _listed(platform.system(), spoken, name), ""
    return _espeak(spoken, name)


def _espeak(spoken: Language, name: str | None) -> tuple[Voice, str]:
    if shutil.which("espeak-ng") is None:
        raise VoiceError(NOTHING)
    version = system.espeak_version()
    if spoken == "zh" and version < system.CHINESE_ESPEAK and name in (None, ESPEAK["zh"]):
        # Its "cmn" spells pinyin in English letters; this one does not, but takes English words for pinyin.
        voice = system.espeak("cmn-latn-pinyin", spoken, mixes=False)
        old, new = (".".join(map(str, numbers)) for numbers in (version, system.CHINESE_ESPEAK))
        return voice, (
            f"Chinese is read with mistakes by espeak-ng {old} (characters with several readings, such as 银行): "
            f"install espeak-ng {new} or later, or name a piper voice with --voice-zh"
        )
    voice = system.espeak(name or ESPEAK[spoken], spoken)
    voice.say("1")  # whether there is one of this name
    return voice, ""


def _listed(of: str, spoken: Language, name: str | None) -> Voice:
    make = system.say if of == "Darwin" else system.sapi
    voices = system.listed(of)
    if name is not None:
        if name not in [one for one, _ in voices]:
            fitting = ", ".join(one for one, of_language in voices if of_language == spoken) or "none"
            raise VoiceError(f'no voice is called "{name}"; for {LANGUAGES[spoken]} there is {fitting}')
        return make(name, spoken)
    fitting_names = [one for one, of_language in voices if of_language == spoken]
    if not fitting_names:
        raise VoiceError(
            f"the system has no voice for it: add one in its settings, or name one (--voice-{spoken})"
        )
    return make(next((one for one in PLAIN[spoken] if one in fitting_names), fitting_names[0]), spoken)
