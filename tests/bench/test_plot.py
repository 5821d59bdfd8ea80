import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from edge_llasm.bench import plot
from edge_llasm.bench.report import Report
from edge_llasm.errors import EngineError

drawn = pytest.mark.skipif(find_spec("matplotlib") is None, reason="matplotlib is not installed ([bench])")


@drawn
@pytest.mark.parametrize(("suffix", "magic"), [(".svg", b"<?xml"), (".png", b"\x89PNG")])
def test_a_picture_is_of_the_kind_that_its_name_says(
    report: Report, tmp_path: Path, suffix: str, magic: bytes
) -> None:
    plot.draw(report, tmp_path / f"picture{suffix}")
    data = (tmp_path / f"picture{suffix}").read_bytes()
    assert data.startswith(magic)
    assert len(data) > 10_000


def test_without_matplotlib_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(EngineError, match=r"edge-llasm\[bench\]"):
        plot.require()
