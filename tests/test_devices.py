"""What was asked for, what the installed builds support, and what was taken."""

import pytest

from edge_llasm.devices import Devices, EngineDevice, choose_devices, engine_devices, speech_device, take
from edge_llasm.errors import DeviceError, EngineError

ENGINES = ["whisper.cpp", "onnxruntime", "llama.cpp"]


@pytest.mark.parametrize("engine", ENGINES)
def test_every_engine_can_use_the_cpu(engine: str) -> None:
    assert engine_devices(engine)[-1] == "cpu"
    assert set(engine_devices(engine)) <= {"cpu", "metal", "cuda"}


def test_cpu_is_always_taken_when_asked_for() -> None:
    devices = choose_devices("cpu")
    assert devices.name == "cpu"
    assert (
        devices.describe()
        == "speech: whisper.cpp on cpu (as asked); adapter: onnxruntime on cpu (as asked); "
        "answers: llama.cpp on cpu (as asked)"
    )


def test_on_a_cpu_onnx_hears_where_the_model_has_it() -> None:
    assert choose_devices("cpu", has_onnx=True).speech.engine == "onnx"
    assert choose_devices("cpu").speech.engine == "whisper.cpp"
    assert speech_device("cpu", "whisper.cpp", has_onnx=True).engine == "whisper.cpp"
    assert speech_device("cpu", "onnx", has_onnx=True) == EngineDevice("onnx", "cpu", "as asked")


def test_on_a_gpu_whisper_cpp_hears(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edge_llasm.devices.whisper_devices", lambda: ("cuda", "cpu"))
    assert speech_device("auto", has_onnx=True).engine == "whisper.cpp"
    assert speech_device("cuda", has_onnx=True).device == "cuda"
    assert speech_device("cpu", has_onnx=True).engine == "onnx"
    onnx = speech_device("cuda", "onnx", has_onnx=True)
    assert (onnx.engine, onnx.device, onnx.why) == ("onnx", "cpu", "its build does not support cuda")


def test_an_engine_that_cannot_be_had_is_one_line() -> None:
    with pytest.raises(EngineError, match=r"no speech\.onnx; choose whisper\.cpp"):
        speech_device("cpu", "onnx")
    with pytest.raises(EngineError, match=r"'oracle'; choose one of auto, onnx, whisper\.cpp"):
        speech_device("cpu", "oracle", has_onnx=True)


def test_a_summary_names_each_engine_only_when_they_differ() -> None:
    cpu, cuda = (EngineDevice("llama.cpp", device, "") for device in ("cpu", "cuda"))
    speech, adapter = EngineDevice("whisper.cpp", "cpu", ""), EngineDevice("onnxruntime", "cpu", "")
    assert Devices(speech, adapter, cpu).summary() == "cpu"
    assert (
        Devices(speech, adapter, cuda).summary()
        == "whisper.cpp on cpu, onnxruntime on cpu, llama.cpp on cuda"
    )


def test_auto_takes_the_best_and_says_why() -> None:
    assert take("llama.cpp", "auto", ("cuda", "cpu")) == EngineDevice(
        "llama.cpp", "cuda", "the best that its build supports"
    )
    assert take("llama.cpp", "auto", ("cpu",)) == EngineDevice(
        "llama.cpp", "cpu", "its build supports no other"
    )
    for engine, part in zip(ENGINES, parts(choose_devices("auto")), strict=True):
        assert part.device == engine_devices(engine)[0]


def test_an_engine_without_the_device_stays_on_the_cpu_and_says_so() -> None:
    assert take("onnxruntime", "metal", ("cpu",)) == EngineDevice(
        "onnxruntime", "cpu", "its build does not support metal"
    )


@pytest.mark.parametrize("device", ["metal", "cuda"])
def test_a_device_that_no_engine_has_is_an_error(device: str) -> None:
    if any(device in engine_devices(engine) for engine in ("whisper.cpp", "llama.cpp")):
        assert device in [part.device for part in parts(choose_devices(device))]
        return
    with pytest.raises(DeviceError, match=f"{device}.*choose cpu"):
        choose_devices(device)


def test_an_unknown_device_lists_the_known_ones() -> None:
    with pytest.raises(DeviceError, match="'tpu'.*auto, cpu, metal, cuda"):
        choose_devices("tpu")


def parts(devices: Devices) -> tuple[EngineDevice, EngineDevice, EngineDevice]:
    return devices.speech, devices.adapter, devices.llm
