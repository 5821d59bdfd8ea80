"""A loaded model by itself: how it hears long recordings, writes them down, and tells what that took."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from edge_llasm.audio import SAMPLE_RATE, load_audio
from edge_llasm.bundle import Bundle
from edge_llasm.composer import default_sampling
from edge_llasm.errors import EngineError
from edge_llasm.llm import Piece
from edge_llasm.loading import load_parts
from edge_llasm.model import Chunk, Model
from edge_llasm.prompt import Spoken, Turn
from edge_llasm.sampling import Sampling

Samples = npt.NDArray[np.float32]  # (n_samples,) f32, 16 kHz

HELLO = Turn(("hello",))


@pytest.fixture(scope="module")
def bundle(tiny_bundle: Path) -> Bundle:
    return Bundle.load(tiny_bundle)


@pytest.fixture(scope="module")
def model(bundle: Bundle) -> Iterator[Model]:
    model = Model(bundle, partial(load_parts, bundle, device="cpu"))
    yield model
    model.close()


@pytest.fixture(scope="module")
def said(speech: Path) -> Samples:
    return load_audio(speech)


@pytest.fixture(scope="module")
def long(speech: Path, bundle: Bundle) -> Samples:
    """More than the window holds."""
    return long_recording(speech, bundle.speech.window_seconds)


def long_recording(speech: Path, window_seconds: float) -> Samples:
    samples = load_audio(speech)
    return np.concatenate([samples] * (2 + int(window_seconds * SAMPLE_RATE / len(samples))))


def transcribed(
    model: Model, *recordings: Samples, tokens: int = 4, cancel: Event | None = None
) -> Iterator[Chunk]:
    return model.transcribe(recordings, Sampling(max_tokens=tokens), cancel)


def text_of(chunks: Iterator[Chunk]) -> str:
    return "".join(chunk.text for chunk in chunks)


def reasons(chunks: Sequence[Chunk]) -> list[str]:
    return [chunk.finish_reason for chunk in chunks if chunk.finish_reason is not None]


def test_only_the_last_chunk_of_an_answer_carries_timings(
    model: Model, bundle: Bundle, said: Samples
) -> None:
    model.forget()
    meter = model.meter([said])
    user = model.understand([said], (), meter, None)
    chunks = list(model.answer([Turn(user)], meter, None, None))
    timings = chunks[-1].timings
    assert len(chunks) > 1
    assert all(chunk.timings is None for chunk in chunks[:-1])
    assert timings is not None
    assert timings.audio_seconds == pytest.approx(len(said) / SAMPLE_RATE)
    assert timings.load_ms > 0
    assert timings.speech_ms > 0
    assert timings.adapter_ms > 0
    assert 0 < timings.first_token_ms <= timings.total_ms
    assert timings.prompt_tokens > bundle.speech.n_queries
    assert timings.generated_tokens <= default_sampling(bundle).max_tokens
    assert timings.tokens_per_second > 0


def test_a_long_recording_is_several_blocks_of_one_part(model: Model, long: Samples) -> None:
    spoken, text = model.understand([long], ("in Chinese",), model.meter([long]), None)
    assert isinstance(spoken, Spoken)
    assert len(spoken.pieces) > 1
    assert text == "in Chinese"


def test_what_was_read_is_answered_from_the_first_token_on(model: Model) -> None:
    model.read([HELLO], None, None)
    *_, last = model.answer([HELLO], model.meter(), None, None)
    assert last.timings is not None
    assert last.timings.cached_tokens == last.timings.prompt_tokens


def test_recordings_are_transcribed_one_per_line(model: Model, said: Samples) -> None:
    one = text_of(transcribed(model, said))
    assert text_of(transcribed(model, said, said)) == f"{one}\n{one.lstrip()}"


def test_a_transcript_cut_off_in_its_first_piece_says_so(
    model: Model, said: Samples, monkeypatch: pytest.MonkeyPatch
) -> None:
    ends = iter(["length", "stop"])
    generate = model.parts.llm.generate

    def ended(*arguments: Any, **options: Any) -> Iterator[Piece]:
        for piece in generate(*arguments, **options):
            reason = next(ends) if piece.finish_reason else None
            yield replace(piece, finish_reason=reason)  # type: ignore[arg-type]

    monkeypatch.setattr(model.parts.llm, "generate", ended)
    assert reasons(list(transcribed(model, said, said))) == ["length"]


def test_a_long_recording_is_transcribed_piece_by_piece(model: Model, long: Samples) -> None:
    chunks = list(transcribed(model, long))
    assert len(reasons(chunks)) == 1
    assert chunks[-1].timings is not None
    assert chunks[-1].timings.generated_tokens > 4
    cancel = Event()
    cut = transcribed(model, long, cancel=cancel)
    next(cut)
    cancel.set()
    assert reasons(list(cut)) == ["cancelled"]


def test_a_transcript_says_when_each_piece_is_spoken(model: Model, long: Samples) -> None:
    heard = [chunk.heard for chunk in transcribed(model, long)]
    spans = list(dict.fromkeys(span for span in heard if span is not None))
    assert None not in heard
    assert len(spans) > 1
    assert spans == sorted(spans)
    assert 0 <= spans[0][0] < spans[-1][1] <= len(long) / SAMPLE_RATE


@pytest.mark.slow
def test_ten_minutes_are_transcribed(model: Model, bundle: Bundle, speech: Path) -> None:
    *_, last = transcribed(model, long_recording(speech, 600), tokens=1)
    assert last.timings is not None
    assert last.timings.audio_seconds > 600
    assert last.timings.generated_tokens >= 600 / bundle.speech.window_seconds


def test_a_closed_model_ends_the_answer_that_is_half_read(bundle: Bundle) -> None:
    model = Model(bundle, partial(load_parts, bundle, device="cpu"))
    chunks = model.answer([HELLO], model.meter(), Sampling(max_tokens=200, guard=None), None)
    next(chunks)
    model.close()
    with pytest.raises(EngineError, match="closed"):
        list(chunks)
