import json

import pytest

from edge_llasm.cli import run

COMMAND = ["bench", "--model", "tiny", "--seconds", "0.5", "--rounds", "1"]


def test_the_table_has_a_row_for_each_engine_and_window(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(COMMAND) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "GFLOP/s in float32" in lines[0]
    assert [line.split()[:4] for line in lines[4:]] == [
        ["whisper.cpp", "f16", "0.5", "s"],
        ["whisper.cpp", "f16", "5", "s"],
        ["onnx", "q8_0", "0.5", "s"],
        ["onnx", "q8_0", "5", "s"],
    ]


def test_json_is_one_object(capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*COMMAND, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert set(found) == {"limits", "speech"}
    assert set(found["limits"]) == {"cores", "flops", "bandwidth"}
    assert all(len(row["ms"]) == 1 for row in found["speech"])


def test_an_unknown_model_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["bench", "--model", "none-of-this-name"]) == 1
    assert capsys.readouterr().err.count("\n") == 1
