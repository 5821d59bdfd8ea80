"""Speech that nobody recorded: any sentence of the world, put together from Whisper's states of its words in other clips."""

from collections.abc import Sequence
from pathlib import Path
from random import Random

import numpy as np
from numpy.typing import NDArray

from models.nano import states
from models.nano.hearing import N_QUERIES
from models.nano.samples import Rows
from models.nano.spelling import word_numbers
from models.nano.world.spoken import tokens

Layout = tuple[int | None, ...]
"""For each of the N_QUERIES positions the number of the word that stands there, or None."""
UNHEARD = 0.01  # share of the words that Whisper misses


class Recall:
    """Draws states for a sentence: a clip of as many words says where each stands, other clips say how each was heard.

    A word's states are those where it was *said*, so now and then it was taken for another one: the LLM learns to live with that.
    """

    def __init__(self, texts: Sequence[str], heard: NDArray[np.int16], blank: int) -> None:
        """``heard`` (clips, N_QUERIES): the likeliest unit of CTC's output, ``blank`` between words."""
        self._layouts: dict[int, list[Layout]] = {}
        rows: dict[str, list[int]] = {}
        blanks: list[list[int]] = [[] for _ in range(N_QUERIES)]
        numbers = word_numbers(heard, blank)
        for clip, text in enumerate(texts):
            words = tokens(text)
            if numbers[clip, -1] + 1 != len(words):
                continue  # which word is which cannot be told
            layout = tuple(
                int(number) if unit != blank else None
                for number, unit in zip(numbers[clip], heard[clip], strict=True)
            )
            self._layouts.setdefault(len(words), []).append(layout)
            for at, number in enumerate(layout):
                (blanks[at] if number is None else rows.setdefault(words[number], [])).append(
                    clip * N_QUERIES + at
                )
        anywhere = sum(blanks, []) or list(range(N_QUERIES))
        self._rows = rows
        self._blanks = [at or anywhere for at in blanks]

    def __call__(self, text: str, rng: Random) -> Rows:
        said = [word for word in tokens(text) if word in self._rows and rng.random() >= UNHEARD][:N_QUERIES]
        layout = rng.choice(self._layouts.get(len(said)) or [_halves(len(said), rng)])
        return tuple(
            rng.choice(self._blanks[at] if number is None else self._rows[said[number]])
            for at, number in enumerate(layout)
        )


def from_folder(folder: Path) -> Recall:
    """Of the training clips."""
    blank = len(states.finished(folder).words)
    texts = [clip.text for clip in states.clips_heard(folder)]
    return Recall(texts, np.load(folder / "speech_words.npy"), blank)


def _halves(n_words: int, rng: Random) -> Layout:
    """The first words from the beginning on, the last ones up to the end: what layouts look like on the whole."""
    first = rng.randint(0, n_words)
    between: list[None] = [None] * (N_QUERIES - n_words)
    return (*range(first), *between, *range(first, n_words))
