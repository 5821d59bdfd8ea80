import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from edge_llasm.bench import report as reports
from edge_llasm.bench import rivals, sizes
from edge_llasm.bench.machine import Limits
from edge_llasm.bench.rivals import RIVALS, Rival
from edge_llasm.cli import bench as command
from edge_llasm.cli import run
from tests.bench.processes import wait_for_the_end

COMMAND = ["bench", "--model", "tiny", "--device", "cpu", "--seconds", "1", "--rounds", "1"]
PATIENCE = 30.0
"""s for what takes a moment, on a machine that is busy with something else"""


@pytest.fixture(autouse=True)
def machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not measured each time: tests/bench does that."""
    monkeypatch.setattr(reports, "measure_limits", lambda: Limits(2, 1e11, 1e12, 2e10, 0.0))


def test_the_table_has_a_row_for_each_question_and_candidate(capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*COMMAND, "--against", "whisper.cpp", "--trim-window"]) == 0
    shown = capsys.readouterr()
    parts = shown.out.split("\n\n")
    assert parts[0].startswith("tiny, ")
    for part, title in zip(parts[2:4], ("1 s of speech", "1 s more, turn 2"), strict=True):
        head, *rows = part.splitlines()
        assert head.startswith(title)
        assert [row.split("  ")[0] for row in rows] == [
            "edge-llasm, onnx, clip window",
            "llama.cpp, a bare loop",
            "edge-llasm, whisper.cpp, clip window",
            "edge-llasm, whisper.cpp, full window",
        ]
    assert shown.err == ""


def test_json_is_one_object(capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*COMMAND, "--turns", "1", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["model"], found["process"]) == ("tiny", None)
    assert [len(candidate["turns"]) for candidate in found["candidates"]] == [1, 1]


def test_ask_as_a_whole_is_more_than_its_parts(capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*COMMAND, "--turns", "1", "--process"]) == 0
    head, row = capsys.readouterr().out.split("\n\n")[-2].splitlines()
    assert head.split()[2:] == [
        "numpy",
        "package",
        "engines",
        "load",
        "compute",
        "sum",
        "whole",
        "±",
        "ratio",
    ]
    assert len(row) == len(head)
    assert min(map(float, row.split()[5:10])) > 0


def test_a_rival_that_fails_is_one_line_and_the_rest_is_there(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(
        rivals, "RIVALS", {**RIVALS, "onnx": Rival("it dies", ("tests.bench.puppet --dies-at 1",))}
    )
    assert run([*COMMAND, "--turns", "1", "--against", "onnx"]) == 1
    shown = capsys.readouterr()
    assert "edge-llasm, onnx " in shown.out
    assert "puppet FAILED: it was ended by signal 6" in shown.out
    assert shown.err.startswith("edge-llasm: puppet failed: it was ended by signal 6")
    assert shown.err.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (["--model", "none-of-this-name"], 1, "none-of-this-name"),
        (["--model", "tiny", "--against", "cascade"], 1, "--rival"),
        (["--model", "tiny", "--size", "nano"], 2, "--size takes the place of --model"),
        (["--size", "nano", "--rival", "."], 2, "--rival goes with --model"),
        (["--against", "abacus"], 2, "abacus"),
        (["--plot", "picture.gif"], 2, ".svg and .png"),
        (["--plot", "no/such/folder/picture.svg"], 2, "no folder"),
    ],
)
def test_what_cannot_be_measured_is_told_at_once(
    arguments: list[str], status: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["bench", *arguments]) == status
    shown = capsys.readouterr()
    assert said in shown.err
    assert shown.out == ""
    assert "Traceback" not in shown.err
    assert status == 2 or shown.err.count("\n") == 1


def test_the_help_and_the_tables_name_the_same_rivals_and_sizes() -> None:
    assert set(command.AGAINST) == set(RIVALS)
    assert set(command.SIZES) == set(sizes.SIZES)
    assert all(f"  {name} " in command.EPILOG for name in RIVALS)


def test_models_of_random_weights_are_kept_in_the_users_folder(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Here they are not written: that takes gigabytes. What is asked of their writer is told as it goes."""
    monkeypatch.setattr(sizes, "WRITER", "tests.bench.nobody")
    monkeypatch.setattr(sizes, "CHECKOUT", home)
    assert run(["bench", "--size", "laptop"]) == 1
    said = capsys.readouterr().err.splitlines()
    assert str(home / "bench" / "laptop") in said[0]
    assert "5 GB" in said[0]
    assert "checkout" in said[1]


@pytest.mark.skipif(sys.platform != "linux", reason="children are found in /proc")
def test_ctrl_c_is_status_130_and_leaves_no_process(tiny_bundle: Path) -> None:
    arguments = ["bench", "--model", str(tiny_bundle), "--device", "cpu", "--rounds", "100000"]
    with subprocess.Popen(
        [sys.executable, "-m", "edge_llasm", *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        ends = time.monotonic() + PATIENCE
        while len(pids := children.read_text().split()) < 2:
            assert process.poll() is None
            assert time.monotonic() < ends
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=PATIENCE)
    assert (process.returncode, out, err.strip()) == (130, b"", b"")
    for pid in pids:
        wait_for_the_end(int(pid))  # one that was just being started finds out by itself, a moment later
