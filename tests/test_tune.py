"""What is tried, and which of it is taken."""

from pathlib import Path

import pytest

from convert.bundle import write_bundle
from edge_llasm import tune as module
from edge_llasm.bench.turns import Measured
from edge_llasm.bundle import Bundle
from edge_llasm.cores import usable_processors
from edge_llasm.devices import choose_devices
from edge_llasm.tune import Trial, choose, thread_counts, tune
from edge_llasm.tuned import Tuned
from tests.tiny import tiny_parts


def took(**ms: float) -> dict[int, Measured]:
    return {int(name[1:]): Measured((value,)) for name, value in ms.items()}


@pytest.mark.parametrize(
    ("measured", "gain", "best"),
    [
        (took(t1=10, t2=9.5, t4=9.2), 1.1, 1),  # a tie: the first one
        (took(t1=10, t2=5.4, t4=5), 1.1, 2),
        (took(t1=10, t2=6, t4=2), 1.1, 4),
        (took(t1=10, t2=6, t4=5.1), 2.0, 1),  # a small model: half the time, or one thread
        (took(t1=10, t2=6, t4=4), 2.0, 2),
    ],
)
def test_the_first_candidate_wins_unless_another_is_much_faster(
    measured: dict[int, Measured], gain: float, best: int
) -> None:
    assert choose(measured, gain) == best


def test_threads_from_one_to_all_processors_are_tried() -> None:
    counts = thread_counts()
    assert counts[0] == 1
    assert counts[-1] == usable_processors()
    assert list(counts) == sorted(set(counts))


def test_a_model_is_tuned(tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST", 1)
    monkeypatch.setattr(module, "FEWEST", 1)
    bundle = Bundle.load(tiny_bundle)
    *trials, found = tune(bundle, choose_devices("cpu", has_onnx=bundle.has_onnx))
    assert isinstance(found, Tuned)
    assert all(isinstance(trial, Trial) and trial.best in trial.took for trial in trials)
    token, prompt, batch, speech = (trial.best for trial in trials if isinstance(trial, Trial))
    assert (found.setup.n_threads, found.setup.n_threads_batch) == (token, prompt)
    assert (found.setup.n_batch, found.speech_threads) == (batch, speech)


def test_of_a_quantized_model_the_order_of_weights_is_tried_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST", 1)
    monkeypatch.setattr(module, "FEWEST", 1)
    parts = tiny_parts(tmp_path / "tokenizer.model")
    write_bundle(parts, tmp_path / "tiny", llm_type="Q4_0", onnx_type=None)
    *trials, found = tune(Bundle.load(tmp_path / "tiny"), choose_devices("cpu"))
    (order,) = [trial for trial in trials if isinstance(trial, Trial) and trial.knob == "repack"]
    assert set(order.took) == {"on", "off"}
    assert isinstance(found, Tuned)
    assert found.setup.repack == order.best


def test_a_model_that_whisper_cpp_hears_keeps_its_rule_for_speech(
    tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST", 1)
    monkeypatch.setattr(module, "FEWEST", 1)
    *_, found = tune(Bundle.load(tiny_bundle), choose_devices("cpu", "whisper.cpp", has_onnx=True))
    assert isinstance(found, Tuned)
    assert found.speech_threads is None


def test_a_busy_machine_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    for load, told in ((0.0, None), (100.0 * usable_processors(), 100.0 * usable_processors())):
        monkeypatch.setattr("os.getloadavg", lambda load=load: (load, 0.0, 0.0))
        assert module.busy() == told
