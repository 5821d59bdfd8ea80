import io
import sys

import pytest

from edge_llasm.cli.output import SHOW_AFTER, Progress, tell


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Clock:
    """A clock that a test sets, seconds."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_quick_load_shows_no_progress(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", terminal := Terminal())
    clock = Clock()
    progress = Progress("nano", clock)
    clock.now = SHOW_AFTER / 2
    progress.show()
    progress.clear()
    assert terminal.getvalue() == ""


def test_a_slow_load_shows_how_far_it_is_and_the_line_disappears(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", terminal := Terminal())
    clock = Clock()
    progress = Progress("nano", clock)
    clock.now = 2 * SHOW_AFTER
    progress.report(0.42)
    progress.show()
    assert "loading nano" in terminal.getvalue()
    assert "42%" in terminal.getvalue()
    progress.clear()
    assert terminal.getvalue().endswith("\r\x1b[K")
    progress.show()
    assert terminal.getvalue().endswith("\r\x1b[K")


def test_an_error_is_one_line_whatever_it_says(capsys: pytest.CaptureFixture[str]) -> None:
    tell("first\nsecond\r\n third")
    assert capsys.readouterr().err == "edge-llasm: first second third\n"
