"""Reads a LLaSM checkpoint folder and a Whisper folder in Hugging Face's layout, tensor by tensor.

Shards are memory-mapped for as long as one of their tensors is looked at: 27 GB of float32 need no 27 GB of memory.
Pickled ones are opened weights-only: a pickle that would run code is refused.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import fields
from functools import cached_property
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import numpy as np

from convert.bundle import CHECKPOINT, WHISPER, Manifest, Parts
from convert.errors import ConvertError
from convert.json_file import read_json
from convert.llm import HEAD, LlamaShape, check_tensors, tensor_shapes
from convert.origin import Origin
from convert.special_tokens import SpecialTokens
from convert.tensors import Array, Tensor
from convert.tokenizer import load_vocabulary
from convert.whisper import WhisperShape

# In order of preference; each with the index that a checkpoint of several files has.
WEIGHTS = (
    ("model.safetensors", "model.safetensors.index.json"),
    ("pytorch_model.bin", "pytorch_model.bin.index.json"),
)
TABLE = "edge_llasm"  # this project's own table in config.json
# The prompt's form is in no file: the released code is told by its option llm_type.
_FORMS = {"LLaSM-Baichuan": {"template": "vicuna-llasm"}}
# Not of the LLM, yet expected; anything else that is left over is an architecture unknown here.
_ADAPTER = "mm_projector.weight"
_IGNORED = ("rotary_emb.inv_freq", _ADAPTER, "mm_projector.bias")


class Checkpoint(Mapping[str, Tensor]):
    """The tensors of a folder by name. Rows are read when they are asked for; bfloat16 comes as float32."""

    def __init__(self, folder: Path) -> None:
        """Raises ConvertError when the folder has no weights, not all that its index names, or damaged ones."""
        self.folder = folder
        self._files, self._shapes = _locate(folder), dict[str, tuple[int, ...]]()
        for path in sorted(set(self._files.values())):
            shard = _open(path)
            for name in (name for name, file in self._files.items() if file == path):
                self._shapes[name] = tuple(_tensor(shard, name, path).shape)

    def __getitem__(self, name: str) -> Tensor:
        return _Stored(self._files[name], name, self._shapes[name])

    def __contains__(self, name: object) -> bool:
        return name in self._files  # the inherited one would open the file

    def __iter__(self) -> Iterator[str]:
        return iter(self._files)

    def __len__(self) -> int:
        return len(self._files)


class _Stored:
    """A tensor in its file, which is mapped from the first look at a row until this object is gone.

    So pages that were read do not pile up, as they would in one mapping of the whole shard.
    """

    def __init__(self, path: Path, name: str, shape: tuple[int, ...]) -> None:
        self._path = path
        self._name = name
        self.shape = shape

    @cached_property
    def _tensor(self) -> Any:
        return _tensor(_open(self._path), self._name, self._path).detach()

    def __getitem__(self, rows: slice, /) -> Array:
        import torch

        part = self._tensor[rows]
        if part.dtype not in (torch.float16, torch.float32):
            part = part.float()  # numpy has no bfloat16
        return np.ascontiguousarray(part.numpy())


def load_parts(
    checkpoint: Path,
    whisper: Path,
    *,
    overrides: Mapping[str, Any] | None = None,
    whisper_licence: str | None = None,
) -> Parts:
    """Everything that a bundle is made of, from a checkpoint folder and the Whisper it was trained on.

    ``overrides`` are fields of Manifest that go before those in config.json's ``edge_llasm`` table;
    ``whisper_licence`` goes before its card's. Raises
    ConvertError for anything missing, unreadable, or not LLaSM's architecture.
    """
    config, whisper_config = read_json(checkpoint / "config.json"), read_json(whisper / "config.json")
    llama_shape = LlamaShape.from_config(config)
    tensors = Checkpoint(checkpoint)
    known = {tensor for tensor, _ in tensor_shapes(llama_shape)} | {HEAD}
    unknown = [tensor for tensor in tensors if tensor not in known and not tensor.endswith(_IGNORED)]
    if unknown:
        raise ConvertError(f"the checkpoint has tensors that no LLaMA has: {', '.join(sorted(unknown)[:3])}")
    check_tensors(llama_shape, tensors)
    for adapter in (name for name in tensors if name.endswith(_ADAPTER)):
        width = tensors[adapter].shape[0]
        if width != llama_shape.n_embd:
            raise ConvertError(
                f"the adapter makes embeddings of width {width}, this LLM has {llama_shape.n_embd}: "
                "it was trained for another one"
            )
    special, origin = SpecialTokens.read(checkpoint), Origin.of(checkpoint)
    whisper_shape = WhisperShape.from_config(whisper_config)
    return Parts(
        manifest=_manifest(config, origin.name, checkpoint, overrides or {}),
        whisper_shape=whisper_shape,
        whisper=Checkpoint(whisper),
        llama_shape=llama_shape,
        llama=tensors,
        vocabulary=load_vocabulary(checkpoint, llama_shape.n_vocab, special),
        n_queries=int(config.get("audio_token_len", 64)),
        origins={CHECKPOINT: origin, WHISPER: Origin.of(whisper, whisper_licence)},
        notes=special.notes,
    )


def _manifest(
    config: Mapping[str, Any], source: str, checkpoint: Path, overrides: Mapping[str, Any]
) -> Manifest:
    table = config.get(TABLE) or {}
    unknown = set(table) - {field.name for field in fields(Manifest)}
    if unknown:
        raise ConvertError(f"config.json's table {TABLE} has unknown keys: {', '.join(sorted(unknown))}")
    values = {"name": checkpoint.resolve().name.lower(), **_FORMS.get(source.rpartition("/")[2], {}), **table}
    values |= {key: value for key, value in overrides.items() if value is not None}
    if "languages" in values:
        values["languages"] = tuple(values["languages"])
    return Manifest(**values)


def _locate(folder: Path) -> dict[str, Path]:
    """Tensor name -> file that holds it."""
    for single, index in WEIGHTS:
        if (folder / index).exists():
            shards = read_json(folder / index).get("weight_map")
            if not isinstance(shards, dict) or any(Path(str(file)).name != file for file in shards.values()):
                raise ConvertError(f"{folder / index} has no usable weight_map")
            missing = sorted({file for file in shards.values() if not (folder / file).exists()})
            if missing:
                raise ConvertError(
                    f"{folder} lacks {', '.join(missing)}: download the rest of the checkpoint"
                )
            return {name: folder / file for name, file in shards.items()}
        if (folder / single).exists():
            return dict.fromkeys(_open(folder / single).keys(), folder / single)
    names = " or ".join(single for single, _ in WEIGHTS)
    raise ConvertError(f"{folder} has no weights ({names}): is it a checkpoint folder?")


def _tensor(shard: Any, name: str, path: Path) -> Any:
    if name not in shard.keys():  # noqa: SIM118 - an open safetensors file is no mapping
        raise ConvertError(f"{path.name} has no tensor {name}, though the index says so: download both again")
    return shard[name] if isinstance(shard, dict) else shard.get_tensor(name)


def _open(path: Path) -> Any:
    """A mapping of torch tensors, or an open safetensors file; nothing is read yet."""
    try:
        if path.suffix == ".safetensors":
            from safetensors import SafetensorError, safe_open

            try:
                return safe_open(path, framework="pt")
            except SafetensorError as error:
                raise ConvertError(f"{path} is damaged ({error}): download it again") from error
        import torch

        shard = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except ImportError as error:
        raise ConvertError(f"reading a checkpoint needs {error.name}: install edge-llasm[convert]") from error
    except UnpicklingError as error:
        if code := re.search(r"GLOBAL (\S+)", str(error)):
            raise ConvertError(f"{path} is refused: it would run {code[1]} when it is opened") from error
        raise ConvertError(f"{path} is damaged: download it again") from error
    except (OSError, RuntimeError, EOFError) as error:
        reason = str(error).strip().split("\n")[0]
        raise ConvertError(f"cannot read {path} ({reason}): download it again") from error
    if not isinstance(shard, dict):
        raise ConvertError(f"{path} is not a state dict")
    return shard
