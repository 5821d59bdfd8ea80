import json
from pathlib import Path

import pytest

from edge_llasm.bench.start import Start, main, table

PARTS = {"interpreter": 0.01, "numpy": 0.1, "package": 0.2, "load": 0.1, "compute": 0.1, "whole": 0.6}


def test_every_row_is_measured_in_a_process_of_its_own(
    tiny_bundle: Path, speech: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(speech), "--model", str(tiny_bundle), "--rounds", "1", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert set(found) == {*PARTS, "beyond_numpy", "ratio"}
    assert all(found[name] > 0 for name in PARTS)
    assert found["whole"] > found["load"] + found["compute"]
    assert found["package"] > found["interpreter"]


def test_the_ratio_is_the_whole_to_what_cannot_be_left_out() -> None:
    start = Start(**PARTS)
    assert start.ratio == pytest.approx(1.5)
    assert start.beyond_numpy == pytest.approx(0.1)
    lines = table(start).splitlines()
    assert lines[0].split() == ["bare", "interpreter", "10", "ms"]
    assert lines[-1].split()[-1] == "1.50"


def test_a_command_that_fails_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path / "absent.wav"), "--rounds", "1"]) == 1
    told = capsys.readouterr().err
    assert "absent.wav does not exist" in told
    assert told.count("\n") == 1


def test_help_shows_an_example(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert ended.value.code == 0
    assert "python -m edge_llasm.bench.start models/nano/demo/" in capsys.readouterr().out
