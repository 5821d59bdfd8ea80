"""The [parity] table of bundle.toml."""

import math
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from edge_llasm.bundle import Bundle
from edge_llasm.errors import BundleError
from edge_llasm.parity import Heard, Trimmed
from tests.tiny import PARITY, write_parity


@pytest.fixture
def folder(tiny_bundle: Path, tmp_path: Path) -> Path:
    """A copy whose manifest may be written to."""
    shutil.copytree(tiny_bundle, tmp_path / "tiny")
    return tmp_path / "tiny"


def test_a_bundle_that_was_never_compared_has_none(folder: Path) -> None:
    assert Bundle.load(folder).parity is None


def test_what_was_measured_is_read_again_and_the_checksums_still_hold(folder: Path) -> None:
    write_parity(folder)
    bundle = Bundle.load(folder)
    assert bundle.parity == PARITY
    bundle.verify()


def test_a_second_measurement_takes_the_place_of_the_first(folder: Path) -> None:
    for faults in (PARITY.faults, (), PARITY.faults):
        write_parity(folder, replace(PARITY, faults=faults))
        parity = Bundle.load(folder).parity
        assert parity is not None
        assert parity.faults == faults
    assert (folder / "bundle.toml").read_text("utf-8").count("[parity]") == 1
    assert sorted(path.name for path in folder.iterdir()) == [
        "adapter.onnx", "bundle.toml", "llm.gguf", "speech.bin", "speech.onnx", "speech.weights",
    ]  # fmt: skip


def test_what_the_second_engine_and_trimmed_windows_do_is_read_again(folder: Path) -> None:
    heard = Heard(PARITY.features, PARITY.embeddings, PARITY.logits, agreement=0.5, first_difference=3)
    rows = tuple(Trimmed(seconds, PARITY.features, 192, 0.75) for seconds in (1.0, 4.0))
    parity = replace(PARITY, onnx=heard, trimmed=rows)
    write_parity(folder, parity)
    assert Bundle.load(folder).parity == parity
    table = parity.lines()
    assert "onnx features    0.031     0.002     0.999870" in table
    assert "onnx tokens      96 of 192 agree (50.0%); the texts part at token 3" in table
    assert table[-1] == "4 s              0.031     0.002     0.999870  144 of 192 tokens agree (75.0%)"


def test_numbers_that_are_not_finite_survive(folder: Path) -> None:
    write_parity(folder, replace(PARITY, mel=replace(PARITY.mel, cosine=math.nan), perplexity=math.inf))
    parity = Bundle.load(folder).parity
    assert parity is not None
    assert math.isnan(parity.mel.cosine)
    assert math.isinf(parity.perplexity)
    assert parity.lines()


@pytest.mark.parametrize(
    ("line", "instead"),
    [("agreement =", "agreement = 2"), ("perplexity =", 'perplexity = "low"'), ("clips =", "clips = 0")],
)
def test_a_table_that_is_wrong_is_one_line(folder: Path, line: str, instead: str) -> None:
    write_parity(folder)
    lines = (folder / "bundle.toml").read_text("utf-8").splitlines()
    index = next(index for index, text in enumerate(lines) if text.startswith(line))
    lines[index] = instead
    (folder / "bundle.toml").write_text("\n".join(lines), "utf-8")
    with pytest.raises(BundleError, match=r"\[parity\]"):
        Bundle.load(folder)


def test_the_table_says_where_it_differs_and_which_bound_was_missed() -> None:
    table = "\n".join(PARITY.lines())
    assert "the worst of 3 recordings" in table
    assert "features         0.031     0.002     0.999870" in table
    assert "190 of 192 agree (99.0%); the texts part at token 17" in table
    assert "12.5, PyTorch's 12.4 (+0.81%)" in table
    assert table.endswith("bounds           features differ by 0.031, allowed is 0.02")


def test_the_table_says_when_all_is_well() -> None:
    table = "\n".join(replace(PARITY, clips=1, agreement=1.0, first_difference=0, faults=()).lines())
    assert "(1 recording)" in table
    assert "192 of 192 agree (100.0%); same texts" in table
    assert table.endswith("kept")
