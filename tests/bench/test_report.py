import json
from dataclasses import replace

import pytest

from edge_llasm.bench import report as reports
from edge_llasm.bench import rivals
from edge_llasm.bench.comparison import Case
from edge_llasm.bench.report import Report, as_json, is_random, measure
from edge_llasm.bench.rivals import RIVALS, Rival, Subject, entries
from edge_llasm.bundle import Bundle
from edge_llasm.errors import EngineError


def test_our_own_row_is_what_the_others_are_compared_with(report: Report) -> None:
    assert [result.name for result in report.results] == [
        "edge-llasm, onnx",
        "llama.cpp, a bare loop",
        "edge-llasm, onnx, no cache",
    ]
    assert report.chat == Case(2, 1)
    assert report.ratio(report.ours, report.chat) == 1.0
    assert report.ratio(report.results[1], report.chat, "mel_ms") is None
    alone = report.ratio(report.results[1], report.chat)
    assert alone is not None
    assert 0 < alone < 1


def test_json_holds_each_round_and_each_reason(report: Report) -> None:
    found = json.loads(as_json(report))
    assert set(found) == {
        "model",
        "random_weights",
        "file_bytes",
        "rounds",
        "limits",
        "process",
        "candidates",
    }
    assert (found["model"], found["random_weights"], found["rounds"]) == ("nano", False, 2)
    assert set(found["limits"]) == {"cores", "float32", "int8", "read", "load"}
    ours, bare, _ = found["candidates"]
    assert set(ours) == {"entry", "name", "loaded", "memory", "failed", "turns"}
    assert [(turn["seconds"], turn["turn"]) for turn in ours["turns"]] == [(2, 1), (2, 2), (104, 1)]
    assert all(len(ours["turns"][0][stage]) == 2 for stage in ("first_token_ms", "mel_ms", "prompt_tokens"))
    assert bare["turns"][0]["mel_ms"] == [None, None]
    assert ours["turns"][0]["refused"] is None
    assert "context" in ours["turns"][2]["refused"]
    assert "first_token_ms" not in ours["turns"][2]
    assert ours["memory"]["peak"] > ours["loaded"]["expected"]


def test_random_weights_are_told_by_what_lies_beside_them(random_bundle: Bundle) -> None:
    assert is_random(random_bundle)
    assert not is_random(Bundle.find("nano"))


def test_a_rival_that_fails_leaves_its_reason_and_our_own_row_its_error(
    subject: Subject, report: Report, monkeypatch: pytest.MonkeyPatch
) -> None:
    rival = Rival("it fails", ("tests.bench.puppet --fails",))
    monkeypatch.setattr(reports, "measure_limits", lambda: report.limits)  # measured once is enough
    monkeypatch.setattr(rivals, "RIVALS", {**RIVALS, "mtmd": rival})
    found = measure(subject, ("mtmd",), [Case(1, 1)], 1, lambda text: None)
    assert [result.failed for result in found.results] == [None, None, "no strings: buy some"]
    with pytest.raises(EngineError, match="abacus"):
        measure(replace(subject, speech="abacus"), (), [Case(1, 1)], 1, lambda text: None)


def test_a_rival_without_its_files_says_where_they_come_from(subject: Subject) -> None:
    for name in ("pytorch", "cascade", "mtmd"):
        with pytest.raises(EngineError, match=r"convert\.rivals\.files|checkout"):
            entries(subject, (name,))


def test_a_rival_that_only_a_checkout_has_says_so(subject: Subject, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rivals, "RIVALS", {"pytorch": Rival("it", ("convert.rivals.nobody",))})
    with pytest.raises(EngineError, match="checkout"):
        entries(subject, ("pytorch",))
