import subprocess
import sys
from collections.abc import Iterator

import pytest

from edge_llasm.bench.candidate import Turn
from edge_llasm.bench.child import Child, Refused, environment
from edge_llasm.errors import EngineError
from tests.bench.processes import wait_for_the_end


@pytest.fixture
def puppet() -> Iterator[Child]:
    with Child(["-m", "tests.bench.puppet", "--dies-at", "13", "--refuses", "90"]) as child:
        yield child


def test_a_child_says_what_it_is_and_answers_whatever_its_libraries_print(puppet: Child) -> None:
    loaded, memory = puppet.load()
    assert (loaded.name, loaded.load_ms, loaded.note, loaded.device) == ("puppet", 5.0, "made of wood", "cpu")
    assert memory.peak > 1e6
    answer = puppet.ask(4.0, first=True)
    assert not isinstance(answer, Refused)
    assert answer[0] == Turn(4.0, None, 2.0, None, 1.0, 30, 0, 100.0)
    again = puppet.ask(4.0, first=False)
    assert not isinstance(again, Refused)
    assert again[0].cached_tokens == 10


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells what is of no file")
def test_memory_of_no_file_is_a_part_of_the_peak(puppet: Child) -> None:
    _, memory = puppet.load()
    assert memory.own is not None
    assert 0 < memory.own < memory.peak


def test_a_refused_question_is_not_the_end(puppet: Child) -> None:
    puppet.load()
    assert puppet.ask(90.0, first=True) == Refused("the strings are too short")
    assert not isinstance(puppet.ask(4.0, first=True), Refused)


def test_a_child_that_dies_of_a_question_is_an_error(puppet: Child) -> None:
    puppet.load()
    with pytest.raises(EngineError, match="signal 6"):
        puppet.ask(13.0, first=True)
    with pytest.raises(EngineError, match="signal 6"):
        puppet.ask(4.0, first=True)


def test_a_child_that_is_killed_was_probably_too_large(puppet: Child) -> None:
    puppet.load()
    puppet._process.kill()
    with pytest.raises(EngineError, match="memory"):
        puppet.ask(4.0, first=True)


def test_a_child_that_cannot_load_says_why_in_its_last_line() -> None:
    with Child(["-m", "tests.bench.puppet", "--fails"]) as child, pytest.raises(EngineError) as caught:
        child.load()
    assert str(caught.value) == "no strings: buy some"


def test_a_module_that_is_not_there_says_so() -> None:
    with Child(["-m", "tests.bench.nobody"]) as child, pytest.raises(EngineError, match="tests.bench.nobody"):
        child.load()


def test_a_closed_child_is_gone_in_the_middle_of_a_turn() -> None:
    with Child(["-m", "tests.bench.puppet", "--sleeps"]) as child:
        child.load()
        process = child._process
        assert process.stdin is not None
        process.stdin.write(b'{"seconds": 1.0, "first": true}\n')
        process.stdin.flush()
    assert process.returncode is not None
    child.close()


def test_a_child_ends_with_the_one_that_asked() -> None:
    """Also one that is killed in the middle of a turn, which cannot clean up."""
    asking = (
        "from edge_llasm.bench.child import Child\n"
        "child = Child(['-m', 'tests.bench.puppet', '--sleeps']); child.load()\n"
        "print(child._process.pid, flush=True); child.ask(1.0, first=True)"
    )
    parent = subprocess.Popen([sys.executable, "-c", asking], stdout=subprocess.PIPE, env=environment())
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    parent.kill()
    parent.communicate()
    wait_for_the_end(pid)
