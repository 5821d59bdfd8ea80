"""Which word stands where on CTC's likeliest path."""

import numpy as np
from numpy.typing import NDArray


def word_numbers(heard: NDArray[np.integer], blank: int) -> NDArray[np.int64]:
    """``heard`` (clips, n): CTC's likeliest unit at each query -> (clips, n): how many words have begun up to there, less one.

    The last column plus one is the number of words on the path; a blank carries the number of the word before it, or -1.
    """
    before = np.pad(heard[:, :-1], ((0, 0), (1, 0)), constant_values=blank)
    numbers: NDArray[np.int64] = np.cumsum((heard != blank) & (heard != before), axis=1) - 1
    return numbers
