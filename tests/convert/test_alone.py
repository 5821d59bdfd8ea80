from pathlib import Path

import pytest

from convert.alone import Split, read_and_write
from convert.errors import ConvertError
from convert.job import Job
from tests.convert.test_job import Clock


def told(tmp_path: Path) -> str:
    clock = Clock()
    job = Job(clock)
    for name, kind, until in (("a", "reading and writing", 4.0), ("b", "quantizing", 10.0)):
        with job.step(name, kind, tmp_path / "none"):  # type: ignore[arg-type]
            clock.now = until
    clock.now = 12.0
    return f"convert: note: nothing\nconvert: {job.summary()}\n"


def test_the_split_of_a_conversion_is_read_and_compared(tmp_path: Path) -> None:
    split = Split.read(told(tmp_path))
    assert split == Split(total=12.0, quantizing=6.0)
    assert split.line(4.0).startswith("1.20 times what the bytes (4.0 s to read and write) and llama.cpp's")


def test_what_is_not_quantized_has_no_such_part() -> None:
    assert Split.read("convert: 3.0 s: reading and writing 2.0 s, other 1.0 s") == Split(3.0, 0.0)


def test_the_bytes_are_read_and_written_and_nothing_is_left(tmp_path: Path) -> None:
    source, draft = tmp_path / "source", tmp_path / "draft"
    source.write_bytes(bytes(5_000_000))
    assert read_and_write([source], [9_000_000, 0, 1], draft) > 0
    assert list(tmp_path.iterdir()) == [source]
    with pytest.raises(ConvertError, match="cannot write"):
        read_and_write([source], [1], tmp_path / "no folder" / "draft")
