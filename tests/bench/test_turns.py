from itertools import count

import pytest

from edge_llasm.bench.turns import Measured, in_turn


def test_the_candidates_take_turns_and_the_first_round_only_warms_up() -> None:
    calls: list[str] = []
    found = in_turn(
        {"a": lambda: calls.append("a"), "b": lambda: calls.append("b")}, 2, clock=count().__next__
    )
    assert calls == ["a", "b"] * 3
    assert found == {"a": Measured((1, 1)), "b": Measured((1, 1))}


def test_the_spread_is_that_of_the_quartiles() -> None:
    assert Measured((1.0, 2.0, 3.0, 4.0, 100.0)).median == 3.0
    assert Measured((1.0, 2.0, 3.0, 4.0, 100.0)).spread == pytest.approx(1 / 3)
    assert Measured((2.0,)).spread == 0.0
    assert Measured((0.0, 0.0)).spread == 0.0
