import dataclasses
import re

from edge_llasm.bench.report import Report
from edge_llasm.bench.table import as_table
from edge_llasm.bundle import Bundle

WIDTH = 120
"""Columns that no line exceeds; the tables themselves stay under those of a wide terminal"""


def test_every_question_has_a_part_with_a_row_for_each_that_answered(report: Report) -> None:
    table = as_table(report)
    parts = {part.splitlines()[0][:20].strip(): part.splitlines() for part in table.split("\n\n")}
    assert list(parts)[2:5] == ["2 s of speech", "2 s more, turn 2", "104 s of speech"]
    assert [line.split("  ")[0] for line in parts["2 s of speech"][1:]] == [
        "edge-llasm, onnx",
        "llama.cpp, a bare loop",
        "edge-llasm, onnx, no cache",
    ]
    assert parts["2 s of speech"][1].split()[-1] == "1.00"
    assert max(map(len, table.splitlines())) <= WIDTH


def test_columns_stand_under_their_heads(report: Report) -> None:
    for part in as_table(report).split("\n\n")[2:4]:
        head, *rows = part.splitlines()
        assert {len(row) for row in rows} == {len(head)}


def test_what_does_not_fit_the_context_is_a_row_with_the_reason(report: Report) -> None:
    part = as_table(report).split("\n\n")[4]
    assert "context" in part.splitlines()[1]
    assert not re.search(r"\d\.\d\d$", part)


def test_the_machine_and_the_weights_stand_above(report: Report, random_bundle: Bundle) -> None:
    first, second, _ = as_table(report).splitlines()[:3]
    assert first.startswith("nano, ") and first.endswith(": trained")
    assert re.search(r"\d+ GFLOP/s in float32, \d+ GOP/s in int8, [\d.]+ GB/s read", second)
    assert "RANDOM WEIGHTS" in as_table(dataclasses.replace(report, bundle=random_bundle)).splitlines()[0]


def test_a_busy_machine_is_told(report: Report) -> None:
    for load, told in ((0.1, False), (99.0, True)):
        machine = dataclasses.replace(report.limits, load=load)
        table = as_table(dataclasses.replace(report, limits=machine))
        assert ("OTHER PROGRAMS" in table) == told


def test_what_is_read_off_stands_below(report: Report) -> None:
    end = as_table(report).split("\n\n")[-1].splitlines()
    assert re.fullmatch(r"decoding reaches \d+% of what this machine's memory allows", end[0])
    assert re.match(r"decoding is at \d\.\d\d of llama\.cpp's own speed", end[1])
    assert re.match(r"turn 2: \d\d of \d+ tokens are read", end[2])
    assert end[3].startswith("memory: ")
