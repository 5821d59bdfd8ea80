"""Does a bundle's folder hold what its manifest says, and do the parts fit each other?"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Collection
from pathlib import Path
from typing import TYPE_CHECKING

from edge_llasm.checked import Checked, FileState
from edge_llasm.errors import BundleError
from edge_llasm.gguf_file import read_gguf
from edge_llasm.manifest import MANIFEST, BundleFile
from edge_llasm.whisper_file import read_whisper

if TYPE_CHECKING:
    from edge_llasm.adapter import Adapter
    from edge_llasm.bundle import Bundle

HASH_BLOCK = 1 << 20
"""Bytes read at a time: small enough that Ctrl-C is felt at once."""
WHISPER_ENGINE = "whisper.cpp"
_AGAIN = "install or convert the model again"


def check_files(bundle: Bundle, progress: Callable[[float], None] | None = None) -> None:
    """Sizes first, as that is free, then checksums. Raises BundleError."""
    check_sizes(bundle)
    check_sums(bundle, [file.name for file in bundle.files], progress)


def check_sizes(bundle: Bundle) -> None:
    """Whether all files are there, as long as the manifest says. Raises BundleError."""
    for file in bundle.files:
        _check_size(bundle.path / file.name, file)


def check_sums(
    bundle: Bundle,
    names: Collection[str],
    progress: Callable[[float], None] | None = None,
    checked: Checked | None = None,
) -> None:
    """Read these files and compare their checksums; not those that `checked` knows. Raises BundleError.

    `progress` gets the share that was read, 0 to 1, after every block: what it raises ends the reading.
    """
    files = [file for file in bundle.files if file.name in names]
    total, done = sum(file.size for file in files), 0

    def more(n: int) -> None:
        nonlocal done
        done += n
        if progress is not None:
            progress(min(1.0, done / total))

    for file in files:
        path = bundle.path / file.name
        try:
            found = _sha256(path, more, checked)
        except OSError as error:
            raise BundleError(f"{path} cannot be read ({error.strerror}); check its permissions") from error
        if found != file.sha256:
            raise BundleError(f"{path} was altered: its sha256 is not the one in {MANIFEST}; {_AGAIN}")


def _sha256(path: Path, more: Callable[[int], None], checked: Checked | None) -> str:
    """Of the file; `more` gets the bytes of each step. Raises OSError."""
    with path.open("rb") as stream:
        state = FileState.of(os.fstat(stream.fileno()))
        known = None if checked is None else checked.sha256(path, state)
        if known is not None:
            more(state.size)
            return known
        digest = hashlib.sha256()
        while block := stream.read(HASH_BLOCK):
            digest.update(block)
            more(len(block))
        found = digest.hexdigest()
        if checked is not None and FileState.of(os.fstat(stream.fileno())) == state:
            checked.note(path, state, found)
    return found


def _check_size(path: Path, file: BundleFile) -> None:
    try:
        size = path.stat().st_size
    except OSError as error:
        raise BundleError(f"{path} is missing ({error.strerror}); {_AGAIN}") from error
    if not path.is_file():
        raise BundleError(f"{path} is not a file; {_AGAIN}")
    if size != file.size:
        what = "is truncated" if size < file.size else "is too long"
        raise BundleError(f"{path} {what}: {size} bytes, {MANIFEST} says {file.size}; {_AGAIN}")


def check_fit(bundle: Bundle, *, new: bool = False) -> None:
    """Compare what the files say of themselves with the manifest. Raises BundleError.

    Only after `check_files`: onnxruntime opens the adapter, and speech.onnx of a `new` bundle. Of others it is left
    to the engine, which asks the same when it is loaded.
    """
    from edge_llasm.adapter import Adapter
    from edge_llasm.speech import onnx

    check_speech_header(bundle)
    with Adapter.open(bundle.adapter_file) as adapter:
        check_adapter(bundle, adapter)
    if new and bundle.has_onnx:
        onnx.look_at(bundle.onnx_file, bundle.speech)
    check_llm_header(bundle)


def check_speech_header(bundle: Bundle) -> None:
    """speech.bin, as far as it is told without native code. Raises BundleError."""
    speech, path = bundle.speech, bundle.speech_file
    if speech.engine != WHISPER_ENGINE:
        return
    whisper = read_whisper(path)
    _fits(path, "d", whisper.n_text_state, speech.d)
    _fits(path, "n_mels", whisper.n_mels, speech.n_mels)
    _fits(path, "n_audio_ctx (window_seconds / 0.02)", whisper.n_audio_ctx, speech.n_audio_ctx)
    if whisper.n_text_ctx < speech.n_queries:
        raise BundleError(
            f"{path} has {whisper.n_text_ctx} decoder positions, too few for the "
            f"{speech.n_queries} queries in {MANIFEST}; {_AGAIN}"
        )


def check_adapter(bundle: Bundle, adapter: Adapter) -> None:
    """One that is open. Raises BundleError."""
    _fits(bundle.adapter_file, "d", adapter.d, bundle.speech.d)
    _fits(bundle.adapter_file, "n_embd", adapter.n_embd, bundle.llm.n_embd)


def check_llm_header(bundle: Bundle) -> None:
    """llm.gguf, as far as it is told without native code. Raises BundleError."""
    llm, path = bundle.llm, bundle.llm_file
    gguf = read_gguf(path)
    _fits(path, "n_embd", gguf.n_embd, llm.n_embd)
    _fits(path, "n_vocab", gguf.n_vocab, llm.n_vocab)
    if llm.n_ctx > gguf.n_ctx_train:
        raise BundleError(
            f"{path} was trained on {gguf.n_ctx_train} positions, {MANIFEST} asks for "
            f"n_ctx = {llm.n_ctx}; lower it or convert the model again"
        )


def _fits(path: Path, what: str, found: int, wanted: int) -> None:
    if found != wanted:
        raise BundleError(
            f"{path} does not fit this bundle: {what} is {found}, {MANIFEST} says {wanted}; {_AGAIN}"
        )
