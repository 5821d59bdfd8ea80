import pytest

from edge_llasm.bench.comparison import Case, cases, compare
from edge_llasm.bench.rivals import Entry


def puppet(*arguments: str) -> Entry:
    return Entry("puppet", ("-m", "tests.bench.puppet", *arguments))


def test_the_chat_goes_on_after_the_clip_that_is_nearest_to_four_seconds() -> None:
    assert cases((2, 5, 30), 3) == [Case(2, 1), Case(5, 1), Case(5, 2), Case(5, 3), Case(30, 1)]
    assert cases((2, 2), 1) == [Case(2, 1)]


def test_all_take_turns_and_the_first_round_does_not_count() -> None:
    said: list[str] = []
    asked = cases((4,), 2)
    results = compare([puppet(), puppet()], asked, 2, said.append)
    assert [len(result.turns[case]) for result in results for case in asked] == [2, 2, 2, 2]
    assert results[0].median(Case(4, 1)) == 4.0
    assert results[0].median(Case(4, 2), "cached_tokens") == 10
    assert results[0].median(Case(4, 1), "mel_ms") is None
    assert results[0].median(Case(9, 1)) is None
    assert results[0].speed() == 100.0
    assert said[:2] == ["loading puppet", "loading puppet"]
    assert said[2:6] == [
        "warming up: puppet, 4 s",
        "warming up: puppet, 4 s",
        "warming up: puppet, 4 s, turn 2 of a chat",
        "warming up: puppet, 4 s, turn 2 of a chat",
    ]
    assert said[-1].startswith("round 2 of 2")


def test_one_that_cannot_load_leaves_the_others_alone() -> None:
    results = compare([puppet("--fails"), puppet()], cases((2,), 1), 1, lambda text: None)
    assert results[0].failed == "no strings: buy some"
    assert (results[0].loaded, results[0].turns, results[0].name) == (None, {}, "puppet")
    assert results[1].failed is None
    assert len(results[1].turns[Case(2, 1)]) == 1


def test_one_that_dies_keeps_what_it_answered() -> None:
    results = compare([puppet("--dies-at", "3"), puppet()], cases((2, 3), 1), 1, lambda text: None)
    assert results[0].failed is not None
    assert results[0].loaded is not None
    assert Case(3, 1) not in results[0].turns
    assert len(results[1].turns[Case(3, 1)]) == 1


def test_a_chat_that_could_not_begin_does_not_go_on() -> None:
    result = compare([puppet("--refuses", "4")], cases((4, 2), 3), 2, lambda text: None)[0]
    assert result.refused == {Case(4, 1): "the strings are too short"}
    assert list(result.turns) == [Case(2, 1)]


def test_what_is_raised_in_between_leaves_no_process(capfd: pytest.CaptureFixture[str]) -> None:
    def report(text: str) -> None:
        if text.startswith("warming up"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        compare([puppet()], cases((4,), 1), 1, report)
    assert capfd.readouterr().err == ""
