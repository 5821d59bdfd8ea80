"""What trimming changes in a model that was trained on the full window."""

from dataclasses import replace

import numpy as np
import pytest

from convert.bundle import write_bundle
from convert.trimmed import trimmed_windows
from edge_llasm.bundle import Bundle
from edge_llasm.parity import Trimmed
from tests.tiny import tiny_parts


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """A tiny one of the full window, 5 s."""
    folder = tmp_path_factory.mktemp("full")
    parts = tiny_parts(folder / "tokenizer.model")
    write_bundle(replace(parts, manifest=replace(parts.manifest, trim_window=False)), folder / "tiny")
    return Bundle.load(folder / "tiny")


@pytest.fixture(scope="module")
def found(bundle: Bundle) -> tuple[Trimmed, ...]:
    rng = np.random.default_rng(0)
    recordings = [(0.1 * rng.standard_normal(n)).astype(np.float32) for n in (20_000, 9_000)]
    return trimmed_windows(bundle, recordings, n_tokens=4)


def test_there_is_a_row_for_each_length_within_the_window(found: tuple[Trimmed, ...]) -> None:
    assert [row.seconds for row in found] == [1.0, 2.0, 4.0]
    assert {row.positions for row in found} == {3 * 4}
    assert all(0 <= row.agreement <= 1 for row in found)


def test_a_shorter_clip_loses_more_of_the_window(found: tuple[Trimmed, ...]) -> None:
    apart = [row.features.mean_abs for row in found]
    assert apart == sorted(apart, reverse=True)
    assert apart[-1] > 1e-3
