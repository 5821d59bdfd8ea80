"""The rivals that need no PyTorch, each in a process of its own, with the real libraries."""

from pathlib import Path

import pytest

from convert.rivals.mmproj import STACK
from convert.rivals.towers import WINDOW
from edge_llasm.bench.candidate import ANSWER, Loaded, Turn
from edge_llasm.bench.cascade import TOKENS_PER_SECOND
from edge_llasm.bench.child import Child, Refused
from edge_llasm.errors import EngineError
from tests.bench.rival_files import write_rival_files

CASCADE, MTMD, PYTORCH = "edge_llasm.bench.cascade", "edge_llasm.bench.mtmd", "convert.rivals.pytorch"


@pytest.fixture(scope="module")
def rival(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_rival_files(tmp_path_factory.mktemp("rival"))


def answers(bundle: Path, rival: Path, *command: str) -> tuple[Loaded, list[Turn]]:
    """A chat of two turns, then the first turn of another one with a longer clip."""
    given = ["--model", str(bundle), "--rival", str(rival), "--threads", "1"]
    with Child(["-m", *command, *given]) as child:
        loaded, _ = child.load()
        asked = [(1.0, True), (1.0, False), (4.0, True)]
        answered = [child.ask(seconds, first=first) for seconds, first in asked]
    turns = [one[0] for one in answered if not isinstance(one, Refused)]
    assert len(turns) == len(asked), answered
    for turn in turns:
        stages = (turn.mel_ms or 0.0) + turn.speech_ms + (turn.adapter_ms or 0.0) + turn.prefill_ms
        assert 0 < stages <= turn.first_token_ms
        assert turn.tokens_per_second > 0
    return loaded, turns


@pytest.mark.parametrize("options", [[], ["--type", "q8_0"], ["--trim"]])
def test_the_cascade_answers_as_many_tokens_as_would_have_been_said(
    tiny_bundle: Path, rival: Path, options: list[str]
) -> None:
    loaded, (first, second, other) = answers(tiny_bundle, rival, CASCADE, *options)
    kind = {(): "f16", ("--type", "q8_0"): "q8_0", ("--trim",): "f16 trimmed"}[tuple(options)]
    assert loaded.name == f"whisper.cpp {kind} + llama.cpp"
    assert "3 tokens a second" in loaded.note
    assert first.cached_tokens == 0
    # Nothing of the chat is read again but the answer's last token, which was never fed.
    assert second.cached_tokens == first.prompt_tokens + ANSWER - 1
    assert 0 < other.cached_tokens < first.prompt_tokens
    said = TOKENS_PER_SECOND * (4.0 - 1.0)
    assert other.prompt_tokens - first.prompt_tokens == pytest.approx(said, abs=2)


def test_mtmd_hears_thirty_seconds_whatever_was_said(tiny_bundle: Path, rival: Path) -> None:
    loaded, (first, second, other) = answers(tiny_bundle, rival, MTMD)
    assert loaded.name == "llama.cpp mtmd"
    assert first.prompt_tokens == other.prompt_tokens > WINDOW // STACK
    assert first.cached_tokens == 0
    assert second.cached_tokens == first.prompt_tokens + ANSWER - 1
    assert second.prompt_tokens - second.cached_tokens > WINDOW // STACK
    # What stands before the clip.
    assert 0 < other.cached_tokens < first.prompt_tokens - WINDOW // STACK


def test_a_chat_over_the_context_is_refused_and_the_next_one_answered(tiny_bundle: Path, rival: Path) -> None:
    given = ["--model", str(tiny_bundle), "--rival", str(rival), "--threads", "1"]
    with Child(["-m", MTMD, *given]) as child:
        child.load()
        refused = child.ask(100.0, first=True)
        assert isinstance(refused, Refused)
        assert refused.why.startswith("the chat takes ")
        assert not isinstance(child.ask(1.0, first=True), Refused)


@pytest.mark.parametrize("module", [CASCADE, MTMD, PYTORCH])
def test_a_file_that_is_missing_is_one_line(tiny_bundle: Path, tmp_path: Path, module: str) -> None:
    given = ["--model", str(tiny_bundle), "--rival", str(tmp_path)]
    with Child(["-m", module, *given]) as child, pytest.raises(EngineError) as caught:
        child.load()
    assert str(caught.value).endswith(" is missing: write it by python -m convert.rivals.files")


def test_a_damaged_encoder_is_one_line(tiny_bundle: Path, rival: Path, tmp_path: Path) -> None:
    whole = (rival / "mmproj.gguf").read_bytes()
    (tmp_path / "mmproj.gguf").write_bytes(whole[: len(whole) // 2])
    given = ["--model", str(tiny_bundle), "--rival", str(tmp_path)]
    with Child(["-m", MTMD, *given]) as child, pytest.raises(EngineError, match="libmtmd cannot load"):
        child.load()
