"""Training renders conversations exactly as the runtime does."""

from pathlib import Path
from random import Random

import numpy as np
import pytest

from edge_llasm.prompt import TEMPLATES, Spoken, TokenIds, Turn, render
from edge_llasm.segments import Embeddings, Tokens

pytestmark = pytest.mark.torch

TOKENIZER = Path("models/nano/checkpoint/llasm/tokenizer.model")


def test_a_sample_is_the_prompt_that_the_runtime_would_feed() -> None:
    from models.nano import language
    from models.nano.hearing import N_QUERIES
    from models.nano.samples import IGNORED, Heard, Writer

    tokenizer = language.load_tokenizer(TOKENIZER)
    special: TokenIds = language.token_ids(tokenizer)
    questions = (["写下你听到的话。", Heard("你好", 3)], [Heard("undo"), "Write it down."], ["Hello?"])
    answers = ("你好", ":undo", "Hello! What can I do for you?")
    recalled = tuple(range(100, 100 + N_QUERIES))
    writer = Writer(special, tokenizer.encode, lambda text, rng: recalled)
    sample = writer.sample(list(zip(questions, answers, strict=True)), Random(0))

    block = Spoken((Embeddings(np.ones((N_QUERIES, 4), np.float32)),))
    turns = [
        Turn(tuple(block if isinstance(part, Heard) else part for part in question), answer)
        for question, answer in zip(questions, answers, strict=True)
    ]
    segments = render(TEMPLATES["llama2-llasm-paper"], turns, language.SYSTEM, special, tokenizer.encode)
    patches = (special.au_patch,) * N_QUERIES
    ids = [i for segment in segments for i in (segment.ids if isinstance(segment, Tokens) else patches)]
    assert list(sample.ids) == ids
    assert [rows for _, rows in sample.speech] == [tuple(range(3 * N_QUERIES, 4 * N_QUERIES)), recalled]
    for at, _ in sample.speech:
        assert (sample.ids[at - 1], sample.ids[at + N_QUERIES]) == (special.au_start, special.au_end)
    learnt = [label for label in sample.labels if label != IGNORED]
    assert learnt == [i for answer in answers for i in (*tokenizer.encode(answer), special.eos)]
