import io
import shutil
from pathlib import Path

import pytest

from edge_llasm.cli import run


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def mine(home: Path, tiny_bundle: Path) -> Path:
    return Path(shutil.copytree(tiny_bundle, home / "models" / "mine"))


def test_yes_removes_without_a_question(mine: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["rm", "mine", "--yes"]) == 0
    assert not mine.exists()
    shown = capsys.readouterr()
    assert (shown.out, shown.err) == ("", f"edge-llasm: removed {mine}\n")


@pytest.mark.parametrize(("answer", "removed"), [("y\n", True), ("n\n", False), ("\n", False)])
def test_on_a_terminal_it_asks(
    mine: Path,
    answer: str,
    removed: bool,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("sys.stdin", Terminal(answer))
    assert run(["rm", "mine"]) == 0
    assert mine.exists() is not removed
    assert f"Remove {mine}? [y/N]" in capsys.readouterr().err


def test_elsewhere_it_removes_nothing_without_yes(
    mine: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n"))
    assert run(["rm", "mine"]) == 2
    assert "give --yes" in capsys.readouterr().err
    assert mine.exists()


@pytest.mark.parametrize("name", ["nano", "nemo", "../home"])
def test_what_may_not_be_removed_is_one_line_and_status_1(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["rm", name, "--yes"]) == 1
    assert capsys.readouterr().err.count("\n") == 1
