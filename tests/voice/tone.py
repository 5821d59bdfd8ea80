"""A voice as quick as it is dull: its length is known, and it needs no synthesizer."""

import numpy as np
from numpy.typing import NDArray

from edge_llasm.voice.script import Language

Samples = NDArray[np.float32]

RATE = 16_000
CHARACTER_S = 0.1


class Tone:
    """Hums so long for each character, and keeps what it was given to say."""

    name = "tone"
    speaks: frozenset[Language] = frozenset({"en", "zh"})

    def __init__(self) -> None:
        self.said: list[str] = []

    def say(self, text: str) -> tuple[Samples, int]:
        self.said.append(text)
        time = np.arange(round(CHARACTER_S * len(text) * RATE)) / RATE
        return (0.3 * np.sin(2 * np.pi * 440 * time)).astype(np.float32), RATE
