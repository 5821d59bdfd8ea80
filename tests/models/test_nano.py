"""The bundled model itself: it is whole, and it hears and answers what it is said to."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from edge_llasm import Assistant, Bundle
from edge_llasm.errors import NoSpeech
from models.nano import evaluate
from models.nano.world.spoken import tokens

MOST_TOKEN_ERROR, LEAST_RIGHT = 0.21, 0.58  # what this version must keep; the aim is 0.06 and 0.88
DEMO = sorted(Path("models/nano/demo").glob("*.ogg"))


@pytest.fixture(scope="module")
def nano() -> Iterator[Assistant]:
    with Assistant.load("nano", device="cpu") as assistant:
        yield assistant


@pytest.fixture(autouse=True)
def new_chat(nano: Assistant) -> None:
    nano.reset()


def answer(assistant: Assistant, **question: object) -> str:
    return "".join(chunk.text for chunk in assistant.reply(**question))  # type: ignore[arg-type]


def test_the_bundle_is_whole_and_small() -> None:
    bundle = Bundle.find("nano")
    bundle.verify()
    assert bundle.languages == ("en", "zh")
    assert bundle.size < 40 * 2**20


def test_it_answers_the_bundled_recordings(nano: Assistant) -> None:
    wanted = json.loads(Path("models/nano/demo/answers.json").read_text("utf-8"))
    assert {file.name for file in DEMO} == set(wanted)
    for file in DEMO:
        nano.reset()
        assert answer(nano, audio=file) == wanted[file.name]


def test_it_answers_typed_questions_too(nano: Assistant) -> None:
    assert answer(nano, text="what is the capital of france") == "The capital of France is Paris."
    nano.reset()
    assert answer(nano, text="法国的首都是哪里") == "法国的首都是巴黎。"


def test_silence_is_never_answered(nano: Assistant) -> None:
    with pytest.raises(NoSpeech):
        answer(nano, audio=np.zeros(48_000, np.float32))


def test_a_sample_of_the_held_out_set_is_heard_and_answered(nano: Assistant) -> None:
    """A quarter of the set: the bounds leave room for sampling, the card carries the whole table."""
    rows = [row for row in evaluate.held_out() if row["group"] in ("en", "zh", "mixed")][::4]
    results = [evaluate.conversation(row, nano) for row in rows]
    errors = sum(result.errors for result in results) / sum(len(tokens(result.said)) for result in results)
    assert errors <= MOST_TOKEN_ERROR
    assert np.mean([result.right for result in results]) >= LEAST_RIGHT
