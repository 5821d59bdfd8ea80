"""A checkpoint's parts -> a bundle: a folder with ``bundle.toml``, made beside the target and renamed."""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from convert.adapter import write_adapter
from convert.errors import ConvertError
from convert.footprint import needed_at_load
from convert.job import Job, Kind
from convert.llm import PLAIN_TYPES, LlamaShape, quantize, write_llm
from convert.origin import UNKNOWN, Origin
from convert.sizes import adapter_bytes, graph_bytes, llm_bytes, speech_bytes
from convert.speech_onnx import write_graph
from convert.speech_weights import OnnxType, weights_bytes, write_weights
from convert.tensors import Array, Tensors
from convert.toml import assignments, table
from convert.vocabulary import Vocabulary
from convert.whisper import SpeechType, WhisperShape, write_speech
from convert.workplace import Recipe, Workplace, workplace
from edge_llasm import __version__
from edge_llasm.bundle import ADAPTER_FILE, LLM_FILE, ONNX_FILE, SPEECH_FILE, WEIGHTS_FILE, Bundle
from edge_llasm.manifest import FORMAT, FRAMES_PER_SECOND, MANIFEST
from edge_llasm.room import require_disk
from edge_llasm.speech.whisper_cpp import NAME as SPEECH_ENGINE
from edge_llasm.verify import check_fit

MOST_CONTEXT = 8192  # positions that are kept unless more are asked for
PLAIN_FILE = f".{LLM_FILE}.f16"  # what the quantizer reads; not a part of the bundle
CHECKPOINT, WHISPER = "checkpoint", "whisper"  # the keys of Parts.origins


@dataclass(frozen=True)
class Manifest:
    """What ``bundle.toml`` says that no tensor shows; the defaults are the released models'."""

    name: str
    version: str = "0.1.0"
    licence: str = UNKNOWN
    """Of the whole; unknown takes the checkpoint's."""
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
    context: int | None = None
    """Positions that the runtime keeps, each of which takes memory from the start; None: the LLM's, at most 8192."""


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
    origins: Mapping[str, Origin] = field(default_factory=dict)
    """Where the ``checkpoint`` and the ``whisper`` were read; nothing for arrays that were in no file."""
    notes: tuple[str, ...] = ()
    """Where the checkpoint's files contradict each other, and what was taken: for people."""

    @property
    def n_ctx(self) -> int:
        """Positions that the bundle asks for."""
        return self.manifest.context or min(MOST_CONTEXT, self.llama_shape.n_ctx)


@dataclass(frozen=True)
class _Step:
    """One file to be written."""

    name: str
    kind: Kind
    size: int
    """bytes, about"""
    recipe: Recipe | None
    write: Callable[[Path], None]


def write_bundle(
    parts: Parts,
    target: Path,
    *,
    speech_type: SpeechType = "f16",
    onnx_type: OnnxType | None = "int8",
    llm_type: str = "f16",
    job: Job | None = None,
) -> None:
    """Make the folder ``target``; a failure leaves at most finished parts, hidden, for the next try.

    ``onnx_type`` None leaves out the speech tower for onnxruntime. Raises ConvertError if ``target`` exists, if the
    parts do not fit each other, NoRoom where the disk is too small, BundleError if the runtime would not take the
    result.
    """
    job = job or Job()
    adapter = _adapter(parts)
    with workplace(target) as place:
        job.place = place
        steps = [
            step
            for step in _steps(parts, adapter, place, speech_type, onnx_type, llm_type)
            if not place.has(step.name, step.recipe)
        ]
        sizes = {step.name: step.size for step in steps}
        require_disk(target.parent, sum(sizes.values()), "the conversion")
        job.plan(sizes)
        for step in steps:
            with job.step(step.name, step.kind, place.draft(step.name)):
                place.make(step.name, step.recipe, step.write)
        manifest = manifest_toml(parts, place.bundle, speech_type, onnx_type, llm_type)
        place.make(MANIFEST, None, lambda path: _write_text(path, manifest))
        check_fit(Bundle.load(place.bundle), new=True)  # what the runtime would refuse is refused here
        if job.cancel.is_set():
            raise KeyboardInterrupt
        place.publish(target)


def _steps(
    parts: Parts,
    adapter: tuple[Array, Array | None],
    place: Workplace,
    speech_type: SpeechType,
    onnx_type: OnnxType | None,
    llm_type: str,
) -> Iterator[_Step]:
    whisper, llama, vocabulary = parts.whisper_shape, parts.llama_shape, parts.vocabulary
    size = speech_bytes(whisper, speech_type)
    write = partial(_write_speech, parts, speech_type)
    yield _Step(SPEECH_FILE, "reading and writing", size, _recipe(parts, WHISPER, speech_type), write)
    if onnx_type is not None:
        of_speech = (whisper, parts.n_queries)
        recipe = _recipe(parts, WHISPER, onnx_type, str(parts.n_queries))
        size = weights_bytes(*of_speech, onnx_type)
        write = partial(_write_weights, parts, onnx_type)
        yield _Step(WEIGHTS_FILE, "reading and writing", size, recipe, write)
        size = graph_bytes(*of_speech, onnx_type)
        write = partial(_write_graph, parts, onnx_type)
        yield _Step(ONNX_FILE, "reading and writing", size, recipe, write)
    size = adapter_bytes(llama.n_embd, whisper.d)
    write = partial(write_adapter, weight=adapter[0], bias=adapter[1])
    yield _Step(ADAPTER_FILE, "reading and writing", size, _recipe(parts, CHECKPOINT), write)
    name = parts.manifest.name  # stands in the file
    plain = llm_type if llm_type in PLAIN_TYPES else "f16"
    recipe = _recipe(parts, CHECKPOINT, plain, name)
    size = llm_bytes(llama, vocabulary, plain)
    write = partial(_write_llm, parts, plain)
    if llm_type in PLAIN_TYPES:
        yield _Step(LLM_FILE, "reading and writing", size, recipe, write)
        return
    quantized = _recipe(parts, CHECKPOINT, llm_type, name)
    if not place.has(LLM_FILE, quantized):
        yield _Step(PLAIN_FILE, "reading and writing", size, recipe, write)
    size = llm_bytes(llama, vocabulary, llm_type)
    write = partial(quantize, place.path(PLAIN_FILE), llm_type=llm_type)
    yield _Step(LLM_FILE, "quantizing", size, quantized, write)


def _write_speech(parts: Parts, speech_type: SpeechType, path: Path) -> None:
    write_speech(path, parts.whisper_shape, parts.whisper, speech_type)


def _write_weights(parts: Parts, onnx_type: OnnxType, path: Path) -> None:
    write_weights(path, parts.whisper_shape, parts.n_queries, parts.whisper, onnx_type)


def _write_graph(parts: Parts, onnx_type: OnnxType, path: Path) -> None:
    write_graph(path, parts.whisper_shape, parts.n_queries, onnx_type, WEIGHTS_FILE)


def _write_llm(parts: Parts, llm_type: str, path: Path) -> None:
    name = parts.manifest.name
    write_llm(path, parts.llama_shape, parts.llama, parts.vocabulary, name=name, llm_type=llm_type)


def _write_text(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")


def _recipe(parts: Parts, part: str, *options: str) -> Recipe | None:
    """What a finished file must have been made from to be used again; None: no file on the disk says."""
    origin = parts.origins.get(part)
    if origin is None or origin.fingerprint is None:
        return None
    return {"by": __version__, "from": origin.fingerprint, "options": list(options)}


def manifest_toml(
    parts: Parts, folder: Path, speech_type: str, onnx_type: OnnxType | None, llm_type: str
) -> str:
    """The text of ``bundle.toml`` for the finished files in ``folder``."""
    for_onnx = () if onnx_type is None else (ONNX_FILE, WEIGHTS_FILE)
    files = [folder / name for name in (SPEECH_FILE, *for_onnx, ADAPTER_FILE, LLM_FILE)]
    sizes = {path.name: path.stat().st_size for path in files}
    # One engine hears, not both.
    spared = min(sizes[SPEECH_FILE], sum(sizes[name] for name in for_onnx))
    manifest, vocabulary = parts.manifest, parts.vocabulary
    whisper, llama = parts.whisper_shape, parts.llama_shape
    top: dict[str, Any] = {
        "format": FORMAT,
        "name": manifest.name,
        "version": manifest.version,
        "licence": _licence(parts),
        "languages": list(manifest.languages),
        "template": manifest.template,
    }
    if manifest.system is not None:
        top["system"] = manifest.system
    top["transcribe"] = manifest.transcribe
    top["memory"] = needed_at_load(whisper, llama, parts.n_ctx, sum(sizes.values()) - spared)
    tables: dict[str, dict[str, Any]] = {
        f"sources.{part}": _source(origin, _licence(parts) if part == CHECKPOINT else origin.licence)
        for part, origin in parts.origins.items()
    }
    tables |= {
        "speech": {
            "engine": SPEECH_ENGINE,
            "d": whisper.d,
            "n_queries": parts.n_queries,
            "window_seconds": whisper.n_audio_ctx / FRAMES_PER_SECOND,
            "trim_window": manifest.trim_window,
            "n_mels": whisper.n_mels,
            "type": speech_type,
            **({} if onnx_type is None else {"onnx": onnx_type}),
        },
        "llm": {
            "n_embd": llama.n_embd,
            "n_vocab": llama.n_vocab,
            "n_ctx": parts.n_ctx,
            "type": llm_type,
        },
        "tokens": {
            "bos": vocabulary.bos,
            "eos": vocabulary.eos,
            "au_start": vocabulary.au_start,
            "au_patch": vocabulary.au_patch,
            "au_end": vocabulary.au_end,
        },
        "sampling": {"temperature": manifest.temperature, "max_tokens": manifest.max_tokens},
    }
    for path in files:
        tables[f'files."{path.name}"'] = {"size": sizes[path.name], "sha256": _sha256(path)}
    return "\n".join([assignments(top), *(table(name, values) for name, values in tables.items())])


def _licence(parts: Parts) -> str:
    """Of the bundle: what was said of it, else what the checkpoint's card says."""
    origin = parts.origins.get(CHECKPOINT)
    said = parts.manifest.licence
    return origin.licence if said == UNKNOWN and origin is not None else said


def _source(origin: Origin, licence: str) -> dict[str, Any]:
    revision = {} if origin.revision is None else {"revision": origin.revision}
    return {"name": origin.name, **revision, "licence": licence}


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
    if not parts.n_queries + 2 < parts.n_ctx <= parts.llama_shape.n_ctx:
        raise ConvertError(
            f"a context of {parts.n_ctx} positions: choose one above {parts.n_queries + 2}, which one recording takes, "
            f"and up to {parts.llama_shape.n_ctx}, on which the LLM was trained"
        )
    bias = llama.get(prefix + "bias")
    return weight[:], None if bias is None else bias[:]


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
