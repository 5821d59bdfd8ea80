"""Which word stands where on CTC's likeliest path."""

import numpy as np

from models.nano.spelling import word_numbers

BLANK = 9


def test_a_word_begins_where_the_unit_changes_to_one_that_is_no_blank() -> None:
    heard = np.array(
        [
            [4, 4, BLANK, 4, 5, BLANK],  # the same word twice needs a blank between
            [BLANK, BLANK, 7, 7, 7, 7],
            [BLANK] * 6,
        ],
        np.int16,
    )
    assert word_numbers(heard, BLANK).tolist() == [
        [0, 0, 0, 1, 2, 2],
        [-1, -1, 0, 0, 0, 0],
        [-1, -1, -1, -1, -1, -1],
    ]
