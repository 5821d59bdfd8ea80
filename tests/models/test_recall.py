"""Sentences that nobody recorded are put together from the states of their words in other clips."""

from random import Random

import numpy as np
import pytest

pytestmark = pytest.mark.torch

GO, TO, LINE, BLANK = 0, 1, 2, 3


def test_each_word_is_heard_as_in_some_clip_that_says_it_where_a_clip_of_as_many_words_puts_it() -> None:
    from models.nano.hearing import N_QUERIES
    from models.nano.recall import Recall

    heard = np.full((4, N_QUERIES), BLANK, np.int16)
    heard[0, :3], heard[0, -1] = (GO, BLANK, TO), LINE
    heard[1, :2] = LINE, TO  # "line go", its second word taken for another
    heard[2, :2], heard[2, -2:] = (TO, TO), LINE  # one word may fill several positions
    heard[3, :1] = GO  # of two words one went unheard: which, cannot be told
    recall = Recall(("go to line", "line go", "to line", "go line"), heard, BLANK)
    last = N_QUERIES - 1

    def row(clip: int, at: int) -> int:
        return clip * N_QUERIES + at

    go, line = {row(0, 0), row(1, 1)}, {row(0, last), row(1, 0), row(2, last - 1), row(2, last)}
    to = {row(0, 2), row(2, 0), row(2, 1)}
    drawn = [recall("line to go", Random(seed)) for seed in range(200)]
    whole = [rows for rows in drawn if rows[2] in to]
    assert len(whole) > 150  # now and then Whisper misses a word
    assert all(rows[0] in line and rows[last] in go for rows in whole)
    assert {rows[0] for rows in whole} == line
    assert {rows[last] for rows in whole} == go
    assert all(at % N_QUERIES == i for rows in whole for i, at in enumerate(rows) if i not in (0, 2, last))


def test_words_of_a_number_that_no_clip_has_stand_at_both_ends_in_order() -> None:
    from models.nano.hearing import N_QUERIES
    from models.nano.recall import Recall

    heard = np.full((1, N_QUERIES), BLANK, np.int16)
    heard[0, :3] = GO, TO, LINE
    recall = Recall(("go to line",), heard, BLANK)
    for seed in range(50):
        words = [at for at in recall("go to line go to", Random(seed)) if at < 3]
        assert words in (
            [0, 1, 2, 0, 1],
            [1, 2, 0, 1],
            [0, 2, 0, 1],
            [0, 1, 0, 1],
            [0, 1, 2, 1],
            [0, 1, 2, 0],
        )
    assert len(recall("unknown words", Random(0))) == N_QUERIES
