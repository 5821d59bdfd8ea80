"""Does a bundle's folder hold what its manifest says, and do the parts fit each other?"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from edge_llasm.errors import BundleError
from edge_llasm.gguf_file import read_gguf
from edge_llasm.manifest import MANIFEST, BundleFile
from edge_llasm.whisper_file import read_whisper

if TYPE_CHECKING:
    from edge_llasm.bundle import Bundle

HASH_BLOCK = 1 << 20
"""Bytes read at a time: small enough that Ctrl-C is felt at once."""
WHISPER_ENGINE = "whisper.cpp"
_AGAIN = "install or convert the model again"


def check_files(bundle: Bundle, progress: Callable[[float], None] | None = None) -> None:
    """Sizes first, as that is free, then checksums. Raises BundleError."""
    for file in bundle.files:
        _check_size(bundle.path / file.name, file)
    done = 0
    for file in bundle.files:
        path = bundle.path / file.name
        digest = hashlib.sha256()
        try:
            with path.open("rb") as stream:
                while block := stream.read(HASH_BLOCK):
                    digest.update(block)
                    done += len(block)
                    if progress is not None:
                        progress(min(1.0, done / bundle.size))
        except OSError as error:
            raise BundleError(f"{path} cannot be read ({error.strerror}); check its permissions") from error
        if digest.hexdigest() != file.sha256:
            raise BundleError(f"{path} was altered: its sha256 is not the one in {MANIFEST}; {_AGAIN}")


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

    speech, llm = bundle.speech, bundle.llm
    if speech.engine == WHISPER_ENGINE:
        whisper = read_whisper(bundle.speech_file)
        _fits(bundle.speech_file, "d", whisper.n_text_state, speech.d)
        _fits(bundle.speech_file, "n_mels", whisper.n_mels, speech.n_mels)
        _fits(
            bundle.speech_file, "n_audio_ctx (window_seconds / 0.02)", whisper.n_audio_ctx, speech.n_audio_ctx
        )
        if whisper.n_text_ctx < speech.n_queries:
            raise BundleError(
                f"{bundle.speech_file} has {whisper.n_text_ctx} decoder positions, too few for the "
                f"{speech.n_queries} queries in {MANIFEST}; {_AGAIN}"
            )
    with Adapter.open(bundle.adapter_file) as adapter:
        _fits(bundle.adapter_file, "d", adapter.d, speech.d)
        _fits(bundle.adapter_file, "n_embd", adapter.n_embd, llm.n_embd)
    if new and bundle.has_onnx:
        onnx.look_at(bundle.onnx_file, speech)
    gguf = read_gguf(bundle.llm_file)
    _fits(bundle.llm_file, "n_embd", gguf.n_embd, llm.n_embd)
    _fits(bundle.llm_file, "n_vocab", gguf.n_vocab, llm.n_vocab)
    if llm.n_ctx > gguf.n_ctx_train:
        raise BundleError(
            f"{bundle.llm_file} was trained on {gguf.n_ctx_train} positions, {MANIFEST} asks for "
            f"n_ctx = {llm.n_ctx}; lower it or convert the model again"
        )


def _fits(path: Path, what: str, found: int, wanted: int) -> None:
    if found != wanted:
        raise BundleError(
            f"{path} does not fit this bundle: {what} is {found}, {MANIFEST} says {wanted}; {_AGAIN}"
        )
