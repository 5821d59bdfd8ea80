"""Speech is kept whole, however short, quiet or noisy; what is no speech is said to be none."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from edge_llasm.audio import SAMPLE_RATE, load_audio
from edge_llasm.errors import NoSpeech
from edge_llasm.vad import KEEP_AFTER, KEEP_BEFORE, speech_pieces, speech_spans

CLIPS = Path(__file__).parent / "clips"
HELD_OUT = Path(__file__).parents[1] / "models" / "nano" / "heldout"
SPOKEN = ["yes-espeak", "yes-flite", "undo-espeak", "undo-flite", "hao-espeak", "total-espeak"]
WINDOW = 10.0  # seconds
N = 4 * SAMPLE_RATE
TIME = np.arange(N) / SAMPLE_RATE
Samples = NDArray[np.float32]


def spoken(name: str) -> Samples:
    return load_audio(CLIPS / f"{name}.ogg")


def noise(n: int, level: float, seed: int = 0) -> Samples:
    return (level * np.random.default_rng(seed).standard_normal(n)).astype(np.float32)


def rms(samples: Samples) -> float:
    return float(np.sqrt(np.square(samples, dtype=np.float64).mean()))


def place(piece: Samples, recording: Samples) -> int:
    """Where a piece was taken from."""
    starts = np.flatnonzero(recording[: len(recording) - len(piece) + 1] == piece[0])
    return next(
        int(start) for start in starts if np.array_equal(recording[start : start + len(piece)], piece)
    )


def burst_train(milliseconds: float, every: float, low_pass: int = 1) -> Samples:
    """Keys, claps and knocks: decaying noise now and then."""
    rng = np.random.default_rng(1)
    samples = noise(N, 0.001)
    length = round(milliseconds * SAMPLE_RATE / 1000)
    for start in np.arange(0.2, 3.8, every):
        burst = np.convolve(rng.standard_normal(length), np.ones(low_pass) / low_pass, "same")
        at = round((start + rng.uniform(0, every / 3)) * SAMPLE_RATE)
        samples[at : at + length] += (
            0.5 * rng.uniform(0.3, 1) * burst * np.exp(-np.arange(length) / (length / 4))
        ).astype(np.float32)
    return samples


def melody(decay: float) -> Samples:
    samples = np.zeros(N)
    length = round(0.4 * SAMPLE_RATE)
    time = np.arange(length) / SAMPLE_RATE
    for index, note in enumerate((60, 64, 67, 72, 71, 67, 65, 62, 60)):
        hz = 440 * 2 ** ((note - 69) / 12)
        harmonics = [np.sin(2 * np.pi * hz * k * time) / k**1.2 for k in range(1, 9)]
        sound = np.sum(harmonics, axis=0) * np.exp(-decay * time)
        samples[index * length : (index + 1) * length] = sound * np.minimum(1, time / 0.01)
    return (0.2 * samples).astype(np.float32)


def hum(hz: float) -> Samples:
    harmonics = [np.sin(2 * np.pi * hz * k * TIME + k) / k for k in range(1, 10)]
    samples: Samples = (0.1 * np.sum(harmonics, axis=0)).astype(np.float32) + noise(N, 0.001)
    return samples


def click() -> Samples:
    samples = noise(N, 0.001)
    samples[N // 2 : N // 2 + 3] = 1.0
    return samples


NO_SPEECH: dict[str, Callable[[], Samples]] = {
    "digital silence": lambda: np.zeros(N, np.float32),
    "an offset": lambda: np.full(N, 0.3, np.float32),
    "the converter's noise": lambda: noise(N, 3e-5),
    "white noise": lambda: noise(N, 0.1),
    "brown noise": lambda: (np.cumsum(noise(N, 1.0)) / 300).astype(np.float32),
    "hum of 50 Hz": lambda: hum(50),
    "hum of 120 Hz": lambda: hum(120),
    "a hum like a voice": lambda: hum(180),
    "a click": click,
    "keys": lambda: burst_train(15, 0.15),
    "knocks": lambda: burst_train(80, 0.5, low_pass=20),
    "claps": lambda: burst_train(60, 0.6),
    "a tone": lambda: (0.3 * np.sin(2 * np.pi * 440 * TIME)).astype(np.float32),
    "a piano": lambda: melody(3.0),
    "an organ": lambda: melody(0.0),
    "a siren": lambda: (0.3 * np.sin(2 * np.pi * 700 * TIME + 200 * np.sin(np.pi * TIME))).astype(np.float32),
    "one sample": lambda: np.array([0.5], np.float32),
}


@pytest.mark.parametrize("kind", NO_SPEECH)
@pytest.mark.parametrize("gain", [1.0, 0.03])
def test_what_is_no_speech(kind: str, gain: float) -> None:
    with pytest.raises(NoSpeech, match="no speech"):
        speech_pieces((gain * NO_SPEECH[kind]()).astype(np.float32), WINDOW)


@pytest.mark.parametrize("name", SPOKEN)
@pytest.mark.parametrize("gain", [1.0, 0.01], ids=["loud", "quiet"])
@pytest.mark.parametrize("pause", [0.0, 0.8])
def test_a_word_is_kept_whole(name: str, gain: float, pause: float) -> None:
    word = spoken(name)
    silence = np.zeros(round(pause * SAMPLE_RATE), np.float32)
    recording = np.float32(gain) * np.concatenate([silence, word, silence, silence])
    (piece,) = speech_pieces(recording, WINDOW)
    start = place(piece, recording) - len(silence)  # of the piece, in the word
    lost = np.square(word[: max(0, start)]).sum() + np.square(word[max(0, start + len(piece)) :]).sum()
    assert lost < 1e-3 * np.square(word).sum()


@pytest.mark.parametrize("name", SPOKEN)
@pytest.mark.parametrize("decibel", [20, 10])
def test_speech_in_noise_is_found(name: str, decibel: int) -> None:
    word = spoken(name)
    recording = np.pad(word, (8000, 12000)) + noise(len(word) + 20_000, rms(word) / 10 ** (decibel / 20))
    (piece,) = speech_pieces(recording, WINDOW)
    start = place(piece, recording)
    lost = (
        np.square(word[: max(0, start - 8000)]).sum()
        + np.square(word[max(0, start + len(piece) - 8000) :]).sum()
    )
    assert lost < 0.05 * np.square(word).sum()


@pytest.mark.parametrize("name", ["055.ogg", "056.ogg", "177.ogg", "226.ogg"])
def test_a_voice_with_high_formants_is_found_though_the_detector_does_not_know_it(name: str) -> None:
    recording = load_audio(HELD_OUT / name)
    (piece,) = speech_pieces(recording, WINDOW)
    assert np.square(piece).sum() > 0.95 * np.square(recording).sum()


@pytest.mark.parametrize(("name", "begins"), [("006", 0.29), ("111", 0.13), ("271", 0.32)])
def test_what_is_said_before_the_detector_knows_the_voice_is_kept(name: str, begins: float) -> None:
    """Up to 0.65 s of words, whose probability stays low: only their energy tells. ``begins``: s, the first of them."""
    ((start, _),) = speech_spans(load_audio(HELD_OUT / f"{name}.ogg"), WINDOW)
    assert start <= begins * SAMPLE_RATE


def test_silence_at_both_ends_is_cut_off_but_for_the_margins() -> None:
    word = spoken("total-espeak")
    recording = np.pad(word, (3 * SAMPLE_RATE, 4 * SAMPLE_RATE)) + noise(len(word) + 7 * SAMPLE_RATE, 1e-4)
    (piece,) = speech_pieces(recording, WINDOW)
    start = place(piece, recording)
    frame = 512  # the detector's grain
    assert KEEP_BEFORE - frame <= 3 * SAMPLE_RATE - start <= KEEP_BEFORE + 4 * frame
    assert KEEP_AFTER - frame <= start + len(piece) - len(word) - 3 * SAMPLE_RATE <= KEEP_AFTER + 6 * frame


def test_a_recording_is_not_changed() -> None:
    word = spoken("undo-espeak")
    kept = word.copy()
    speech_pieces(word, WINDOW)
    np.testing.assert_array_equal(word, kept)


def sentences(seconds: float) -> tuple[Samples, list[tuple[int, int]]]:
    """Utterances with pauses of 0.4 s between them, and where the pauses are."""
    parts: list[Samples] = []
    pauses: list[tuple[int, int]] = []
    length = 0
    pause = np.zeros(round(0.4 * SAMPLE_RATE), np.float32)
    while length < seconds * SAMPLE_RATE:
        for name in ("total-espeak", "undo-flite", "yes-espeak", "total-espeak", "hao-espeak"):
            word = spoken(name)
            pauses.append((length + len(word), length + len(word) + len(pause)))
            parts += [word, pause]
            length += len(word) + len(pause)
    speech = np.concatenate(parts)
    return speech + noise(len(speech), 1e-3), pauses


def check_pieces(recording: Samples, pauses: list[tuple[int, int]], window: float) -> None:
    pieces = speech_pieces(recording, window)
    assert max(map(len, pieces)) <= window * SAMPLE_RATE
    whole = np.concatenate(pieces)
    start = place(whole, recording)  # nothing is lost, nothing is twice
    assert start <= 0.1 * SAMPLE_RATE
    assert start + len(whole) >= pauses[-1][0]
    cuts = start + np.cumsum([len(piece) for piece in pieces])[:-1]
    for cut in cuts:
        assert any(a <= cut <= b for a, b in pauses), f"{cut / SAMPLE_RATE:.2f} s is inside a word"


@pytest.mark.parametrize("window", [5.0, 10.0, 30.0])
def test_long_speech_is_cut_in_its_pauses_and_nothing_is_lost(window: float) -> None:
    check_pieces(*sentences(45), window)


@pytest.mark.slow
def test_ten_minutes_of_speech() -> None:
    recording, pauses = sentences(600)
    check_pieces(recording, pauses, WINDOW)


def test_speech_without_a_pause_is_cut_all_the_same() -> None:
    recording = np.concatenate([spoken("total-espeak")] * 8)
    pieces = speech_pieces(recording, 2.0)
    assert max(map(len, pieces)) <= 2 * SAMPLE_RATE
    assert min(map(len, pieces)) > 0.1 * SAMPLE_RATE
    assert place(np.concatenate(pieces), recording) == 0


def test_a_window_that_just_fits_is_not_cut() -> None:
    recording = spoken("total-espeak")
    (piece,) = speech_pieces(recording, WINDOW)
    window = len(piece) / SAMPLE_RATE
    assert len(speech_pieces(recording, window)) == 1
    assert len(speech_pieces(recording, window - 0.01)) == 2


def test_spans_say_where_the_pieces_are() -> None:
    word = spoken("total-espeak")
    recording = np.concatenate([word, np.zeros(4 * SAMPLE_RATE, np.float32), word])
    spans, pieces = speech_spans(recording, 3.0), speech_pieces(recording, 3.0)
    assert len(spans) >= 2
    assert all(np.array_equal(recording[a:b], piece) for (a, b), piece in zip(spans, pieces, strict=True))
    assert all(end <= start for (_, end), (start, _) in zip(spans[:-1], spans[1:], strict=True))


def test_a_long_silence_between_sentences_gives_no_piece_of_its_own() -> None:
    word = spoken("total-espeak")
    recording = np.concatenate([word, np.zeros(40 * SAMPLE_RATE, np.float32), word])
    pieces = speech_pieces(recording + noise(len(recording), 1e-3), 5.0)
    assert len(pieces) == 2
    assert all(len(piece) <= 5 * SAMPLE_RATE for piece in pieces)
