import sys
from pathlib import Path

import pytest

from edge_llasm.bench.attention import ANSWER, WAYS, bench_attention, main
from edge_llasm.bundle import Bundle


def test_every_way_is_compared_with_the_first_one_after_each_prompt() -> None:
    bundle = Bundle.find("nano")
    ways, refused = bench_attention(bundle, "cpu", rounds=1)
    assert refused == []
    assert [(way.setup, way.positions) for way in ways] == [
        (setup, n) for n in (128, bundle.llm.n_ctx - ANSWER) for setup in WAYS
    ]
    for whole, flash, small in (ways[:3], ways[3:]):
        assert (whole.agreed, whole.difference) == (ANSWER, 0.0)
        assert 0 < flash.difference < small.difference
        assert flash.agreed > ANSWER // 2
        assert whole.cache_bytes == flash.cache_bytes > 1.7 * small.cache_bytes


def test_a_way_that_a_model_cannot_go_is_left_out_and_told(
    tiny_bundle: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        sys, "argv", ["attention", "--model", str(tiny_bundle), "--device", "cpu", "--rounds", "1"]
    )
    main()
    head, _, *lines = capsys.readouterr().out.splitlines()
    assert head.startswith("tiny, medians of 1")
    assert [line.split()[0] for line in lines[:4]] == ["f16", "f16,", "f16", "f16,"]
    assert lines[4].startswith("not possible: q8_0: ")


def test_an_unknown_model_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["attention", "--model", "none-of-this-name"])
    with pytest.raises(SystemExit, match="no model is called"):
        main()
