from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from convert.rivals.mmproj import STACK, mmproj_bytes, write_mmproj
from convert.rivals.towers import (
    N_WORDS,
    TEXT_POSITIONS,
    WINDOW,
    load_tower,
    transcriber_bytes,
    words,
    write_transcriber,
)
from convert.whisper import SpeechType, read_tensor
from tests.tiny import WHISPER, whisper_tensors, write_tiny_checkpoint

TYPES: tuple[SpeechType, ...] = ("f16", "q8_0")
FULL = replace(WHISPER, n_audio_ctx=WINDOW, n_text_ctx=TEXT_POSITIONS)


def test_the_words_are_as_many_as_whisper_has_and_all_different() -> None:
    spelled = words()
    assert len(spelled) == len(set(spelled)) == N_WORDS
    assert set(spelled[:256]) == {bytes([i]) for i in range(256)}
    assert 4 < np.mean([len(word) for word in spelled[256:]]) < 8


def test_thirty_seconds_are_a_whole_number_of_stacks() -> None:
    frames = 2 * WINDOW
    assert WINDOW % STACK == frames // STACK % 2 == 0  # libmtmd counts by frames, its graph by positions


def test_the_sizes_that_are_reckoned_with_are_about_those_of_the_files(tmp_path: Path) -> None:
    tensors = whisper_tensors(np.random.default_rng(0), FULL)
    for speech_type in TYPES:
        write_transcriber(tmp_path / speech_type, FULL, tensors, speech_type)
        size, reckoned = (tmp_path / speech_type).stat().st_size, transcriber_bytes(FULL, speech_type)
        assert 0.9 * reckoned < size < 1.2 * reckoned
    write_mmproj(tmp_path / "mmproj", FULL, tensors, 64)
    assert (tmp_path / "mmproj").stat().st_size < mmproj_bytes(FULL, 64)


@pytest.mark.torch
def test_a_tower_of_a_short_window_gets_whispers_own(tmp_path: Path) -> None:
    _, folder = write_tiny_checkpoint(tmp_path)
    shape, tensors = load_tower(folder)
    assert (shape.n_audio_ctx, shape.n_text_ctx) == (WINDOW, TEXT_POSITIONS)
    table = read_tensor(tensors, "encoder.embed_positions.weight")[:]
    assert table.shape == (WINDOW, shape.d)
    assert np.array_equal(table[: WHISPER.n_audio_ctx], table[WHISPER.n_audio_ctx : 2 * WHISPER.n_audio_ctx])
