from pathlib import Path

import pytest

from edge_llasm.bench.bare import BareLlama
from edge_llasm.bundle import Bundle
from edge_llasm.errors import PromptTooLong


def test_it_reads_as_much_as_the_recording_would_take(tiny_bundle: Path) -> None:
    bare = BareLlama(str(tiny_bundle), device="cpu")
    speech = Bundle.load(tiny_bundle).speech
    first, second = bare.turn(2, first=True), bare.turn(11, first=False)
    assert first.cached_tokens > 0  # what every chat begins with
    assert first.prompt_tokens - first.cached_tokens == speech.n_queries + 2
    assert second.cached_tokens > first.prompt_tokens  # with what was answered
    assert second.prompt_tokens - second.cached_tokens == 3 * (speech.n_queries + 2)
    assert bare.turn(2, first=True).cached_tokens == first.cached_tokens
    assert min(first.tokens_per_second, first.prefill_ms) > 0
    assert first.prefill_ms < first.first_token_ms
    with pytest.raises(PromptTooLong):
        bare.turn(1000, first=True)
    assert bare.turn(2, first=True).prompt_tokens == first.prompt_tokens
    bare.close()
    bare.close()
