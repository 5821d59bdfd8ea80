import numpy as np

from edge_llasm.llm import Piece
from edge_llasm.segments import Embeddings, Tokens
from edge_llasm.timings import Meter


def test_prompts_of_one_turn_add_up() -> None:
    meter = Meter(load_ms=100.0, audio_seconds=2.0)
    meter.heard(speech_ms=5.0, adapter_ms=1.0)
    meter.heard(speech_ms=6.0, adapter_ms=2.0)
    for _ in range(2):
        meter.answered(Piece("", 5, "stop", prompt_tokens=10, cached_tokens=4, prefill_ms=20.0), busy_ms=70.0)
    timings = meter.timings()
    assert (timings.load_ms, timings.audio_seconds) == (100.0, 2.0)
    assert (timings.speech_ms, timings.adapter_ms, timings.prefill_ms) == (11.0, 3.0, 40.0)
    assert (timings.prompt_tokens, timings.cached_tokens, timings.generated_tokens) == (20, 8, 10)
    assert timings.tokens_per_second == 100.0


def test_the_first_text_counts_and_empty_text_does_not() -> None:
    meter = Meter(load_ms=0.0, audio_seconds=0.0)
    meter.wrote("")
    before = meter.timings()
    meter.wrote("a")
    meter.wrote("b")
    after = meter.timings()
    assert before.first_token_ms == before.total_ms
    assert before.total_ms <= after.first_token_ms <= after.total_ms


def test_nothing_generated_is_no_speed() -> None:
    assert Meter(load_ms=0.0, audio_seconds=0.0).timings().tokens_per_second == 0.0


def test_what_was_heard_is_counted_among_the_prompts_tokens() -> None:
    meter = Meter(0.0, 0.0)
    for _ in range(2):
        meter.asked([Tokens((1, 2)), Embeddings(np.ones((3, 4), np.float32)), Tokens((5,))])
    assert meter.timings().audio_tokens == 6
