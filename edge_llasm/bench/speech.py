"""The speech tower: each engine that a bundle has files for, on a clip and on the full window."""

from __future__ import annotations

from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from edge_llasm.bench.turns import Measured, in_turn
from edge_llasm.bundle import Bundle
from edge_llasm.speech import SpeechEncoder, onnx, whisper_cpp
from edge_llasm.speech.mel import SAMPLE_RATE
from edge_llasm.speech.window import window
from edge_llasm.whisper_file import WhisperHeader, read_whisper

__all__ = ["Hearing", "bench_speech", "operations"]


@dataclass(frozen=True)
class Hearing:
    """One engine on one length of window."""

    engine: str
    type: str
    """of its numbers"""
    window_seconds: float
    took: Measured
    operations: float
    """multiplications and additions that Whisper's definition asks for"""


def bench_speech(bundle: Bundle, seconds: float, rounds: int) -> list[Hearing]:
    """A clip of `seconds` through a window of its length, and the full window, on the CPU, all in turn.

    The clip is noise: what is said changes nothing about the time. Raises BundleError, EngineError.
    """
    spec = replace(bundle.speech, trim_window=True)
    header = read_whisper(bundle.speech_file)
    seconds = min(seconds, spec.window_seconds)
    clips = {
        length: (0.1 * np.random.default_rng(0).standard_normal(round(length * SAMPLE_RATE))).astype(
            np.float32
        )
        for length in dict.fromkeys((seconds, spec.window_seconds))
    }
    with ExitStack() as stack:
        engines: list[SpeechEncoder] = [whisper_cpp.WhisperCpp.open(bundle.speech_file, spec, "cpu")]
        stack.enter_context(closing(engines[0]))
        if bundle.has_onnx:
            engines.append(stack.enter_context(closing(onnx.OnnxSpeech.open(bundle.onnx_file, spec))))
        runs = {
            (engine.name, length): partial(engine.encode, clip)
            for engine in engines
            for length, clip in clips.items()
        }
        took = in_turn(runs, rounds)
    types = {whisper_cpp.NAME: spec.type, onnx.NAME: spec.onnx}
    return [
        Hearing(
            engine=name,
            type=types[name] or "-",
            window_seconds=length,
            took=took[name, length],
            operations=operations(header, window(len(clips[length]), spec), spec.n_queries),
        )
        for name, length in runs
    ]


def operations(shape: WhisperHeader, positions: int, n_queries: int) -> float:
    """Of the tower's matrix products: a multiplication and an addition for each weight and row."""
    d = shape.n_audio_state
    convolutions = 3 * d * (2 * shape.n_mels + d) * positions  # the first one has twice as many rows
    encoder = shape.n_audio_layer * (12 * d * d + 2 * positions * d) * positions
    asking = (14 * d * d + 2 * (positions + n_queries) * d) * n_queries
    decoder = shape.n_text_layer * (asking + 2 * d * d * positions)
    return 2.0 * (convolutions + encoder + decoder)
