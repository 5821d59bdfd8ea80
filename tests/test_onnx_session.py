from pathlib import Path

import pytest

from edge_llasm.errors import BundleError
from edge_llasm.onnx_session import open_session


def test_what_is_no_graph_is_one_line_with_a_reason(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"is missing; install or convert"):
        open_session(tmp_path / "none.onnx", 1)
    (tmp_path / "some.onnx").write_bytes(b"no graph")
    with pytest.raises(
        BundleError, match=r"some\.onnx cannot be opened \(.+\); convert the model again"
    ) as caught:
        open_session(tmp_path / "some.onnx", 1)
    assert "\n" not in str(caught.value)


def test_native_code_is_silent(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "some.onnx").write_bytes(b"no graph")
    with pytest.raises(BundleError):
        open_session(tmp_path / "some.onnx", 1)
    assert capfd.readouterr() == ("", "")
