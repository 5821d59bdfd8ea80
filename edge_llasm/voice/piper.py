"""Piper's voices: a file NAME.onnx that the user names, with NAME.onnx.json beside it.

The `piper-tts` package is GPL: it is never installed or imported unless such a file was asked for.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edge_llasm.errors import VoiceError
from edge_llasm.voice.script import Language

__all__ = ["PiperVoice"]

OFFLINE = "espeak", "text"
"""What piper turns text into sounds by, of what it carries with it"""

Samples = npt.NDArray[np.float32]  # (n_samples,) f32, full scale 1


class PiperVoice:
    """One file's voice, loaded."""

    def __init__(self, file: Path, spoken: Language) -> None:
        """Raises VoiceError."""
        try:
            import piper
        except ImportError as error:
            raise VoiceError(f"{error.name} is not installed: pip install 'edge-llasm[speak]'") from error
        config = file.with_name(f"{file.name}.json")
        for needed in (file, config):
            if not needed.is_file():
                raise VoiceError(
                    f"{needed} is not there: a piper voice is NAME.onnx with NAME.onnx.json beside it"
                )
        try:
            kind = json.loads(config.read_text("utf-8")).get("phoneme_type", OFFLINE[0])
        except (OSError, ValueError, AttributeError) as error:
            raise VoiceError(f"{config} cannot be read ({error}): download it again") from error
        if kind not in OFFLINE:
            raise VoiceError(
                f"{file} fetches a dictionary ({kind}) from the network: take a voice whose phoneme_type is espeak"
            )
        try:
            self._voice: Any = piper.PiperVoice.load(file, config)
        except Exception as error:  # onnxruntime's and piper's have no common base
            raise VoiceError(f"{file} is no voice of piper ({error}): download it again") from error
        self.name = f"piper {file.stem}"
        self.speaks: frozenset[Language] = frozenset({spoken})

    def say(self, text: str) -> tuple[Samples, int]:
        """-> (n_samples,) f32 and their rate in Hz. Raises VoiceError."""
        try:
            chunks = [chunk.audio_float_array for chunk in self._voice.synthesize(text)]
        except Exception as error:
            raise VoiceError(f"{self.name} failed ({error}): take another voice") from error
        rate = int(self._voice.config.sample_rate)
        return np.concatenate([np.zeros(0, np.float32), *chunks]), rate
