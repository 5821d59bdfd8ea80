"""bundle.toml: what stands in it, and the parts of it as frozen dataclasses.

The full example stands in bundle.py; every value is checked for type and range, so that the rest of the
package can trust it. Unknown keys are left alone: a newer minor writer may add some.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from edge_llasm.errors import BundleError
from edge_llasm.prompt import TokenIds

FORMAT = 1
"""The version of bundle.toml that this package reads."""
MANIFEST = "bundle.toml"
MAX_MANIFEST_BYTES = 1 << 20
FRAMES_PER_SECOND = 50
"""Encoder frames per second of audio: 100 mel frames a second, halved by the second convolution."""
_BIG = 1 << 31


@dataclass(frozen=True)
class SpeechSpec:
    """What the speech tower takes and gives."""

    engine: str
    """name of the engine that reads speech.bin"""
    d: int
    """width of a hidden state, floats"""
    n_queries: int
    """hidden states per piece of audio"""
    window_seconds: float
    """longest piece of audio, seconds"""
    trim_window: bool
    """trained with windows as long as the clip (True), or always padded to the full window (False)"""
    n_mels: int
    """mel bands"""
    type: str | None = None
    """numbers of speech.bin, as convert calls them; manifests of 0.1.0 do not say"""
    onnx: str | None = None
    """numbers of speech.onnx, as convert calls them; None where there is no such file"""

    @property
    def n_audio_ctx(self) -> int:
        """Encoder frames in the full window."""
        return round(self.window_seconds * FRAMES_PER_SECOND)


@dataclass(frozen=True)
class LlmSpec:
    """What the language model takes."""

    n_embd: int
    """width of an embedding, floats"""
    n_vocab: int
    """tokens in the vocabulary"""
    n_ctx: int
    """context, tokens"""
    type: str | None = None
    """numbers of llm.gguf, as convert calls them; manifests of 0.1.0 do not say"""


@dataclass(frozen=True)
class SamplingDefaults:
    """What this model answers best with."""

    temperature: float = 0.0
    """0 is greedy"""
    max_tokens: int = 256
    """longest answer, tokens"""


@dataclass(frozen=True)
class BundleFile:
    """One file of the bundle, as the manifest describes it."""

    name: str
    size: int
    """bytes"""
    sha256: str
    """64 lower-case hexadecimal digits"""


@dataclass(frozen=True)
class Source:
    """What a part was made from."""

    part: str
    """checkpoint, of llm.gguf and adapter.onnx, or whisper, of speech.bin"""
    name: str
    """an id on the Hub, or the name of a folder"""
    revision: str | None
    """the commit on the Hub, where it is known"""
    licence: str


class Table:
    """A table of the manifest, read key by key; complaints name the file, the key and what was expected."""

    def __init__(self, values: Mapping[str, object], path: Path, name: str = "") -> None:
        self.values = values
        self.path = path
        self.name = name

    def fail(self, key: str, wanted: str) -> BundleError:
        where = f"[{self.name}] {key}" if self.name else key
        return BundleError(f"{self.path}: {where} {wanted}; fix the manifest or convert the model again")

    def table(self, key: str, *, required: bool = True) -> Table:
        value = self.values.get(key, None if required else {})
        if not isinstance(value, dict):
            raise self.fail(key, "must be a table")
        return Table(value, self.path, f"{self.name}.{key}" if self.name else key)

    def text(self, key: str, *, empty: bool = False) -> str:
        value = self.values.get(key)
        if not isinstance(value, str) or not (value or empty):
            raise self.fail(key, "must be a text")
        return value

    def optional_text(self, key: str) -> str | None:
        return self.text(key) if key in self.values else None

    def texts(self, key: str) -> tuple[str, ...]:
        value = self.values.get(key)
        if (
            not isinstance(value, list)
            or not value
            or not all(isinstance(item, str) and item for item in value)
        ):
            raise self.fail(key, "must be a list of texts")
        return tuple(value)

    def integer(self, key: str, low: int, high: int, default: int | None = None) -> int:
        value = self.values.get(key, default)
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise self.fail(key, f"must be a whole number from {low} to {high}")
        return value

    def number(self, key: str, low: float, high: float, default: float | None = None) -> float:
        value = self.values.get(key, default)
        if not isinstance(value, int | float) or isinstance(value, bool) or not low <= value <= high:
            raise self.fail(key, f"must be a number from {low:g} to {high:g}")
        return float(value)

    def truth(self, key: str) -> bool:
        value = self.values.get(key)
        if not isinstance(value, bool):
            raise self.fail(key, "must be true or false")
        return value


def read_manifest(folder: Path) -> Table:
    """The top table of folder/bundle.toml, of a format that this package reads. Raises BundleError."""
    path = folder / MANIFEST
    if not os.path.isdir(folder):
        raise BundleError(f"{folder} is not a model folder: there is no such folder; check the path")
    try:
        with path.open("rb") as stream:
            raw = stream.read(MAX_MANIFEST_BYTES + 1)
    except OSError as error:
        raise BundleError(
            f"{folder} is not a model folder: cannot read {MANIFEST} ({error.strerror}); check the path"
        ) from error
    if len(raw) > MAX_MANIFEST_BYTES:
        raise BundleError(f"{path} is far too long for a manifest; convert the model again")
    try:
        table = Table(tomllib.loads(raw.decode("utf-8")), path)
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise BundleError(f"{path} is not valid TOML ({error}); convert the model again") from error
    found = table.integer("format", 0, _BIG, default=-1) if "format" in table.values else -1
    if found > FORMAT:
        raise BundleError(f"{path} is of format {found}, this version reads {FORMAT}; upgrade edge-llasm")
    if found != FORMAT:
        raise table.fail("format", f"must be {FORMAT}")
    return table


def speech_spec(table: Table) -> SpeechSpec:
    spec = SpeechSpec(
        engine=table.text("engine"),
        d=table.integer("d", 1, 1 << 14),
        n_queries=table.integer("n_queries", 1, 1 << 12),
        window_seconds=table.number("window_seconds", 0.1, 600.0),
        trim_window=table.truth("trim_window"),
        n_mels=table.integer("n_mels", 1, 1024),
        type=table.optional_text("type"),
        onnx=table.optional_text("onnx"),
    )
    if abs(spec.n_audio_ctx - spec.window_seconds * FRAMES_PER_SECOND) > 1e-6:
        raise table.fail("window_seconds", "must be a multiple of 0.02")
    return spec


def llm_spec(table: Table) -> LlmSpec:
    return LlmSpec(
        n_embd=table.integer("n_embd", 1, 1 << 17),
        n_vocab=table.integer("n_vocab", 1, 1 << 24),
        n_ctx=table.integer("n_ctx", 8, 1 << 24),
        type=table.optional_text("type"),
    )


def token_ids(table: Table, n_vocab: int) -> TokenIds:
    last = n_vocab - 1
    return TokenIds(
        *(table.integer(name, 0, last) for name in ("bos", "eos", "au_start", "au_patch", "au_end"))
    )


def sampling_defaults(table: Table) -> SamplingDefaults:
    return SamplingDefaults(
        temperature=table.number("temperature", 0.0, 10.0, SamplingDefaults.temperature),
        max_tokens=table.integer("max_tokens", 1, 1 << 20, SamplingDefaults.max_tokens),
    )


def sources(table: Table) -> tuple[Source, ...]:
    entries = [(part, table.table(part)) for part in table.values]
    return tuple(
        Source(part, entry.text("name"), entry.optional_text("revision"), entry.text("licence"))
        for part, entry in entries
    )


def bundle_files(table: Table, required: tuple[str, ...]) -> tuple[BundleFile, ...]:
    for name in required:
        if name not in table.values:
            raise table.fail(f'"{name}"', "is missing")
    files = []
    for name in table.values:
        # A manifest may not point outside its own folder, nor at itself.
        if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._-]*", name) or name.lower() == MANIFEST:
            raise table.fail(f'"{name}"', "must be a plain file name")
        entry = table.table(name)
        digest = entry.text("sha256")
        if not re.fullmatch(r"[0-9a-f]{64}", digest):
            raise entry.fail("sha256", "must be 64 lower-case hexadecimal digits")
        files.append(BundleFile(name, entry.integer("size", 1, 1 << 50), digest))
    return tuple(files)
