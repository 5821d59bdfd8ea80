"""edge-llasm as a candidate: nano itself, and the model of random weights."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from edge_llasm import hearing
from edge_llasm.bench.candidate import ANSWER
from edge_llasm.bench.ours import EdgeLlasm
from edge_llasm.bundle import Bundle
from edge_llasm.errors import PromptTooLong
from edge_llasm.gguf_file import read_gguf
from edge_llasm.speech import onnx


@pytest.fixture(scope="module")
def nano() -> Iterator[EdgeLlasm]:
    candidate = EdgeLlasm("nano", device="cpu")
    yield candidate
    candidate.close()


def test_it_says_what_it_is(nano: EdgeLlasm) -> None:
    bundle = Bundle.find("nano")
    assert nano.loaded.name == "edge-llasm, onnx"
    assert nano.loaded.note == "f16 numbers, window as long as the clip"
    assert nano.loaded.load_ms > 0
    cache = read_gguf(bundle.llm_file).cache_per_position * bundle.llm.n_ctx
    without_whisper = bundle.size - bundle.speech_file.stat().st_size
    assert nano.loaded.expected == without_whisper + cache


def test_the_stages_are_parts_of_the_delay(nano: EdgeLlasm) -> None:
    turn = nano.turn(2, first=True)
    assert turn.mel_ms is not None
    assert turn.find_ms is not None
    assert turn.adapter_ms is not None
    stages = (turn.find_ms, turn.mel_ms, turn.speech_ms, turn.adapter_ms, turn.prefill_ms)
    assert min(stages) > 0
    assert sum(stages) < turn.first_token_ms
    assert turn.tokens_per_second > 0


def test_a_second_turn_reads_only_what_is_new(nano: EdgeLlasm) -> None:
    first = nano.turn(2, first=True)
    second = nano.turn(2, first=False)
    third = nano.turn(2, first=False)
    new = [turn.prompt_tokens - turn.cached_tokens for turn in (first, second, third)]
    queries = Bundle.find("nano").speech.n_queries
    assert first.cached_tokens > 0  # the head of every prompt, read while nobody spoke
    assert queries < new[0] < queries + 20
    assert new == [new[0]] * 3
    assert third.prompt_tokens > second.prompt_tokens > first.prompt_tokens


def test_a_question_beyond_the_context_is_refused_and_the_next_one_answered(nano: EdgeLlasm) -> None:
    with pytest.raises(PromptTooLong):
        nano.turn(104, first=True)
    assert nano.turn(2, first=True).tokens_per_second > 0


def test_the_full_window_is_more_to_compute(tiny_bundle: Path) -> None:
    clip, full = (
        EdgeLlasm(str(tiny_bundle), device="cpu", window=window, speech="whisper.cpp")
        for window in ("clip", "full")
    )
    turns = [candidate.turn(2, first=True) for candidate in (clip, full)]
    assert (clip.loaded.name, full.loaded.name) == (
        "edge-llasm, whisper.cpp, clip window",
        "edge-llasm, whisper.cpp, full window",
    )
    assert full.loaded.note == "f16 numbers, window always 5 s"
    assert turns[0].mel_ms is None  # whisper.cpp makes its own
    assert turns[0].operations is not None
    assert turns[1].operations is not None
    assert turns[1].operations > turns[0].operations
    full.close()
    clip.close()


def test_random_weights_whose_answer_does_not_end_are_measured(tiny_bundle: Path) -> None:
    product = hearing.speech_spans, onnx.log_mel
    candidate = EdgeLlasm(str(tiny_bundle), device="cpu", cold=True)
    first = candidate.turn(1, first=True)
    second = candidate.turn(1, first=False)
    assert second.cached_tokens == 0  # that is what cold means
    assert second.prompt_tokens - 2 * first.prompt_tokens < 2 * ANSWER  # the answer between them, re-read
    assert second.tokens_per_second > 0
    candidate.close()
    assert (hearing.speech_spans, onnx.log_mel) == product  # the stopwatches are gone
