"""No bundle whose files are damaged or do not fit reaches native code."""

import hashlib
import re
import shutil
from pathlib import Path

import pytest

from edge_llasm.bundle import Bundle
from edge_llasm.errors import BundleError
from edge_llasm.verify import check_fit

FILES = ["speech.bin", "adapter.onnx", "llm.gguf"]
ALL_FILES = [*FILES, "speech.onnx", "speech.weights"]


@pytest.fixture
def copy(tmp_path: Path, tiny_bundle: Path) -> Path:
    return Path(shutil.copytree(tiny_bundle, tmp_path / "copy"))


def sign(folder: Path) -> None:
    """Write the right sizes and checksums of whatever lies there: what is left to find is what does not fit."""
    manifest = folder / "bundle.toml"
    text = manifest.read_text("utf-8")
    for name in FILES:
        data = (folder / name).read_bytes()
        entry = f'[files."{name}"]\nsize = {len(data)}\nsha256 = "{hashlib.sha256(data).hexdigest()}"\n'
        text = re.sub(rf'\[files\."{re.escape(name)}"\]\n(?:\w+ = .*\n?)*', entry, text)
    manifest.write_text(text, "utf-8")


def refused(folder: Path, message: str) -> None:
    with pytest.raises(BundleError, match=message) as caught:
        Bundle.load(folder).verify()
    assert "\n" not in str(caught.value)


def test_progress_goes_to_the_end(tiny_bundle: Path) -> None:
    shares: list[float] = []
    Bundle.load(tiny_bundle).verify(shares.append)
    assert shares == sorted(shares)
    assert shares[-1] == 1.0


@pytest.mark.parametrize("name", ALL_FILES)
def test_missing_truncated_too_long_altered(copy: Path, name: str) -> None:
    path = copy / name
    data = path.read_bytes()
    path.write_bytes(data[:-1])
    refused(copy, f"{name} is truncated")
    path.write_bytes(data + b"\0")
    refused(copy, f"{name} is too long")
    path.write_bytes(data[:1000] + bytes([data[1000] ^ 1]) + data[1001:])
    refused(copy, f"{name} was altered")
    path.unlink()
    refused(copy, f"{name} is missing")
    path.mkdir()
    refused(copy, f"{name} is not a file")


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("content", [b"x", b"\0" * 5000, b"GGUF", b"lmgg", b"<html>not found</html>" * 100])
def test_files_of_another_kind_with_right_checksums(copy: Path, name: str, content: bytes) -> None:
    (copy / name).write_bytes(content)
    sign(copy)
    refused(copy, name)


@pytest.mark.parametrize("name", ["speech.bin", "llm.gguf"])
@pytest.mark.parametrize("share", [0.001, 0.01, 0.3, 0.9, 0.9999])
def test_a_truncated_file_with_a_right_checksum(copy: Path, name: str, share: float) -> None:
    path = copy / name
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    sign(copy)
    refused(copy, name)


def test_files_changed_for_each_other(copy: Path) -> None:
    (copy / "speech.bin").rename(copy / "x")
    (copy / "llm.gguf").rename(copy / "speech.bin")
    (copy / "x").rename(copy / "llm.gguf")
    sign(copy)
    refused(copy, r"speech\.bin is not a whisper\.cpp model")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("d = 64", "d = 128", r"speech\.bin does not fit this bundle: d is 64"),
        ("n_mels = 80", "n_mels = 128", "n_mels is 80"),
        ("window_seconds = 5.0", "window_seconds = 10.0", "n_audio_ctx .* is 250"),
        ("n_queries = 16", "n_queries = 17", "16 decoder positions"),
        ("n_embd = 64", "n_embd = 32", r"adapter\.onnx does not fit this bundle: n_embd is 64"),
        ("n_ctx = 512", "n_ctx = 513", r"llm\.gguf was trained on 512 positions"),
        ("n_vocab = 400", "n_vocab = 401", r"llm\.gguf does not fit this bundle: n_vocab is 400"),
    ],
)
def test_parts_that_do_not_fit_the_manifest(copy: Path, old: str, new: str, message: str) -> None:
    manifest = copy / "bundle.toml"
    text = manifest.read_text("utf-8")
    assert f"\n{old}\n" in text
    manifest.write_text(text.replace(f"\n{old}\n", f"\n{new}\n"), "utf-8")
    refused(copy, message)


def test_a_new_bundle_s_second_engine_is_looked_at_before_it_is_needed(copy: Path) -> None:
    check_fit(Bundle.load(copy), new=True)
    (copy / "speech.onnx").write_bytes((copy / "adapter.onnx").read_bytes())
    check_fit(Bundle.load(copy))
    with pytest.raises(
        BundleError, match=r"speech\.onnx does not fit this bundle.*\(80, any\) to \(16, 64\)"
    ) as caught:
        check_fit(Bundle.load(copy), new=True)
    assert "\n" not in str(caught.value)
