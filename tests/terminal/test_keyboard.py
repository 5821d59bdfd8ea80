"""On a pseudo-terminal that knows the kitty protocol, and on one that does not."""

import os
import pty
import socket
import termios
import threading
import time
from collections.abc import Iterator

import pytest

from edge_llasm.terminal import Key, Keyboard

OLD_ANSWER, KITTY_ANSWER = b"\x1b[?62;22c", b"\x1b[?0u\x1b[?62;22c"


@pytest.fixture
def ends() -> Iterator[tuple[int, int]]:
    """(the person's end, the program's end)"""
    person, program = pty.openpty()
    yield person, program
    for end in (person, program):
        try:
            os.close(end)
        except OSError:
            pass


def answering(person: int, answer: bytes) -> threading.Thread:
    """A terminal that answers what it is asked first."""

    def run() -> None:
        asked = b""
        while b"\x1b[c" not in asked:
            asked += os.read(person, 100)
        os.write(person, answer)

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def shown(person: int) -> bytes:
    """All that the program wrote, up to its farewell; a terminal hands it over in parts."""
    said = b""
    while b"\x1b[?2004l" not in said:
        said += os.read(person, 1000)
    return said


@pytest.mark.parametrize(("answer", "tells"), [(OLD_ANSWER, False), (KITTY_ANSWER, True), (b"", False)])
def test_it_knows_whether_a_release_is_told_and_leaves_the_terminal_as_it_was(
    ends: tuple[int, int], answer: bytes, tells: bool
) -> None:
    person, program = ends
    before = termios.tcgetattr(program)
    terminal = answering(person, answer)
    with Keyboard(program, program) as keyboard:
        terminal.join()
        assert keyboard.tells_release is tells
        assert termios.tcgetattr(program) != before
    assert termios.tcgetattr(program) == before
    said = shown(person)
    assert (b"\x1b[>27u" in said, b"\x1b[<u" in said) == (tells, tells)


def test_keys_arrive_one_by_one_and_are_not_echoed(ends: tuple[int, int]) -> None:
    person, program = ends
    terminal = answering(person, b"q" + KITTY_ANSWER)
    with Keyboard(program, program) as keyboard:
        terminal.join()
        assert keyboard.read(1) == [Key("q", "q")]  # typed before the answer came
        os.write(person, b"\x1b[32;;32u")
        assert keyboard.read(1) == [Key("space", " ")]
        os.write(person, b"\x1b[32;1:3u")
        assert keyboard.read(1) == [Key("space", "", "release")]
        os.write(person, b"\x1b")
        assert keyboard.read(1) == [Key("escape")]
        start = time.monotonic()
        assert keyboard.read(0.1) == []
        assert time.monotonic() - start >= 0.09
    assert shown(person).endswith(b"\x1b[<u\x1b[?2004l")


def test_a_terminal_that_goes_away_ends_the_reading(ends: tuple[int, int]) -> None:
    person, program = ends
    terminal = answering(person, OLD_ANSWER)
    with Keyboard(program, program) as keyboard:
        terminal.join()
        os.close(person)
        with pytest.raises(EOFError):
            keyboard.read(1)


def test_something_else_to_do_ends_the_wait_for_a_key(ends: tuple[int, int]) -> None:
    person, program = ends
    other, its_end = socket.socketpair()
    with other, its_end:
        answering(person, OLD_ANSWER)
        with Keyboard(program, program) as keyboard:
            its_end.send(b"!")
            assert keyboard.read(3600, other) == []
            os.write(person, b"a")
            assert [key.text for key in keyboard.read(3600, other)] == ["a"]
