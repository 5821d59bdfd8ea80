from pathlib import Path

import pytest

from edge_llasm import tune as module
from edge_llasm.cli import run

TINY = ["--model", "tiny", "--device", "cpu"]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST", 1)
    monkeypatch.setattr(module, "FEWEST", 1)


def test_what_is_tried_is_printed_and_the_best_of_it_used_from_then_on(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    question = ["ask", "--text", "hello", "--stats", *TINY]
    assert run(question) == 0
    assert "tuned" not in capsys.readouterr().err
    assert run(["tune", *TINY]) == 0
    shown = capsys.readouterr()
    *trials, last = shown.out.splitlines()
    assert sum(line.endswith("  *") for line in trials) == 4
    assert last.startswith("tiny on cpu: ")
    assert f"edge-llasm: kept in {home / 'tuned.json'}\n" in shown.err
    assert run(question) == 0
    assert f"edge-llasm: tuned: {last.removeprefix('tiny on cpu: ')}\n" in capsys.readouterr().err


def test_what_is_kept_is_shown_and_forgotten(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["tune", "--show"]) == 0
    assert capsys.readouterr().out.endswith("tuned.json holds nothing\n")
    assert run(["tune", *TINY]) == 0
    capsys.readouterr()
    assert run(["tune", "--show"]) == 0
    shown = capsys.readouterr().out
    assert "(this machine)\n  tiny on cpu: llm_bytes " in shown
    assert run(["tune", "--forget", "--model", "tiny"]) == 0
    assert capsys.readouterr().err == "edge-llasm: forgot what was kept for tiny\n"
    assert run(["tune", "--forget", "--model", "gone"]) == 0
    assert capsys.readouterr().err == "edge-llasm: nothing is kept for gone\n"
    assert run(["tune", "--show"]) == 0
    assert "tiny" not in capsys.readouterr().out


def test_a_busy_machine_is_told(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.getloadavg", lambda: (1000.0, 0.0, 0.0))
    assert run(["tune", *TINY]) == 0
    assert "this machine is busy (load 1000.0): tune again when it is idle" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "status"), [(["--model", "none-of-this-name"], 1), (["--show", "--forget"], 2)]
)
def test_what_cannot_be_tuned_is_told(
    arguments: list[str], status: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["tune", *arguments]) == status
    assert "Traceback" not in capsys.readouterr().err
