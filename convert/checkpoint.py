"""Reads a LLaSM checkpoint folder and a Whisper folder in Hugging Face's layout, tensor by tensor.

Pickled shards are opened weights-only and memory-mapped: 27 GB of float32 need no 27 GB of memory, and a
pickle that would run code is refused.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import fields
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convert.bundle import Manifest, Parts
from convert.errors import ConvertError
from convert.llm import HEAD, LlamaShape, tensor_shapes
from convert.vocabulary import Vocabulary
from convert.whisper import WhisperShape

# In order of preference; each with the index that a checkpoint of several files has.
WEIGHTS = (
    ("model.safetensors", "model.safetensors.index.json"),
    ("pytorch_model.bin", "pytorch_model.bin.index.json"),
)
TABLE = "edge_llasm"  # this project's own table in config.json
# Not of the LLM, yet expected; anything else that is left over is an architecture unknown here.
_IGNORED = ("rotary_emb.inv_freq", "mm_projector.weight", "mm_projector.bias")


class Checkpoint(Mapping[str, NDArray[Any]]):
    """The tensors of a folder by name, read when they are asked for; bfloat16 comes as float32."""

    def __init__(self, folder: Path) -> None:
        """Raises ConvertError when the folder has no weights, or not all that its index names."""
        self.folder = folder
        self._files = _locate(folder)
        self._open: dict[Path, Any] = {}

    def __getitem__(self, name: str) -> NDArray[Any]:
        path = self._files[name]
        if path not in self._open:
            self._open[path] = _open(path)
        shard = self._open[path]
        try:
            tensor = shard[name] if isinstance(shard, dict) else shard.get_tensor(name)
        except Exception as error:  # safetensors has its own error class, torch mappings raise KeyError
            raise ConvertError(f"{path.name} has no tensor {name}, though the index says so") from error
        return _to_numpy(tensor)

    def __contains__(self, name: object) -> bool:
        return name in self._files  # the inherited one would read the tensor

    def __iter__(self) -> Iterator[str]:
        return iter(self._files)

    def __len__(self) -> int:
        return len(self._files)


def load_parts(
    checkpoint: Path, whisper: Path, *, name: str | None = None, overrides: Mapping[str, Any] | None = None
) -> Parts:
    """Everything that a bundle is made of, from a checkpoint folder and the Whisper it was trained on.

    ``overrides`` are fields of Manifest that go before those in config.json's ``edge_llasm`` table. Raises
    ConvertError for anything missing, unreadable, or not LLaSM's architecture.
    """
    config, whisper_config = read_json(checkpoint / "config.json"), read_json(whisper / "config.json")
    tensors = Checkpoint(checkpoint)
    llama_shape = LlamaShape.from_config(config)
    known = {tensor for tensor, _ in tensor_shapes(llama_shape)} | {HEAD}
    unknown = [tensor for tensor in tensors if tensor not in known and not tensor.endswith(_IGNORED)]
    if unknown:
        raise ConvertError(f"the checkpoint has tensors that no LLaMA has: {', '.join(sorted(unknown)[:3])}")
    added_file = checkpoint / "added_tokens.json"
    added = read_json(added_file) if added_file.exists() else {}
    whisper_shape = WhisperShape.from_config(whisper_config)
    return Parts(
        manifest=_manifest(config, checkpoint, {"name": name} | dict(overrides or {})),
        whisper_shape=whisper_shape,
        whisper=Checkpoint(whisper),
        llama_shape=llama_shape,
        llama=tensors,
        vocabulary=Vocabulary.load(checkpoint / "tokenizer.model", added, llama_shape.n_vocab),
        n_queries=int(config.get("audio_token_len", 64)),
    )


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object; raises ConvertError when the file is missing or is something else."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConvertError(f"cannot read {path}: {error.strerror}") from error
    except ValueError as error:
        raise ConvertError(f"{path} is not JSON: {error}") from error
    if not isinstance(value, dict):
        raise ConvertError(f"{path} is not a JSON object")
    return value


def _manifest(config: Mapping[str, Any], checkpoint: Path, overrides: Mapping[str, Any]) -> Manifest:
    table = config.get(TABLE) or {}
    unknown = set(table) - {field.name for field in fields(Manifest)}
    if unknown:
        raise ConvertError(f"config.json's table {TABLE} has unknown keys: {', '.join(sorted(unknown))}")
    values = {"name": checkpoint.resolve().name.lower(), **table}
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
            shard = _open(folder / single)
            return dict.fromkeys(shard if isinstance(shard, dict) else shard.keys(), folder / single)
    names = " or ".join(single for single, _ in WEIGHTS)
    raise ConvertError(f"{folder} has no weights ({names}): is it a checkpoint folder?")


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
    except (OSError, RuntimeError, EOFError, UnpicklingError) as error:
        reason = str(error).strip().split("\n")[0]
        raise ConvertError(f"cannot read {path}: {reason}") from error
    if not isinstance(shard, dict):
        raise ConvertError(f"{path} is not a state dict")
    return shard


def _to_numpy(tensor: Any) -> NDArray[Any]:
    import torch

    tensor = tensor.detach()
    if tensor.dtype not in (torch.float16, torch.float32):
        tensor = tensor.float()  # numpy has no bfloat16
    return np.ascontiguousarray(tensor.numpy())
