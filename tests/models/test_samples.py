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
    questions = (["写下你听到的话。", Heard("你好", 3)], [Heard("undo", 4), "Write it down."], ["Hello?"])
    answers = ("你好", ":undo", "Hello! What can I do for you?")
    sample = Writer(special, tokenizer.encode).sample(list(zip(questions, answers, strict=True)), Random(0))

    block = Spoken((Embeddings(np.ones((N_QUERIES, 4), np.float32)),))
    turns = [
        Turn(tuple(block if isinstance(part, Heard) else part for part in question), answer)
        for question, answer in zip(questions, answers, strict=True)
    ]
    segments = render(TEMPLATES["llama2-llasm-paper"], turns, language.SYSTEM, special, tokenizer.encode)
    patches = (special.au_patch,) * N_QUERIES
    ids = [i for segment in segments for i in (segment.ids if isinstance(segment, Tokens) else patches)]
    assert list(sample.ids) == ids
    assert [clip for _, clip in sample.clips] == [3, 4]
    for at, _ in sample.clips:
        assert (sample.ids[at - 1], sample.ids[at + N_QUERIES]) == (special.au_start, special.au_end)
    learnt = [label for label in sample.labels if label != IGNORED]
    assert learnt == [i for answer in answers for i in (*tokenizer.encode(answer), special.eos)]


def test_words_stand_where_whisper_would_put_them() -> None:
    from models.nano import language
    from models.nano.hearing import N_QUERIES
    from models.nano.samples import Heard, Writer

    tokenizer = language.load_tokenizer(TOKENIZER)
    special = language.token_ids(tokenizer)
    blank = special.au_patch
    layout = (0, None, 1, 1, *[None] * (N_QUERIES - 5), 2)
    writer = Writer(special, tokenizer.encode, {3: [layout]})
    go, to, line = (writer.heard_pieces(word)[0] for word in ("go", "to", "line"))

    def slots(text: str, number: int) -> list[list[int]]:
        rng = Random(1)
        samples = [writer.sample([([Heard(text)], "")], rng).ids for _ in range(number)]
        starts = [ids.index(special.au_start) + 1 for ids in samples]
        return [list(ids[at : at + N_QUERIES]) for ids, at in zip(samples, starts, strict=True)]

    assert slots("go to line", 1) == [[go, blank, to, to, *[blank] * (N_QUERIES - 5), line]]
    # No clip has that many words: they stand at both ends, in order; now and then one goes unheard.
    for slot in slots("go to line go", 20):
        order = iter((go, to, line, go))
        assert all(word in order for word in slot if word != blank)
