"""One comparison of nano with itself and with llama.cpp, in real processes, for all who look at what it found."""

from pathlib import Path

import pytest

from edge_llasm.bench.comparison import cases
from edge_llasm.bench.report import Report, measure
from edge_llasm.bench.rivals import Subject
from edge_llasm.bundle import Bundle

NANO = Bundle.find("nano").path


@pytest.fixture(scope="session")
def subject() -> Subject:
    return Subject(NANO, None, "cpu", "auto", "auto")


@pytest.fixture(scope="session")
def report(subject: Subject) -> Report:
    return measure(subject, ("no-cache",), cases((2, 104), 2), 2, lambda text: None)


@pytest.fixture
def random_bundle(tmp_path: Path) -> Bundle:
    """nano, in a folder that says its weights were random."""
    (tmp_path / "bundle").symlink_to(NANO)
    (tmp_path / "size.json").write_text("{}")
    return Bundle.load(tmp_path / "bundle")
