"""The detector on token streams, and the guard on a model that loops for ever."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from edge_llasm.llm import Llm, Piece, Sampling
from edge_llasm.repetition import RepetitionDetector, RepetitionGuard
from edge_llasm.segments import Tokens
from tests.chain import END, NEWLINE, Chain, write_chain
from tests.tiny import ONE_THREAD

PARAGRAPH = tuple("一十的三个你天打李白于人今他们公写出到加去友叫唐四园国定巴很循我把数朋朝杜来气法")
LINE = ("p", "r", "i", "n", "t", "(", "a", ")", NEWLINE)
UNGUARDED = Sampling(max_tokens=1500, guard=None)
GUARDED = Sampling(max_tokens=1500)
DETECTOR_ONLY = Sampling(max_tokens=1500, guard=RepetitionGuard(dry_multiplier=0))


def caught_after(tokens: Iterable[int] | str) -> int | None:
    detector = RepetitionDetector(RepetitionGuard())
    ids = map(ord, tokens) if isinstance(tokens, str) else tokens
    for n, token in enumerate(ids, start=1):
        if detector.add(token):
            return n
    return None


@pytest.mark.parametrize("period", [1, 2, 5, 16, 17, 60, 200])
def test_a_circle_of_any_length_is_caught(period: int) -> None:
    n = caught_after([i % period for i in range(2000)])
    assert n is not None
    assert n <= 3 * period + 16 + 96 + 1


def test_a_circle_with_slips_is_caught() -> None:
    tokens = [1000 + i if i % 50 == 49 else i % 3 for i in range(2000)]
    assert (caught_after(tokens) or 2000) < 600


def test_a_circle_that_begins_late_is_caught() -> None:
    assert (caught_after([*range(500), *([7, 8, 9] * 200)]) or 2000) < 500 + 130


# One token per character: the smallest vocabulary there is, so the hardest case.
TABLE = "| n | n * n |\n| --- | --- |\n" + "".join(f"| {n} | {n * n} |\n" for n in range(1, 31))
PRINTS = "".join(f"print(i{n})\n" for n in range(1, 41))
ROWS = "".join(f"    assert add({n}, {n}) == {2 * n}\n" for n in range(1, 31))
FUNCTION = "def parse_date(text):\n    day, month = text.split('.')\n    return int(day), int(month)\n"
LEGITIMATE = {
    "no no no": "no " * 25,
    "哈哈哈": "哈" * 80,
    "a rule": "-" * 79,
    "a table": TABLE,
    "numbered lines": PRINTS,
    "the same line ten times": "print(i)\n" * 10,
    "tests": ROWS,
    "a function said three times": FUNCTION * 3,
    "a matrix of zeros": "[" + "[0, 0, 0, 0]," * 8 + "]",
    "digits of a third": "0." + "3" * 60,
    "counting": ", ".join(map(str, range(1, 201))),
    "multiplication": "\n".join(f"{a} x {b} = {a * b}" for a in range(1, 13) for b in range(1, 13)),
    "a chorus": "\n".join(["la la la, " * 3 + "we sing a song of " + w for w in ("joy", "rain", "home")]),
}


@pytest.mark.parametrize("text", LEGITIMATE.values(), ids=LEGITIMATE.keys())
def test_legitimate_repetition_is_not_caught(text: str) -> None:
    assert caught_after(text) is None


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Chain:
    path = tmp_path_factory.mktemp("chain") / "loops.gguf"
    paths = [("好", "好"), (*LINE, LINE[0]), (*PARAGRAPH, PARAGRAPH[0])]
    paths += [("▁was", "▁the", "▁and", "▁of", "▁was"), ("W", "h", "y", ".", END)]
    return write_chain(path, [path for path in paths if path])


@pytest.fixture(scope="module")
def looping(chain: Chain) -> Iterator[Llm]:
    llm = Llm.load(chain.path, n_ctx=2048, device="cpu", setup=ONE_THREAD)
    yield llm
    llm.close()


def answer(llm: Llm, chain: Chain, first: str, options: Sampling) -> tuple[str, Piece]:
    pieces = list(llm.generate([Tokens(chain.ids(first))], options))
    return "".join(piece.text for piece in pieces), pieces[-1]


LOOPS = ["好", "p", "一", "▁was"]


@pytest.mark.parametrize("first", LOOPS)
def test_the_unguarded_model_loops(looping: Llm, chain: Chain, first: str) -> None:
    _, last = answer(looping, chain, first, UNGUARDED)
    assert (last.finish_reason, last.n_tokens) == ("length", 1500)


@pytest.mark.parametrize("first", LOOPS)
def test_the_detector_alone_ends_a_loop(looping: Llm, chain: Chain, first: str) -> None:
    _, last = answer(looping, chain, first, DETECTOR_ONLY)
    assert last.finish_reason == "repetition"
    assert last.n_tokens < 300


@pytest.mark.parametrize("first", LOOPS)
def test_the_default_guard_ends_a_loop(looping: Llm, chain: Chain, first: str) -> None:
    _, last = answer(looping, chain, first, GUARDED)
    assert last.finish_reason in ("repetition", "stop")
    assert last.n_tokens < 500


@pytest.mark.parametrize("first", LOOPS)
@pytest.mark.parametrize("seed", [1, 2])
def test_the_default_guard_ends_a_sampled_loop(looping: Llm, chain: Chain, first: str, seed: int) -> None:
    _, last = answer(looping, chain, first, Sampling(temperature=0.7, seed=seed, max_tokens=1500))
    assert last.finish_reason in ("repetition", "stop")


@pytest.mark.parametrize(("first", "n_tokens"), [("好", 40), ("p", 90), ("一", 85), ("▁was", 40)])
def test_the_default_guard_leaves_short_repetition_as_it_is(
    looping: Llm, chain: Chain, first: str, n_tokens: int
) -> None:
    unguarded, _ = answer(looping, chain, first, Sampling(max_tokens=n_tokens, guard=None))
    guarded, last = answer(looping, chain, first, Sampling(max_tokens=n_tokens))
    assert guarded == unguarded
    assert last.finish_reason == "length"


def test_an_answer_that_ends_is_not_touched(looping: Llm, chain: Chain) -> None:
    text, last = answer(looping, chain, "W", GUARDED)
    assert (text, last.finish_reason, last.n_tokens) == ("hy.", "stop", 3)


def test_guard_options_are_checked() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        RepetitionGuard(span=0)


def test_the_model_is_small(chain: Chain) -> None:
    assert Path(chain.path).stat().st_size < 1_000_000
