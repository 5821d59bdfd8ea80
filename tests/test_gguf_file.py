"""llm.gguf: what it says of itself, and headers that lie."""

import struct
from pathlib import Path

import numpy as np
import pytest

from edge_llasm.errors import BundleError
from edge_llasm.gguf_file import read_gguf


@pytest.fixture
def data(tiny_bundle: Path) -> bytearray:
    return bytearray((tiny_bundle / "llm.gguf").read_bytes())


def refused(tmp_path: Path, data: bytes | bytearray, message: str) -> None:
    path = tmp_path / "llm.gguf"
    path.write_bytes(data)
    with pytest.raises(BundleError, match=message):
        read_gguf(path)


def test_the_header_is_read(tiny_bundle: Path) -> None:
    header = read_gguf(tiny_bundle / "llm.gguf")
    assert (header.architecture, header.n_embd, header.n_vocab, header.n_ctx_train) == ("llama", 64, 400, 512)
    assert header.cache_per_position == 2 * 2 * 64 * 2  # layers, keys and values, width, bytes
    layer = 4 * 64 * 64 + 3 * 64 * 96  # f16 matrices; the norms are float32
    assert header.bytes_per_token == 2 * (2 * layer + 400 * 64) + 4 * (5 * 64)


@pytest.mark.parametrize("version", [0, 1, 4, 0x03000000])
def test_versions_that_are_not_known(tmp_path: Path, data: bytearray, version: int) -> None:
    struct.pack_into("<I", data, 4, version)
    refused(tmp_path, data, f"version {version}")


@pytest.mark.parametrize(("offset", "what"), [(8, "tensors"), (16, "keys")])
@pytest.mark.parametrize("count", [1 << 40, (1 << 64) - 1])
def test_counts_beyond_reason(tmp_path: Path, data: bytearray, offset: int, what: str, count: int) -> None:
    struct.pack_into("<Q", data, offset, count)
    refused(tmp_path, data, "broken header")


@pytest.mark.parametrize("length", [1 << 20, 1 << 62, (1 << 64) - 1])
def test_a_name_of_absurd_length(tmp_path: Path, data: bytearray, length: int) -> None:
    struct.pack_into("<Q", data, 24, length)
    refused(tmp_path, data, "header|length")


def test_a_tensor_that_lies_outside_the_file(tmp_path: Path, data: bytearray) -> None:
    at = data.index(b"token_embd.weight") + len(b"token_embd.weight") + 4 + 2 * 8 + 4
    struct.pack_into("<Q", data, at, 1 << 40)
    refused(tmp_path, data, "past its end")


def test_a_tensor_of_an_unknown_type(tmp_path: Path, data: bytearray) -> None:
    at = data.index(b"token_embd.weight") + len(b"token_embd.weight") + 4 + 2 * 8
    struct.pack_into("<I", data, at, 4)
    refused(tmp_path, data, "unknown type 4")


def test_embeddings_that_do_not_fit_the_header(tmp_path: Path, data: bytearray) -> None:
    at = data.index(b"token_embd.weight") + len(b"token_embd.weight") + 4
    struct.pack_into("<Q", data, at, 32)
    refused(tmp_path, data, "token embeddings of shape")


def test_flipped_bytes_never_raise_anything_else(tmp_path: Path, data: bytearray) -> None:
    rng = np.random.default_rng(0)
    path = tmp_path / "llm.gguf"
    header = data.index(b"token_embd.weight") + 2000
    for _ in range(300):
        broken = bytearray(data)
        for _ in range(4):
            broken[int(rng.integers(8, header))] = int(rng.integers(256))
        path.write_bytes(broken)
        try:
            read_gguf(path)
        except BundleError as error:
            assert "\n" not in str(error)
