"""A checkpoint's parts -> a bundle: a folder with ``bundle.toml``, made beside the target and renamed."""

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from convert.adapter import write_adapter
from convert.errors import ConvertError
from convert.llm import LlamaShape, write_llm
from convert.tensors import Array, Tensors
from convert.vocabulary import Vocabulary
from convert.whisper import SpeechType, WhisperShape, write_speech
from edge_llasm.bundle import ADAPTER_FILE, LLM_FILE, SPEECH_FILE, Bundle
from edge_llasm.manifest import FORMAT, FRAMES_PER_SECOND, MANIFEST
from edge_llasm.speech.whisper_cpp import NAME as SPEECH_ENGINE


@dataclass(frozen=True)
class Manifest:
    """What ``bundle.toml`` says that no tensor shows; the defaults are the released models'."""

    name: str
    version: str = "0.1.0"
    licence: str = "unknown"
    languages: tuple[str, ...] = ("en", "zh")
    template: str = "llama2-llasm"
    """A name in ``edge_llasm.prompt.TEMPLATES``."""
    system: str | None = None
    """Overrides the template's system prompt; "" means none."""
    transcribe: str = "Transcribe the audio."
    """The instruction that makes this model write down what was said."""
    trim_window: bool = False
    """Whether the speech model was trained on windows as long as the clip."""
    temperature: float = 0.2
    max_tokens: int = 1024


@dataclass(frozen=True)
class Parts:
    """Everything a bundle is made of, the tensors under Hugging Face's names."""

    manifest: Manifest
    whisper_shape: WhisperShape
    whisper: Tensors = field(repr=False)
    llama_shape: LlamaShape
    llama: Tensors = field(repr=False)
    """``model.…``, ``lm_head.weight`` and the adapter, ``model.mm_projector.{weight,bias}``."""
    vocabulary: Vocabulary = field(repr=False)
    n_queries: int
    """Hidden states, and so prompt positions, per audio block."""
    notes: tuple[str, ...] = ()
    """Where the checkpoint's files contradict each other, and what was taken: for people."""


def write_bundle(
    parts: Parts, target: Path, *, speech_type: SpeechType = "f16", llm_type: str = "f16"
) -> None:
    """Make the folder ``target``; nothing is left behind when it fails.

    Raises ConvertError if ``target`` exists or if the parts do not fit each other, BundleError if the runtime
    would not take the result.
    """
    weight, bias = _adapter(parts)
    with new_folder(target) as folder:
        write_speech(folder / SPEECH_FILE, parts.whisper_shape, parts.whisper, speech_type)
        write_adapter(folder / ADAPTER_FILE, weight, bias)
        write_llm(
            folder / LLM_FILE,
            parts.llama_shape,
            parts.llama,
            parts.vocabulary,
            name=parts.manifest.name,
            llm_type=llm_type,
        )
        (folder / MANIFEST).write_text(manifest_toml(parts, folder), encoding="utf-8")
        Bundle.load(folder).verify()  # what the runtime would refuse is refused here


@contextmanager
def new_folder(target: Path) -> Iterator[Path]:
    """Yield a temporary folder beside ``target`` that becomes ``target`` when the block succeeds."""
    require_absent(target)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix=f".{target.name}.", suffix=".part", dir=target.parent))
    except OSError as error:
        raise ConvertError(f"cannot write beside {target}: {error.strerror}") from error
    try:
        yield folder
        folder.chmod(0o755)  # mkdtemp's are private
        require_absent(target)  # made by somebody else meanwhile; rename would replace an empty folder
        folder.rename(target)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def require_absent(target: Path) -> None:
    """Raise ConvertError if there is anything at ``target``, be it a broken link."""
    if os.path.lexists(target):
        raise ConvertError(f"{target} exists already: remove it or choose another folder")


def manifest_toml(parts: Parts, folder: Path) -> str:
    """The text of ``bundle.toml`` for the finished files in ``folder``."""
    manifest, vocabulary = parts.manifest, parts.vocabulary
    whisper, llama = parts.whisper_shape, parts.llama_shape
    top: dict[str, Any] = {
        "format": FORMAT,
        "name": manifest.name,
        "version": manifest.version,
        "licence": manifest.licence,
        "languages": list(manifest.languages),
        "template": manifest.template,
    }
    if manifest.system is not None:
        top["system"] = manifest.system
    top["transcribe"] = manifest.transcribe
    tables: dict[str, dict[str, Any]] = {
        "speech": {
            "engine": SPEECH_ENGINE,
            "d": whisper.d,
            "n_queries": parts.n_queries,
            "window_seconds": whisper.n_audio_ctx / FRAMES_PER_SECOND,
            "trim_window": manifest.trim_window,
            "n_mels": whisper.n_mels,
        },
        "llm": {"n_embd": llama.n_embd, "n_vocab": llama.n_vocab, "n_ctx": llama.n_ctx},
        "tokens": {
            "bos": vocabulary.bos,
            "eos": vocabulary.eos,
            "au_start": vocabulary.au_start,
            "au_patch": vocabulary.au_patch,
            "au_end": vocabulary.au_end,
        },
        "sampling": {"temperature": manifest.temperature, "max_tokens": manifest.max_tokens},
    }
    for name in (SPEECH_FILE, ADAPTER_FILE, LLM_FILE):
        path = folder / name
        tables[f'files."{name}"'] = {"size": path.stat().st_size, "sha256": _sha256(path)}
    blocks = [_assignments(top)] + [f"[{name}]\n{_assignments(table)}" for name, table in tables.items()]
    return "\n".join(blocks)


def _adapter(parts: Parts) -> tuple[Array, Array | None]:
    """The adapter's weight and bias, checked against both of its neighbours."""
    llama, prefix = parts.llama, "model.mm_projector."
    if prefix + "weight" not in llama:
        raise ConvertError(f"the checkpoint has no {prefix}weight: is it a LLaSM checkpoint?")
    weight = llama[prefix + "weight"]
    expected = (parts.llama_shape.n_embd, parts.whisper_shape.d)
    if weight.shape != expected:
        raise ConvertError(
            f"the adapter is {weight.shape}, this Whisper and LLM need {expected}: is it the right Whisper?"
        )
    if not 1 <= parts.n_queries <= parts.whisper_shape.n_text_ctx:
        raise ConvertError(
            f"{parts.n_queries} queries do not fit Whisper's {parts.whisper_shape.n_text_ctx} positions"
        )
    bias = llama.get(prefix + "bias")
    return weight[:], None if bias is None else bias[:]


def _assignments(table: Mapping[str, Any]) -> str:
    return "".join(f"{key} = {_toml(value)}\n" for key, value in table.items())


def _toml(value: bool | int | float | str | list[str]) -> str:
    """JSON's scalars and arrays are TOML's too, but for one character."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
