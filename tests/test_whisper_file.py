"""speech.bin is checked down to every tensor: whisper.cpp ends the process on some mistakes."""

import struct
from pathlib import Path

import numpy as np
import pytest

from edge_llasm.errors import BundleError
from edge_llasm.whisper_file import read_whisper

HEADER = 4 + 11 * 4


@pytest.fixture
def data(tiny_bundle: Path) -> bytearray:
    return bytearray((tiny_bundle / "speech.bin").read_bytes())


def refused(tmp_path: Path, data: bytes | bytearray, message: str) -> None:
    path = tmp_path / "speech.bin"
    path.write_bytes(data)
    with pytest.raises(BundleError, match=message):
        read_whisper(path)


def test_the_header_is_read(tiny_bundle: Path) -> None:
    header = read_whisper(tiny_bundle / "speech.bin")
    assert (header.n_vocab, header.n_text_state, header.n_audio_ctx, header.n_mels, header.ftype) == (
        65,
        64,
        250,
        80,
        1,
    )


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        (0, 51865, "vocabulary of 51865"),
        (1, -1, "n_audio_ctx = -1"),
        (2, 1 << 30, "n_audio_state"),
        (3, 3, "heads do not divide"),
        (3, 0, "n_audio_head = 0"),
        (4, 3, "lacks"),
        (4, 1, "unexpected or repeated"),
        (6, 128, "different widths"),
        (9, 81, "mel filters"),
        (10, 0, "number format 0"),
        (10, 7, "cannot load"),
        (10, 99, "number format 99"),
    ],
)
def test_a_header_that_lies(tmp_path: Path, data: bytearray, field: int, value: int, message: str) -> None:
    struct.pack_into("<i", data, 4 + 4 * field, value)
    refused(tmp_path, data, message)


def test_a_convolution_of_floats_that_would_abort_ggml(tmp_path: Path, data: bytearray) -> None:
    at = data.index(b"encoder.conv1.weight")
    kind = at - 3 * 4 - 4
    assert struct.unpack_from("<i", data, kind) == (1,)
    struct.pack_into("<i", data, kind, 0)
    refused(tmp_path, data, "conv1.* as f32")


def test_a_tensor_of_another_name_or_shape(tmp_path: Path, data: bytearray) -> None:
    at = data.index(b"decoder.ln.weight")
    renamed = data[:at] + b"decoder.ln.weighs" + data[at + 17 :]
    refused(tmp_path, renamed, "unexpected or repeated tensor 'decoder.ln.weighs'")
    struct.pack_into("<i", data, at - 4, 32)
    refused(tmp_path, data, r"shape \(32,\)")


def test_more_behind_the_last_tensor(tmp_path: Path, data: bytearray) -> None:
    refused(tmp_path, data + b"\0" * 64, "garbage")


def test_flipped_bytes_never_raise_anything_else(tmp_path: Path, data: bytearray) -> None:
    rng = np.random.default_rng(0)
    path = tmp_path / "speech.bin"
    starts = [0, HEADER, *(data.index(name) - 24 for name in (b"encoder.conv1.weight", b"decoder.ln.bias"))]
    for _ in range(300):
        broken = bytearray(data)
        for _ in range(3):
            broken[int(rng.choice(starts)) + int(rng.integers(40))] = int(rng.integers(256))
        path.write_bytes(broken)
        try:
            read_whisper(path)
        except BundleError as error:
            assert "\n" not in str(error)
