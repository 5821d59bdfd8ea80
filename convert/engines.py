"""A bundle's parts, opened one by one, so that each stage's output can be looked at."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from edge_llasm.adapter import Adapter
from edge_llasm.bundle import Bundle
from edge_llasm.gguf_file import read_gguf
from edge_llasm.llama import Llama
from edge_llasm.segments import Segment, Tokens, length
from edge_llasm.speech.whisper_cpp import WhisperCpp
from edge_llasm.whisper_file import read_whisper

Floats = NDArray[np.float32]

_F16_SPEECH = 1  # ggml_ftype
_PLAIN_LLM = (0, 1)  # llama_ftype: f32, f16


class Engines:
    """A bundle's parts as edge_llasm runs them, on one thread of the CPU."""

    def __init__(self, bundle: Bundle) -> None:
        """Raises BundleError or EngineError."""
        bundle.verify()
        self.bundle = bundle
        self.encoder = WhisperCpp.open(bundle.speech_file, bundle.speech, device="cpu", n_threads=1)
        self.adapter = Adapter.open(bundle.adapter_file)
        self.llama = Llama.open(bundle.llm_file, n_ctx=bundle.llm.n_ctx, device="cpu", n_threads=1)

    @property
    def exact(self) -> bool:
        """Whether no part is quantized."""
        header = read_gguf(self.bundle.llm_file)
        return read_whisper(self.bundle.speech_file).ftype == _F16_SPEECH and header.file_type in _PLAIN_LLM

    def logits(self, segments: Sequence[Segment]) -> Floats:
        """(n_vocab,) f32 after the last position of a prompt."""
        self.llama.forget(0)
        position, step = 0, self.llama.n_batch
        for segment in segments:
            for start in range(0, len(segment), step):
                if isinstance(segment, Tokens):
                    self.llama.feed_tokens(segment.ids[start : start + step], position + start)
                else:
                    self.llama.feed_embeddings(segment.values[start : start + step], position + start)
            position += len(segment)
        return self.llama.logits().copy()

    def greedy(self, segments: Sequence[Segment], n_tokens: int) -> list[int]:
        """The ``n_tokens`` likeliest tokens one after the other; nothing ends it."""
        ids = [int(self.logits(segments).argmax())]
        for position in range(length(segments), length(segments) + n_tokens - 1):
            self.llama.feed_tokens(ids[-1:], position)
            ids.append(int(self.llama.logits().argmax()))
        return ids

    def close(self) -> None:
        """Free the native memory."""
        self.encoder.close()
        self.adapter.close()
        self.llama.close()
