"""Where does somebody speak? Silence is cut off at both ends, and what is longer than the window is cut in its pauses.

Silero's detector (silero.py) judges frames of 32 ms. It wants a level like that of its training and starts late at
soft consonants: hence the gain and the extension by energy below. The thresholds were chosen on isolated words of
synthetic voices, clean and in noise, against noises, hums, knocks, keys and tones. It does not know voices with very
high formants: where it finds nobody speaking, it hears once more deeper.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from edge_llasm.audio import SAMPLE_RATE
from edge_llasm.errors import NoSpeech
from edge_llasm.silero import FRAME, Judge, begun
from edge_llasm.split import quietest_cuts

__all__ = ["EDGE", "LEVEL", "LOUD_FRAMES", "SPEECH", "speech_pieces", "speech_spans"]

KEEP_BEFORE = round(0.150 * SAMPLE_RATE)
KEEP_AFTER = round(0.100 * SAMPLE_RATE)
"""Samples kept around the speech"""
LOUD_FRAMES = 6
"""The level of a recording is that of its sixth loudest frame: a click has fewer, a word has more"""
LEVEL = 0.02
LEVELS = LEVEL, 0.005, 0.2
"""RMS that the detector is given, one after the other until it hears enough"""
DEEPER, DEEPER_LEVEL = 0.7, 0.2
"""Speed and RMS at which a recording without speech is heard once more: high formants come down"""
SILENT = 1e-5
"""RMS below which there is nothing but the converter's noise"""
OFFSET = SAMPLE_RATE
"""Samples of the beginning, 1 s, by which a microphone's offset is known: what comes later changes nothing before it"""
BESIDE, EDGE, SPEECH = 0.15, 0.35, 0.5
"""Probability that a frame beside speech belongs to it, that a frame is in a run of speech, that it is speech"""
WORD = 3.6
"""Sum of probabilities over a run that makes it a word: 115 ms of certain speech"""
PHRASE = 7.0
"""The same for a run that needs no further evidence"""
SHARE = 0.25
"""Of the loud frames that must be speech when there is no phrase: now and then a melody is taken for a syllable"""
LOUD = 0.5
"""A frame is loud above this part of the level, -6 dB"""
REACH_BEFORE, REACH_AFTER = 64, 10
"""Frames by which speech may extend over what is louder than the background: soft consonants, and before it, 2 s, the
first words of a voice that the detector is slow to know"""
GAP_BEFORE, GAP_AFTER = 8, 3
"""Frames of silence inside such an extension: the pause between two words, the closure of a plosive"""
ABOVE_BACKGROUND = 1.5
"""Times the background's RMS, 3.5 dB"""

Samples = NDArray[np.float32]  # (n_samples,), 16 kHz


@dataclass(frozen=True)
class _Heard:
    """What is known of each frame."""

    probability: NDArray[np.float32]
    """(n_frames,) of speech"""
    rms: NDArray[np.float32]
    """(n_frames,)"""
    level: float
    """RMS of the loudest parts"""

    @property
    def longest(self) -> float:
        """Largest sum of probabilities over a run of speech."""
        sums = [float(self.probability[start:end].sum()) for start, end in _runs(self.probability > EDGE)]
        return max(sums, default=0.0)

    @property
    def is_speech(self) -> bool:
        longest = self.longest
        if longest < WORD or longest >= PHRASE:
            return longest >= PHRASE
        loud = self.rms > LOUD * self.level
        return bool((self.probability[loud] > SPEECH).mean() >= SHARE)


def speech_pieces(samples: Samples, window_seconds: float) -> list[Samples]:
    """(n_samples,) f32, 16 kHz -> pieces (n,) of at most the window, without the silence at both ends.

    Put together the pieces are the recording from first to last word, except that a piece in which nobody speaks is
    left out: a model makes words of silence. Cuts fall in pauses where there are any. Raises NoSpeech.
    """
    return [samples[start:end] for start, end in speech_spans(samples, window_seconds)]


def speech_spans(samples: Samples, window_seconds: float) -> list[tuple[int, int]]:
    """Where the pieces are: [start, end) of each, in samples. Raises NoSpeech."""
    heard = next((one for one in (_listen(samples, level) for level in LEVELS) if one.is_speech), None)
    if heard is None and (deeper := _listen_deeper(samples)).longest >= PHRASE:
        heard = deeper
    if heard is None:
        raise NoSpeech("no speech was found in the recording; check the microphone and speak closer to it")
    start, end = _bounds(heard, len(samples))
    window = round(window_seconds * SAMPLE_RATE)
    if end - start <= window:
        return [(start, end)]
    voiced = np.repeat(heard.probability, FRAME)[start:end]
    cuts = [0, *quietest_cuts(samples[start:end], voiced, window), end - start]
    spans = [(start + a, start + b) for a, b in zip(cuts[:-1], cuts[1:], strict=True)]
    return [(a, b) for a, b in spans if _has_speech(samples[a:b])] or spans


def _has_speech(piece: Samples) -> bool:
    """At the piece's own level, and easier to convince than for a whole recording: it may hold half a word.

    The first frame that is speech is enough, and mostly comes soon.
    """
    frames, _, level = _frames(piece)
    if level < SILENT:
        return False
    frames = _given(frames, level, LEVEL)
    detector = begun(frames)
    return any(detector.judge(frame) > SPEECH for frame in frames)


def _listen(samples: Samples, given_level: float = LEVEL) -> _Heard:
    """Judge every frame at a level."""
    frames, rms, level = _frames(samples)
    if level < SILENT:
        return _Heard(np.zeros(len(frames), np.float32), rms, level)
    return _Heard(_judge.judge(_given(frames, level, given_level)), rms, level)


def _frames(samples: Samples) -> tuple[Samples, NDArray[np.float32], float]:
    """(n_samples,) -> (n_frames, FRAME) around zero, the last one filled up with zeros; (n_frames,) RMS; the level."""
    n_frames = max(1, -(-len(samples) // FRAME))
    centred = samples - samples[:OFFSET].mean(dtype=np.float64).astype(np.float32)
    frames = np.pad(centred, (0, n_frames * FRAME - len(samples))).reshape(n_frames, FRAME)
    rms = np.sqrt(np.square(frames, dtype=np.float64).mean(axis=1)).astype(np.float32)
    return frames, rms, float(np.sort(rms)[-min(LOUD_FRAMES, n_frames)])


def _given(frames: Samples, level: float, given_level: float) -> Samples:
    """(n_frames, FRAME) of a recording at `level` -> the same at the level that the detector is given."""
    given: Samples = np.clip(frames * (given_level / level), -1.0, 1.0).astype(np.float32)
    return given


def _listen_deeper(samples: Samples) -> _Heard:
    """What is heard at the same moments when everything is slower, and so lower, by ``DEEPER``."""
    heard = _listen(samples, DEEPER_LEVEL)
    import soxr

    slow = _listen(soxr.resample(samples, SAMPLE_RATE * DEEPER, SAMPLE_RATE), DEEPER_LEVEL).probability
    middles = (np.arange(len(heard.rms)) + 0.5) / DEEPER
    return replace(heard, probability=slow[np.minimum(middles.astype(int), len(slow) - 1)])


_judge = Judge()
"""One memory for the whole process: the recording that was judged last"""


def _bounds(heard: _Heard, n_samples: int) -> tuple[int, int]:
    """First and last sample to keep: all runs of speech, the soft sounds beside them, and the margins."""
    runs = [(a, b) for a, b in _runs(heard.probability > BESIDE) if heard.probability[a:b].max() > SPEECH]
    first, last = runs[0][0], runs[-1][1] - 1
    near = heard.rms[: last + 1 + REACH_AFTER]  # so that a longer silence afterwards does not move the end
    background = float(np.quantile(near, 0.1))
    audible = heard.rms > max(ABOVE_BACKGROUND * background, 0.003 * heard.level)
    first = first - _extension(audible[:first][::-1], REACH_BEFORE, GAP_BEFORE)
    last = last + _extension(audible[last + 1 :], REACH_AFTER, GAP_AFTER)
    return max(0, first * FRAME - KEEP_BEFORE), min(n_samples, (last + 1) * FRAME + KEEP_AFTER)


def _extension(audible: NDArray[np.bool_], most: int, gap_allowed: int) -> int:
    """How many of the frames, going outwards, still belong to the word."""
    reach = gap = 0
    for index, loud in enumerate(audible[:most]):
        gap = 0 if loud else gap + 1
        if gap > gap_allowed:
            break
        if loud:
            reach = index + 1
    return reach


def _runs(mask: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """[start, end) of every run of True."""
    edges = np.flatnonzero(np.diff(np.concatenate(([False], mask, [False]))))
    return [(int(a), int(b)) for a, b in zip(edges[::2], edges[1::2], strict=True)]
