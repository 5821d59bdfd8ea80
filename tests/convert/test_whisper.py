import struct
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from convert.bundle import write_bundle
from convert.checkpoint import load_parts
from convert.compare import difference
from convert.errors import ConvertError
from convert.whisper import (
    MAGIC,
    SPEECH_TYPES,
    SpeechType,
    WhisperShape,
    expected_shape,
    tensor_names,
    write_speech,
)
from edge_llasm.bundle import Bundle
from edge_llasm.speech.whisper_cpp import WhisperCpp
from edge_llasm.speech.window import window
from edge_llasm.whisper_file import WhisperHeader, expected_tensors, read_whisper
from tests.convert.test_parity import babble
from tests.tiny import WHISPER, Tensors, tiny_parts, whisper_config, write_tiny_checkpoint


@pytest.fixture(scope="module")
def tensors(tmp_path_factory: pytest.TempPathFactory) -> Tensors:
    return dict(tiny_parts(tmp_path_factory.mktemp("whisper") / "tokenizer.model").whisper)


@pytest.mark.parametrize("speech_type", SPEECH_TYPES)
def test_the_runtime_accepts_the_file(tmp_path: Path, tensors: Tensors, speech_type: SpeechType) -> None:
    write_speech(tmp_path / "speech.bin", WHISPER, tensors, speech_type)
    header = read_whisper(tmp_path / "speech.bin")
    assert (header.n_audio_ctx, header.n_audio_layer, header.n_text_layer) == (250, 2, 2)
    assert header.n_vocab == WHISPER.d + 1


def test_vocabulary_is_the_identity_and_the_start_token(tmp_path: Path, tensors: Tensors) -> None:
    write_speech(tmp_path / "speech.bin", WHISPER, tensors)
    data = (tmp_path / "speech.bin").read_bytes()
    assert struct.unpack_from("<I", data) == (MAGIC,)
    name = b"decoder.token_embedding.weight"
    start = data.index(name) + len(name)
    table = np.frombuffer(data, "<f2", (WHISPER.d + 1) * WHISPER.d, start).reshape(-1, WHISPER.d)
    assert (table[:-1] == np.eye(WHISPER.d)).all()
    expected = tensors["decoder.embed_tokens.weight"][WHISPER.start_token]
    np.testing.assert_allclose(table[-1], expected, rtol=1e-3, atol=1e-4)


def test_quantized_file_is_smaller(tmp_path: Path, tensors: Tensors) -> None:
    for speech_type in SPEECH_TYPES:
        write_speech(tmp_path / speech_type, WHISPER, tensors, speech_type)
    f16, q8_0, q5_1 = ((tmp_path / name).stat().st_size for name in ("f16", "q8_0", "q5_1"))
    assert q5_1 < q8_0 < 0.75 * f16


def test_names_with_the_model_prefix_are_found(tmp_path: Path, tensors: Tensors) -> None:
    write_speech(tmp_path / "plain", WHISPER, tensors)
    write_speech(tmp_path / "prefixed", WHISPER, {f"model.{name}": data for name, data in tensors.items()})
    assert (tmp_path / "plain").read_bytes() == (tmp_path / "prefixed").read_bytes()


def test_config_is_read(tensors: Tensors) -> None:
    assert WhisperShape.from_config(whisper_config(WHISPER)) == WHISPER
    assert len(list(tensor_names(WHISPER))) + 1 == len(tensors)


@pytest.mark.parametrize(
    ("d", "layers", "heads", "n_mels"),
    [
        (384, (4, 4), 6, 80),
        (512, (6, 6), 8, 80),
        (768, (12, 12), 12, 80),
        (1024, (24, 24), 16, 80),
        (1280, (32, 32), 20, 80),
        (1280, (32, 32), 20, 128),
        (1280, (32, 4), 20, 128),
    ],
    ids=["tiny", "base", "small", "medium", "large-v2", "large-v3", "large-v3-turbo"],
)
def test_every_published_size_is_known(d: int, layers: tuple[int, int], heads: int, n_mels: int) -> None:
    shape = replace(
        WHISPER,
        d=d,
        encoder_layers=layers[0],
        decoder_layers=layers[1],
        encoder_heads=heads,
        decoder_heads=heads,
        n_mels=n_mels,
        n_audio_ctx=1500,
        n_text_ctx=448,
        start_token=50258,
    )
    assert WhisperShape.from_config(whisper_config(shape)) == shape
    assert expected_shape("encoder.conv1.weight", shape) == (d, n_mels, 3)
    header = WhisperHeader(d + 1, 1500, d, heads, layers[0], 448, d, heads, layers[1], n_mels, 1)
    names = {ours for ours, _ in tensor_names(shape)} | {"decoder.token_embedding.weight"}
    assert names == {name for name, _ in expected_tensors(header)}


@pytest.mark.torch
def test_128_mel_bands_are_heard_as_pytorch_hears_them(tmp_path: Path) -> None:
    import torch

    from convert.reference import Reference

    torch.set_num_threads(1)
    folders = write_tiny_checkpoint(tmp_path / "checkpoint", n_mels=128)
    reference, parts = Reference(*folders), load_parts(*folders)
    samples = babble(1.7)
    for speech_type, least in (("f16", 0.9995), ("q8_0", 0.99), ("q5_1", 0.95)):
        write_bundle(parts, tmp_path / speech_type, speech_type=speech_type)  # type: ignore[arg-type]
        bundle = Bundle.load(tmp_path / speech_type)
        assert bundle.speech.n_mels == 128
        engine = WhisperCpp.open(bundle.speech_file, bundle.speech, device="cpu", n_threads=1)
        theirs = reference.features(samples, window(len(samples), bundle.speech))
        assert difference(engine.encode(samples), theirs).cosine >= least, speech_type
        engine.close()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"encoder_ffn_dim": 100}, "feed-forward"),
        ({"activation_function": "relu"}, "gelu"),
        ({"scale_embedding": True}, "unscaled"),
        ({"decoder_attention_heads": 5}, "heads"),
        ({"d_model": None}, "config.json"),
    ],
)
def test_what_whisper_cpp_computes_differently_is_refused(change: dict[str, object], words: str) -> None:
    with pytest.raises(ConvertError, match=words):
        WhisperShape.from_config(whisper_config(WHISPER) | change)


def test_a_missing_tensor_is_named(tmp_path: Path, tensors: Tensors) -> None:
    del (rest := dict(tensors))["decoder.layers.1.fc2.bias"]
    with pytest.raises(ConvertError, match=r"decoder\.layers\.1\.fc2\.bias"):
        write_speech(tmp_path / "speech.bin", WHISPER, rest)


def test_a_tensor_of_another_shape_is_refused(tmp_path: Path, tensors: Tensors) -> None:
    with pytest.raises(ConvertError, match=r"embed_positions.*config\.json says"):
        write_speech(tmp_path / "speech.bin", replace(WHISPER, n_audio_ctx=300), tensors)


def test_a_start_token_beyond_the_embedding_is_refused(tmp_path: Path, tensors: Tensors) -> None:
    with pytest.raises(ConvertError, match="no row 50258"):
        write_speech(tmp_path / "speech.bin", replace(WHISPER, start_token=50258), tensors)


def test_numbers_beyond_float16_are_refused(tmp_path: Path, tensors: Tensors) -> None:
    name = "encoder.layers.0.fc1.weight"
    with pytest.raises(ConvertError, match="float16"):
        write_speech(tmp_path / "speech.bin", WHISPER, tensors | {name: tensors[name] * 1e6})


def test_an_unknown_type_lists_the_known_ones(tmp_path: Path, tensors: Tensors) -> None:
    with pytest.raises(ConvertError, match="f16, q8_0, q5_1"):
        write_speech(tmp_path / "speech.bin", WHISPER, tensors, "q4_0")  # type: ignore[arg-type]
