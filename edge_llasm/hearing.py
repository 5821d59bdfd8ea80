"""Recordings -> blocks of embeddings: where somebody speaks, in pieces that fit the window, each heard only once."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from hashlib import blake2b

import numpy as np
import numpy.typing as npt

from edge_llasm.prompt import Spoken
from edge_llasm.segments import Embeddings
from edge_llasm.speech import SpeechEmbedder
from edge_llasm.timings import Meter
from edge_llasm.vad import speech_spans

__all__ = ["Hearing"]

Samples = npt.NDArray[np.float32]  # (n_samples,) f32, 16 kHz

REMEMBERED = 32
"""Pieces, the newest: 32 MB at a 7B's width. What was heard in a pause or earlier in a chat is not heard again"""


class Hearing:
    """The speech side of a model, with a memory of what it heard. Not thread-safe."""

    def __init__(self, speech: SpeechEmbedder) -> None:
        self._speech = speech
        self._heard: OrderedDict[bytes, Embeddings] = OrderedDict()  # by the samples' hash, the newest last

    def pieces(self, recording: Samples) -> list[Samples]:
        """(n_samples,) f32 -> what somebody speaks in, (n,) each, within the window. Raises NoSpeech."""
        return [recording[start:end] for start, end in self.spans(recording)]

    def spans(self, recording: Samples) -> list[tuple[int, int]]:
        """Where these pieces are: [start, end) of each, in samples. Raises NoSpeech."""
        return speech_spans(recording, self._speech.window_seconds)

    def listen(
        self, pieces: Sequence[Samples], meter: Meter, cancel: threading.Event | None = None
    ) -> Spoken:
        """Pieces (n_samples,) f32 within the window -> one block (n, n_embd) f32 each; `meter` gets the time.

        Leaves off after the piece during which `cancel` is set: the answer will be cancelled too, before its
        first token. Raises EngineError.
        """
        blocks = []
        for piece in pieces:
            blocks.append(self._block(piece, meter))
            if cancel is not None and cancel.is_set():
                break
        return Spoken(tuple(blocks))

    def forget(self) -> None:
        """Hear everything anew."""
        self._heard.clear()

    def _block(self, piece: Samples, meter: Meter) -> Embeddings:
        key = blake2b(piece.tobytes(), digest_size=16).digest()
        if key not in self._heard:
            embedded = self._speech.embed(piece)
            meter.heard(embedded.speech_ms, embedded.adapter_ms)
            self._heard[key] = Embeddings(embedded.embeddings)
            if len(self._heard) > REMEMBERED:
                self._heard.popitem(last=False)
        self._heard.move_to_end(key)
        return self._heard[key]
