"""The synthesizers say what they are asked to: Mandarin is Mandarin, and Latin words in it are English."""

import importlib.util
from collections.abc import Iterator

import numpy as np
import pytest

pytestmark = [
    pytest.mark.torch,  # the group that has the synthesizer
    pytest.mark.skipif(importlib.util.find_spec("espeakng_loader") is None, reason="needs espeakng-loader"),
]


@pytest.fixture(scope="module")
def speakers() -> Iterator[object]:
    from models.nano.voices import Speakers

    speakers = Speakers()
    yield speakers
    speakers.close()


def phonemes(speakers, text: str) -> list[str]:
    from models.nano.synthesize import label
    from models.nano.voices import Voice

    said = speakers.say(text, Voice("espeak", "f1"))
    assert np.abs(said.samples).max() > 0.05
    assert len(said.samples) > 0.2 * 16_000
    return [name for name in (label(name) for _, name in said.phonemes) if name != "_"]


def test_mandarin_is_not_spelled_out_in_english(speakers) -> None:
    # Debian 12's own espeak-ng says "ni-three hao-three" here.
    assert phonemes(speakers, "你好") == ["n", "i", "X", "Au"]
    assert phonemes(speakers, "银行") == ["j", "i", "n", "X", "A", "N"]  # háng, not xíng


def test_an_english_word_in_a_chinese_sentence_is_said_in_english(speakers) -> None:
    said = phonemes(speakers, "把 total 打印出来")
    assert said[:2] == ["p", "A"]
    assert said[2:6] == ["t", "oU", "t", "@L"]


def test_phonemes_come_in_the_order_of_their_times(speakers) -> None:
    from models.nano.voices import Voice

    said = speakers.say("define a function called parse date", Voice("espeak", "m3"))
    starts = [start for start, _ in said.phonemes]
    assert starts == sorted(starts)
    assert 0 <= starts[0] < starts[-1] <= len(said.samples) / 16_000 + 0.05
