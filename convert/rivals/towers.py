"""A Whisper folder -> the files of the same shape and weights that other programs hear with.

Whisper's own window of 30 s is what they know; where a tower has fewer positions, its table is repeated.
"""

from collections import ChainMap
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from convert.checkpoint import Checkpoint
from convert.json_file import read_json
from convert.sizes import SPEECH_BITS, speech_bytes
from convert.tensors import Tensors
from convert.whisper import SpeechType, WhisperShape, read_tensor, write_whisper
from edge_llasm.manifest import FRAMES_PER_SECOND

WINDOW = 30 * FRAMES_PER_SECOND
"""Encoder positions of every Whisper"""
TEXT_POSITIONS = 448
N_WORDS, N_VOCAB = 50_257, 51_865
"""Words of the multilingual vocabulary, and its rows: those after the words are special tokens and timestamps"""
SPREAD = 4.0
"""Standard deviation of a word's logit: the best one is far above 1501 timestamps of logit 0"""
_CONSONANTS, _VOWELS = "bcdfghjklmnpqrstvwyz", "aeiou"


def load_tower(whisper: Path) -> tuple[WhisperShape, Tensors]:
    """A Whisper folder with at least as many positions as whisper.cpp counts on. Raises ConvertError."""
    shape = WhisperShape.from_config(read_json(whisper / "config.json"))
    tensors = Checkpoint(whisper)
    full = replace(
        shape,
        n_audio_ctx=max(WINDOW, shape.n_audio_ctx),
        n_text_ctx=max(TEXT_POSITIONS, shape.n_text_ctx),
    )
    tables = {
        f"{side}.embed_positions.weight": n
        for side, n in (("encoder", full.n_audio_ctx), ("decoder", full.n_text_ctx))
    }
    longer = {name: np.resize(read_tensor(tensors, name)[:], (n, shape.d)) for name, n in tables.items()}
    return full, ChainMap(longer, tensors)  # type: ignore[arg-type]  # nothing is ever written into it


def write_transcriber(path: Path, shape: WhisperShape, tensors: Tensors, speech_type: SpeechType) -> None:
    """A whisper.cpp file that transcribes: random rows for its words, zeros for all other tokens.

    So it always goes on with a word, and ends where it is told to. Raises ConvertError.
    """
    write_whisper(path, shape, _embedding(shape.d), words(), tensors, speech_type)


def transcriber_bytes(shape: WhisperShape, speech_type: SpeechType) -> int:
    """Of such a file, about."""
    return speech_bytes(shape, speech_type) + int(N_VOCAB * shape.d * SPEECH_BITS[speech_type] / 8)


def words() -> list[bytes]:
    """The bytes, then syllables after a space: about as long as Whisper's own words."""
    return [bytes([i]) for i in range(256)] + [_spelled(i).encode() for i in range(N_WORDS - 256)]


def _spelled(number: int) -> str:
    text = ""
    while not text or number:
        number, vowel = divmod(number, len(_VOWELS))
        number, consonant = divmod(number, len(_CONSONANTS))
        text += _CONSONANTS[consonant] + _VOWELS[vowel]
    return " " + text


def _embedding(d: int) -> NDArray[np.float32]:
    rows = np.zeros((N_VOCAB, d), np.float32)
    rows[:N_WORDS] = np.random.default_rng(0).standard_normal((N_WORDS, d), np.float32)
    return rows * np.float32(SPREAD * d**-0.5)
