from pathlib import Path

import pytest

from convert.job import Job, duration


class Clock:
    """Seconds that pass when they are told to."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_progress_goes_by_the_bytes_that_are_written(tmp_path: Path) -> None:
    clock = Clock()
    job = Job(clock)
    job.plan({"speech.bin": 100, "llm.gguf": 300})
    assert job.line() == ""
    draft = tmp_path / "llm.gguf.draft"
    with job.step("speech.bin", "reading and writing", tmp_path / "none"):
        assert job.line() == "speech.bin, 0% of all"
        clock.now = 10.0
    with job.step("llm.gguf", "quantizing", draft):
        assert job.line() == "llm.gguf, 25% of all, about 30 s left"
        draft.write_bytes(bytes(100))
        clock.now = 180.0
        assert job.line() == "llm.gguf, 50% of all, about 3 min left"
        draft.write_bytes(bytes(1000))  # larger than was foretold
        assert job.line() == "llm.gguf, 100% of all, about 0 s left"
    clock.now = 200.0
    assert job.summary() == "200.0 s: reading and writing 10.0 s, quantizing 170.0 s, other 20.0 s"


def test_a_cancelled_job_begins_no_further_step(tmp_path: Path) -> None:
    job = Job()
    job.cancel.set()
    with pytest.raises(KeyboardInterrupt), job.step("a", "quantizing", tmp_path):
        pytest.fail("it began")


def test_progress_is_shown_on_a_terminal_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    clock = Clock()
    job = Job(clock)
    job.plan({"llm.gguf": 300})
    with job.step("llm.gguf", "quantizing", tmp_path / "none"):
        clock.now = 5.0
        job.show()
        job.clear()
        assert capsys.readouterr().err == ""
        monkeypatch.setattr("convert.job.on_a_terminal", lambda: True)
        job.show()
        job.clear()
        assert capsys.readouterr().err == "\r\x1b[Kllm.gguf, 0% of all\r\x1b[K"


@pytest.mark.parametrize(
    ("seconds", "shown"), [(4.4, "4 s"), (61, "1 min"), (3500, "58 min"), (3900, "1 h 5 min")]
)
def test_durations_are_readable(seconds: float, shown: str) -> None:
    assert duration(seconds) == shown
