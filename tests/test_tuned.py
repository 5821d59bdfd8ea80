"""What was found best on this machine is used by every later load; anything else is not taken for it."""

import json
import logging
from pathlib import Path

import pytest

from edge_llasm import Assistant, tuned
from edge_llasm.bundle import Bundle
from edge_llasm.llama_setup import DEFAULTS, REPACK, Setup
from edge_llasm.tuned import (
    NOTHING,
    Tuned,
    describe,
    forget_tuned,
    keep_tuned,
    machine,
    tuned_file,
    tuned_for,
)

OTHER = next(order for order in REPACK if order != DEFAULTS.repack)
FOUND = Tuned(Setup(n_threads=1, n_threads_batch=1, n_batch=64, repack=OTHER), speech_threads=1)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("EDGE_LLASM_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def bundle(tiny_bundle: Path) -> Bundle:
    return Bundle.load(tiny_bundle)


def test_without_a_file_nothing_is_tuned(bundle: Bundle, caplog: pytest.LogCaptureFixture) -> None:
    assert tuned_for(bundle, "cpu") == NOTHING
    assert caplog.records == []
    assert not forget_tuned(bundle.name)


def test_what_was_found_is_kept_for_its_model_and_device(bundle: Bundle) -> None:
    keep_tuned(bundle, "cpu", FOUND)
    assert tuned_for(bundle, "cpu") == FOUND
    assert tuned_for(bundle, "cuda") == NOTHING
    assert tuned_for(Bundle.find("nano"), "cpu") == NOTHING
    assert list(json.loads(tuned_file().read_text("utf-8"))) == [machine()]


def test_a_load_uses_it(bundle: Bundle, tiny_bundle: Path) -> None:
    keep_tuned(bundle, "cpu", FOUND)
    with Assistant.load(tiny_bundle, device="cpu", flash_attention="off") as assistant:
        assert assistant.tuned == FOUND
        assert assistant.llm.setup == Setup(1, 1, 64, flash_attention="off", repack=OTHER)


def test_another_machine_has_its_own(bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    keep_tuned(bundle, "cpu", FOUND)
    with monkeypatch.context() as patch:
        patch.setattr(tuned, "machine", lambda: "an abacus, 10 processors")
        assert tuned_for(bundle, "cpu") == NOTHING
        other = Tuned(Setup(1, 1, 128))
        keep_tuned(bundle, "cpu", other)
        assert tuned_for(bundle, "cpu") == other
        assert forget_tuned(bundle.name)
    assert list(json.loads(tuned_file().read_text("utf-8"))) == [machine()]


def test_a_model_of_another_size_is_not_the_one_that_was_tuned(bundle: Bundle) -> None:
    keep_tuned(bundle, "cpu", FOUND)
    kept = json.loads(tuned_file().read_text("utf-8"))
    kept[machine()]["tiny on cpu"]["llm_bytes"] += 1
    tuned_file().write_text(json.dumps(kept), "utf-8")
    assert tuned_for(bundle, "cpu") == NOTHING


@pytest.mark.parametrize(
    "harm",
    [
        {"n_threads": 0},
        {"n_threads": 100_000},
        {"n_threads_batch": True},
        {"n_batch": "128"},
        {"speech_threads": 1.5},
        {"n_threads": None},
        {"repack": "auto"},
    ],
)
def test_a_number_that_cannot_be_is_told_and_not_used(
    bundle: Bundle, harm: dict[str, object], caplog: pytest.LogCaptureFixture
) -> None:
    keep_tuned(bundle, "cpu", FOUND)
    kept = json.loads(tuned_file().read_text("utf-8"))
    kept[machine()]["tiny on cpu"] |= harm
    tuned_file().write_text(json.dumps(kept), "utf-8")
    assert tuned_for(bundle, "cpu") == NOTHING
    (record,) = caplog.records
    assert record.levelno == logging.ERROR
    assert next(iter(harm)) in record.getMessage()
    assert "edge-llasm tune writes it anew" in record.getMessage()


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '"tiny"', '{"%s": 3}', '{"%s": {"tiny on cpu": []}}', "\udcff"]
)
def test_a_broken_file_is_told_not_used_and_written_anew(
    bundle: Bundle, text: str, caplog: pytest.LogCaptureFixture
) -> None:
    tuned_file().parent.mkdir()
    tuned_file().write_bytes(text.replace("%s", machine()).encode("utf-8", "surrogateescape"))
    assert tuned_for(bundle, "cpu") == NOTHING
    assert len(caplog.records) == 1
    keep_tuned(bundle, "cpu", FOUND)
    assert tuned_for(bundle, "cpu") == FOUND
    assert [path.name for path in tuned_file().parent.iterdir()] == ["tuned.json"]


def test_it_is_told_in_a_line() -> None:
    (mark,) = FOUND.setup.marks
    tokens = "1 thread for a token, 1 thread for a prompt in batches of 64"
    assert describe(FOUND) == f"{tokens}, weights {mark}, 1 thread for speech"
    assert (
        describe(Tuned(Setup(2, 4, 128))) == "2 threads for a token, 4 threads for a prompt in batches of 128"
    )
    assert describe(NOTHING) == "not tuned"


def test_an_order_of_weights_that_is_asked_for_is_taken_instead(bundle: Bundle) -> None:
    keep_tuned(bundle, "cpu", FOUND)
    for asked, taken in (("auto", OTHER), ("on", "on"), ("off", "off")):
        with Assistant.load(bundle, device="cpu", repack=asked) as assistant:
            assert assistant.llm.setup.repack == taken
