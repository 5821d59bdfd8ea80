"""A bundle's parts, opened one by one, so that each stage's output can be looked at."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from edge_llasm.adapter import Adapter
from edge_llasm.bundle import Bundle
from edge_llasm.gguf_file import PLAIN_TYPES, read_gguf
from edge_llasm.llama import Llama
from edge_llasm.segments import Segment, batches, length
from edge_llasm.speech import SpeechEncoder, onnx, whisper_cpp
from edge_llasm.speech.mel import MEL_PER_POSITION, log_mel
from edge_llasm.whisper_file import read_whisper

Floats = NDArray[np.float32]

QUANTIZATION_VERSION = 1000  # ggml_ftype has the version as its thousands


class Engines:
    """A bundle's parts as edge_llasm runs them, on the CPU."""

    def __init__(self, bundle: Bundle) -> None:
        """Raises BundleError or EngineError."""
        bundle.verify()
        self.bundle = bundle
        self.encoders = {name: open_encoder(bundle, name) for name in encoder_names(bundle)}
        """By their names: whisper.cpp's, and onnx's where the bundle has it."""
        self.adapter = Adapter.open(bundle.adapter_file)
        self.llama = Llama.open(bundle.llm_file, n_ctx=bundle.llm.n_ctx, device="cpu")

    def speech_type(self, engine: str) -> str:
        """f16, q8_0, f32, int8, or something else."""
        if engine == onnx.NAME:
            return self.bundle.speech.onnx or "other"
        ftype = read_whisper(self.bundle.speech_file).ftype % QUANTIZATION_VERSION
        return {1: "f16", 7: "q8_0"}.get(ftype, "other")  # ggml_ftype

    @property
    def llm_type(self) -> str:
        """plain (nothing is quantized), Q8_0, or something else."""
        ftype = read_gguf(self.bundle.llm_file).file_type
        return "plain" if ftype in PLAIN_TYPES else {7: "Q8_0"}.get(ftype, "other")  # llama_ftype

    def mel(self, samples: Floats, n_positions: int) -> Floats:
        """(n,) f32 16 kHz -> (n_mels, 2 * n_positions) f32."""
        return log_mel(samples, self.bundle.speech.n_mels, n_positions * MEL_PER_POSITION)

    def logits(self, segments: Sequence[Segment]) -> Floats:
        """(n_vocab,) f32 after the last position of a prompt."""
        self.llama.forget(0)
        position = 0
        for batch in batches(segments, self.llama.n_batch):
            position += self.llama.feed([part.content for part in batch], position)
        return self.llama.logits().copy()

    def greedy(self, segments: Sequence[Segment], n_tokens: int) -> list[int]:
        """The ``n_tokens`` likeliest tokens one after the other, each fed back; nothing ends it."""
        ids = [int(self.logits(segments).argmax())]
        for position in range(length(segments), length(segments) + n_tokens - 1):
            self.llama.feed_tokens(ids[-1:], position)
            ids.append(int(self.llama.logits().argmax()))
        return ids

    def follow(self, segments: Sequence[Segment], ids: Sequence[int]) -> tuple[Floats, list[int]]:
        """The (n_vocab,) f32 logits after a prompt, and the likeliest token in the place of each of ``ids``."""
        first = self.logits(segments)
        likeliest = [int(first.argmax())]
        for position, token in enumerate(ids[:-1], start=length(segments)):
            self.llama.feed_tokens([token], position)
            likeliest.append(int(self.llama.logits().argmax()))
        return first, likeliest

    def log_probabilities(self, ids: Sequence[int]) -> list[float]:
        """Of each token but the first, given those before it."""
        self.llama.forget(0)
        found = []
        for position, (token, following) in enumerate(pairwise(ids)):
            self.llama.feed_tokens([token], position)
            logits = self.llama.logits().astype(np.float64)
            peak = logits.max()
            found.append(float(logits[following] - peak - np.log(np.exp(logits - peak).sum())))
        return found

    def close(self) -> None:
        """Free the native memory."""
        for encoder in self.encoders.values():
            encoder.close()
        self.adapter.close()
        self.llama.close()


def encoder_names(bundle: Bundle) -> tuple[str, ...]:
    """The speech engines that a bundle has files for, the one that a CPU takes last."""
    return (whisper_cpp.NAME, onnx.NAME) if bundle.has_onnx else (whisper_cpp.NAME,)


def open_encoder(bundle: Bundle, name: str) -> SpeechEncoder:
    """A speech engine on the CPU. Raises BundleError or EngineError."""
    if name == onnx.NAME:
        return onnx.OnnxSpeech.open(bundle.onnx_file, bundle.speech)
    return whisper_cpp.WhisperCpp.open(bundle.speech_file, bundle.speech, device="cpu")
