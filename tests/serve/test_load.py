"""The load test in small; `python -m tests.serve.load` is the whole."""

import sys

import pytest

from tests.serve.load import run
from tests.serve.running import Command

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process's memory so")


def test_everybody_gets_the_right_answer_while_others_ask_and_hang_up(nano: Command) -> None:
    outcome = run(nano, n_clients=8, n_requests=80)
    assert outcome.wrong == []
    assert outcome.refused == []
    assert outcome.answered + outcome.hung_up == 80
    assert outcome.hung_up > 0
    assert outcome.growth < 0.2  # few requests: what is warm after the first of them differs
