"""speech.onnx computes what PyTorch computes from the same weights."""

import json
import tracemalloc
from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest

from convert.bundle import write_bundle
from convert.checkpoint import load_parts
from convert.compare import difference
from convert.errors import ConvertError
from convert.sizes import graph_bytes
from convert.speech_onnx import write_graph
from convert.speech_weights import ONNX_TYPES, OnnxType, layout, weights_bytes, write_weights
from convert.tensors import Tensor
from convert.whisper import WhisperShape, expected_shape, tensor_names
from edge_llasm.bundle import Bundle
from edge_llasm.onnx_session import open_session
from edge_llasm.speech.onnx import OnnxSpeech
from edge_llasm.speech.window import window
from tests.convert.test_parity import babble
from tests.tiny import N_QUERIES, WHISPER, Tensors, tiny_parts, write_tiny_checkpoint


@pytest.fixture(scope="module")
def tensors(tmp_path_factory: pytest.TempPathFactory) -> Tensors:
    return dict(tiny_parts(tmp_path_factory.mktemp("whisper") / "tokenizer.model").whisper)


def write(folder: Path, tensors: Tensors, kind: OnnxType) -> Path:
    write_weights(folder / f"{kind}.weights", WHISPER, N_QUERIES, tensors, kind)
    write_graph(folder / f"{kind}.onnx", WHISPER, N_QUERIES, kind, f"{kind}.weights")
    return folder / f"{kind}.onnx"


@pytest.mark.parametrize("kind", ONNX_TYPES)
def test_the_graph_is_valid_and_takes_any_even_number_of_frames(
    tmp_path: Path, tensors: Tensors, kind: OnnxType
) -> None:
    path = write(tmp_path, tensors, kind)
    onnx.checker.check_model(str(path))
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    for n_frames in (16, 90, 500):
        mel = np.random.default_rng(n_frames).standard_normal((80, n_frames)).astype(np.float32)
        (states,) = session.run(None, {"mel": mel})
        assert states.shape == (N_QUERIES, WHISPER.d)
        assert np.isfinite(states).all()


@pytest.mark.parametrize("kind", ONNX_TYPES)
def test_the_sizes_are_foretold(tmp_path: Path, tensors: Tensors, kind: OnnxType) -> None:
    path = write(tmp_path, tensors, kind)
    assert path.with_suffix(".weights").stat().st_size == weights_bytes(WHISPER, N_QUERIES, kind)
    assert path.stat().st_size == pytest.approx(graph_bytes(WHISPER, N_QUERIES, kind), rel=0.3)


def test_the_weights_do_not_overlap_and_lie_where_a_processor_loads_them_fast() -> None:
    entries = layout(WHISPER, N_QUERIES, "int8")
    assert all(entry.offset % 64 == 0 for entry in entries)
    assert all(one.offset + one.size <= two.offset for one, two in zip(entries, entries[1:], strict=False))
    assert len({entry.name for entry in entries}) == len(entries)


def test_fewer_bits_are_fewer_bytes(tmp_path: Path, tensors: Tensors) -> None:
    sizes = [weights_bytes(WHISPER, N_QUERIES, kind) for kind in ONNX_TYPES]
    assert sizes == sorted(sizes)
    large = replace(WHISPER, d=1280, encoder_layers=32, decoder_layers=32, n_audio_ctx=1500)
    assert weights_bytes(large, 64, "int8") < 0.28 * weights_bytes(large, 64, "f32")


class OnDemand(Mapping[str, Tensor]):
    """Tensors that are made when they are looked at, as a checkpoint's are read."""

    def __init__(self, shape: WhisperShape) -> None:
        self._dims = {theirs: expected_shape(theirs, shape) for _, theirs in tensor_names(shape)}
        self._dims["decoder.embed_tokens.weight"] = (3, shape.d)

    def __getitem__(self, name: str) -> Tensor:
        return np.full(self._dims[name], 0.01, np.float32)

    def __iter__(self) -> Iterator[str]:
        return iter(self._dims)

    def __len__(self) -> int:
        return len(self._dims)


@pytest.mark.parametrize("kind", ONNX_TYPES)
def test_a_few_tensors_are_in_memory_not_the_model(tmp_path: Path, kind: OnnxType) -> None:
    shape = replace(WHISPER, d=256, encoder_layers=6, decoder_layers=6)
    largest = 4 * 4 * shape.d**2  # bytes of a feed-forward matrix in float32
    tracemalloc.start()
    try:
        write_weights(tmp_path / "weights", shape, N_QUERIES, OnDemand(shape), kind)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 6 * largest < 0.25 * weights_bytes(shape, N_QUERIES, "f32")


def test_names_with_the_model_prefix_are_found(tmp_path: Path, tensors: Tensors) -> None:
    prefixed = {f"model.{name}": data for name, data in tensors.items()}
    for name, some in (("plain", tensors), ("prefixed", prefixed)):
        write_weights(tmp_path / name, WHISPER, N_QUERIES, some)
    assert (tmp_path / "plain").read_bytes() == (tmp_path / "prefixed").read_bytes()


def test_a_missing_tensor_is_named(tmp_path: Path, tensors: Tensors) -> None:
    del (rest := dict(tensors))["decoder.layers.1.fc2.bias"]
    with pytest.raises(ConvertError, match=r"decoder\.layers\.1\.fc2\.bias"):
        write_weights(tmp_path / "weights", WHISPER, N_QUERIES, rest)


def test_a_tensor_of_another_shape_is_refused(tmp_path: Path, tensors: Tensors) -> None:
    with pytest.raises(ConvertError, match=r"embed_positions.*config\.json says"):
        write_weights(tmp_path / "weights", replace(WHISPER, n_audio_ctx=300), N_QUERIES, tensors)


def test_numbers_that_are_not_finite_are_refused(tmp_path: Path, tensors: Tensors) -> None:
    name = "encoder.layers.0.fc1.weight"
    with pytest.raises(ConvertError, match=r"fc1\.weight has numbers that are not finite"):
        write_weights(tmp_path / "weights", WHISPER, N_QUERIES, tensors | {name: tensors[name] * np.inf})


def test_a_width_without_blocks_is_refused(tmp_path: Path, tensors: Tensors) -> None:
    with pytest.raises(ConvertError, match="multiple of 32, not 48: use f16"):
        write_weights(tmp_path / "weights", replace(WHISPER, d=48), N_QUERIES, tensors, "q8_0")


def test_rows_need_no_blocks(tmp_path: Path) -> None:
    shape, rng = replace(WHISPER, d=48, encoder_heads=3, decoder_heads=3), np.random.default_rng(0)
    tensors = {
        name: rng.normal(0, 0.05, data.shape).astype(np.float32) for name, data in OnDemand(shape).items()
    }
    kinds: tuple[OnnxType, ...] = ("f32", "int8")
    states = []
    for kind in kinds:
        write_weights(tmp_path / f"{kind}.weights", shape, N_QUERIES, tensors, kind)
        write_graph(tmp_path / f"{kind}.onnx", shape, N_QUERIES, kind, f"{kind}.weights")
        session = open_session(tmp_path / f"{kind}.onnx", 1, any_length=True)
        states.append(session.run(None, {"mel": np.ones((80, 90), np.float32)})[0])
    assert difference(*states).cosine > 0.999


def test_an_unknown_type_lists_the_known_ones(tmp_path: Path, tensors: Tensors) -> None:
    with pytest.raises(ConvertError, match="int8, q8_0, f16, f32"):
        write_weights(tmp_path / "weights", WHISPER, N_QUERIES, tensors, "q4_0")  # type: ignore[arg-type]


def test_a_layer_of_zeros_stays_one(tmp_path: Path, tensors: Tensors) -> None:
    zeros = {name: np.zeros_like(data) for name, data in tensors.items() if "fc" in name}
    for kind in ONNX_TYPES:
        path = write(tmp_path, tensors | zeros, kind)
        session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
        assert np.isfinite(session.run(None, {"mel": np.ones((80, 40), np.float32)})[0]).all()


@pytest.mark.parametrize("kind", ONNX_TYPES)
def test_a_layer_s_keys_are_computed_when_it_asks_and_not_kept_from_the_start(
    tmp_path: Path, tensors: Tensors, kind: OnnxType, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = onnxruntime.InferenceSession

    def observed(path: str, options: Any, **more: Any) -> Any:
        options.enable_profiling, options.profile_file_prefix = True, str(tmp_path / "profile")
        return plain(path, options, **more)

    monkeypatch.setattr(onnxruntime, "InferenceSession", observed)
    session = open_session(write(tmp_path, tensors, kind), 1, any_length=True)
    session.run(None, {"mel": np.ones((80, 40), np.float32)})
    events = json.loads(Path(session.end_profiling()).read_text(encoding="utf-8"))
    began = {event["name"]: event["ts"] for event in events if event.get("cat") == "Node"}
    layers = [f"decoder.layers.{i}" for i in range(WHISPER.decoder_layers)]
    assert len(layers) > 1
    for one, two in pairwise(layers):
        end = max(at for name, at in began.items() if name.startswith(f"{one}."))
        assert all(at > end for name, at in began.items() if name.startswith(f"{two}."))


@pytest.mark.torch
@pytest.mark.parametrize("n_mels", [80, 128])
def test_it_hears_what_pytorch_hears(tmp_path: Path, n_mels: int) -> None:
    import torch

    from convert.reference import Reference

    torch.set_num_threads(1)
    folders = write_tiny_checkpoint(tmp_path / "checkpoint", n_mels=n_mels)
    reference, parts = Reference(*folders), load_parts(*folders)
    kinds: dict[OnnxType, tuple[float, float]] = {
        "f32": (1e-4, 0.999999),
        "f16": (1e-2, 0.99999),
        "q8_0": (0.2, 0.999),
        "int8": (0.2, 0.998),
    }
    for kind, (most, least) in kinds.items():
        write_bundle(parts, tmp_path / kind, onnx_type=kind)
        bundle = Bundle.load(tmp_path / kind)
        assert (bundle.speech.n_mels, bundle.speech.onnx) == (n_mels, kind)
        with OnnxSpeech.open(bundle.onnx_file, bundle.speech, n_threads=1) as engine:
            for seconds in (0.02, 1.7, 5.0):
                samples = babble(seconds)
                theirs = reference.features(samples, window(len(samples), bundle.speech))
                apart = difference(engine.encode(samples), theirs)
                assert apart.max_abs <= most, (kind, seconds)
                assert apart.cosine >= least, (kind, seconds)
