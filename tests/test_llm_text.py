"""What an answer shows, on a model that says what it is told: whole characters, no stop strings or tokens."""

from collections.abc import Iterator

import pytest

from edge_llasm.llm import Llm, Piece, Sampling
from edge_llasm.segments import Tokens
from tests.chain import END, NEWLINE, Chain, write_chain
from tests.tiny import ONE_THREAD

GREEDY = Sampling(max_tokens=24)
EMOJI = ("<0xF0>", "<0x9F>", "<0x98>", "<0x80>")


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Chain:
    paths = [
        ("W", *EMOJI, "?", "白", END),
        ("p", "r", "i", "n", "t", "(", "a", ")", NEWLINE, "p"),
        ("▁th", "▁is", "▁the", END),
    ]
    return write_chain(tmp_path_factory.mktemp("chain") / "chain.gguf", paths)


@pytest.fixture
def told(chain: Chain) -> Iterator[Llm]:
    llm = Llm.load(chain.path, n_ctx=512, device="cpu", setup=ONE_THREAD)
    yield llm
    llm.close()


def joined(pieces: list[Piece]) -> tuple[str, Piece]:
    return "".join(piece.text for piece in pieces), pieces[-1]


def test_a_character_of_several_tokens_comes_whole(told: Llm, chain: Chain) -> None:
    pieces = list(told.generate([Tokens(chain.ids("W"))], GREEDY))
    assert [piece.text for piece in pieces] == ["😀", "?", "白", ""]
    assert [piece.n_tokens for piece in pieces] == [4, 5, 6, 6]
    assert pieces[-1].finish_reason == "stop"


def test_a_stop_string_across_tokens_is_never_shown(told: Llm, chain: Chain) -> None:
    pieces = list(told.generate([Tokens(chain.ids("p"))], GREEDY, stop=["nt(b", "t(a)\nx", ")\np"]))
    assert "".join(piece.text for piece in pieces) == "rint(a"
    assert pieces[-1].finish_reason == "stop"


def test_the_space_that_the_vocabulary_puts_first_is_not_shown(told: Llm, chain: Chain) -> None:
    assert joined(list(told.generate([Tokens(chain.ids("▁th"))], GREEDY)))[0] == "is the"


def test_stop_tokens_end_the_answer_and_are_not_shown(told: Llm, chain: Chain) -> None:
    pieces = list(told.generate([Tokens(chain.ids("W"))], GREEDY, stop_tokens=chain.ids("白")))
    text, last = joined(pieces)
    assert (text, last.finish_reason, last.n_tokens) == ("😀?", "stop", 5)


def test_half_a_character_at_the_end_is_not_shown(told: Llm, chain: Chain) -> None:
    text, last = joined(list(told.generate([Tokens(chain.ids("W"))], Sampling(max_tokens=3))))
    assert (text, last.finish_reason) == ("", "length")
