from pathlib import Path

import pytest

from edge_llasm.bench.candidate import Turn
from edge_llasm.bench.child import Child, Refused
from edge_llasm.bundle import Bundle

pytestmark = pytest.mark.torch


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_the_reference_answers_and_reads_the_whole_chat_in_each_turn(tiny_size: Path, dtype: str) -> None:
    given = ["--model", str(tiny_size / "bundle"), "--rival", str(tiny_size / "rival"), "--dtype", dtype]
    with Child(["-m", "convert.rivals.pytorch", *given, "--threads", "1"]) as child:
        loaded, _ = child.load()
        answered = [
            child.ask(seconds, first=first) for seconds, first in ((1.0, True), (1.0, False), (40.0, True))
        ]
    assert (loaded.name, loaded.note) == (f"PyTorch {dtype}", "full window, every turn reads the whole chat")
    turns: list[Turn] = [one[0] for one in answered if not isinstance(one, Refused)]
    first, second, long = turns
    assert {turn.cached_tokens for turn in turns} == {0}
    n_queries = Bundle.load(tiny_size / "bundle").speech.n_queries
    assert second.prompt_tokens > first.prompt_tokens + n_queries
    assert long.prompt_tokens == first.prompt_tokens + n_queries + 2  # a clip over the window is two
    for turn in turns:
        assert turn.mel_ms is not None and turn.adapter_ms is not None
        stages = turn.mel_ms + turn.speech_ms + turn.adapter_ms + turn.prefill_ms
        assert 0 < stages <= turn.first_token_ms
        assert turn.tokens_per_second > 0
