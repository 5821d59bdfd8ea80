"""What a window as long as the clip changes in a model that was trained on the full one, by clip length.

The bundle is compared with itself, by the engine that a CPU takes: its states in both windows, and the tokens that
it answers with after each.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from convert.compare import difference, prompt, worst
from convert.engines import Engines, encoder_names, open_encoder
from edge_llasm.bundle import Bundle
from edge_llasm.parity import Trimmed
from edge_llasm.segments import length
from edge_llasm.speech.mel import SAMPLE_RATE

Floats = NDArray[np.float32]

LENGTHS = (1, 2, 4, 8, 16)
"""Seconds"""
N_CLIPS = 3
"""Of each length"""


def trimmed_windows(bundle: Bundle, recordings: Sequence[Floats], n_tokens: int) -> tuple[Trimmed, ...]:
    """Clips cut from ``recordings``, (n,) f32 16 kHz each, which follow each other as long as is needed.

    Raises BundleError or EngineError.
    """
    clips = {
        seconds: list(_clips(recordings, seconds))
        for seconds in LENGTHS
        if seconds < bundle.speech.window_seconds
    }
    full, trimmed = (
        _states(replace(bundle, speech=replace(bundle.speech, trim_window=trim)), clips)
        for trim in (False, True)
    )
    engines = Engines(bundle)
    found = []
    try:
        for seconds in clips:
            pairs = list(zip(full[seconds], trimmed[seconds], strict=True))
            same = [_agreements(engines, *pair, n_tokens) for pair in pairs]
            features = worst([difference(short, whole) for whole, short in pairs])
            positions = sum(map(len, same))
            found.append(Trimmed(float(seconds), features, positions, sum(map(sum, same)) / positions))
    finally:
        engines.close()
    return tuple(found)


def _states(bundle: Bundle, clips: dict[int, list[Floats]]) -> dict[int, list[Floats]]:
    encoder = open_encoder(bundle, encoder_names(bundle)[-1])
    try:
        return {seconds: [encoder.encode(clip) for clip in some] for seconds, some in clips.items()}
    finally:
        encoder.close()


def _agreements(engines: Engines, full: Floats, trimmed: Floats, n_tokens: int) -> list[bool]:
    """Whether each greedy token after the full window's states is also the trimmed one's, fed with the same."""
    whole, short = (
        prompt(engines.bundle, engines.adapter.embed(states), engines.llama.tokenize)
        for states in (full, trimmed)
    )
    ids = engines.greedy(whole, min(n_tokens, engines.bundle.llm.n_ctx - length(whole)))
    _, taken = engines.follow(short, ids)
    return [ours == theirs for ours, theirs in zip(taken, ids, strict=True)]


def _clips(recordings: Sequence[Floats], seconds: int) -> Iterator[Floats]:
    sound, n = np.concatenate(list(recordings)), seconds * SAMPLE_RATE
    sound = np.tile(sound, -(-N_CLIPS * n // len(sound)))
    for i in range(N_CLIPS):
        yield sound[i * n : (i + 1) * n]
