"""A checkpoint of a given size, with random weights.

The layout is that of LinkSoul/LLaSM-Cllama2 with openai/whisper-large-v2 (arXiv 2308.15930), and so are the sizes
unless others are asked for. The vocabulary is trained on this repository's own text, which suffices for some
thousand pieces; the rows up to 32,000 are unused ones. So the files have the sizes, and no answer makes sense.
"""

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import prod
from pathlib import Path
from typing import Any
from zlib import crc32

from convert.llm import LlamaShape, tensor_shapes
from convert.pieces import train_pieces
from convert.vocabulary import AU_END, AU_PATCH, AU_START
from convert.whisper import WhisperShape, expected_shape, tensor_names
from convert.workplace import one_line
from edge_llasm.room import require_disk

Shapes = Mapping[str, tuple[int, ...]]

DTYPES = {"float32": 4, "float16": 2}  # bytes
N_SHARDS = 3
TOWER_HEAD_DIM = 64  # of every Whisper
N_TRAINED_PIECES = 8000
"""As many as make a sentence about as many tokens as LLaMA's own vocabulary does"""
TOWER_VOCABULARY, START = 51_865, 50_258
BLOCK = 256
"""The quantizer's blocks: every width is a multiple"""
ROOT = Path(__file__).parent.parent


@dataclass(frozen=True)
class Size:
    """The numbers of a LLaMA and of the Whisper that it hears with."""

    n_layers: int
    n_heads: int
    n_kv_heads: int
    head_dim: int
    n_ffn: int
    tower_layers: int
    """Of the encoder, and as many of the decoder."""
    tower_heads: int
    tower: str
    """The Whisper that has such a shape."""
    n_pieces: int = 32_000
    """Of the vocabulary; the three added tokens follow."""

    @property
    def added(self) -> Mapping[str, int]:
        """Row by added token."""
        return {text: self.n_pieces + i for i, text in enumerate((AU_PATCH, AU_START, AU_END))}

    def scaled(self, scale: float) -> "Size":
        """With so much of its layers and of its width."""
        n_heads = 2 * max(1, round(self.n_heads * scale / 2))
        return replace(
            self,
            n_layers=max(1, round(self.n_layers * scale)),
            n_heads=n_heads,
            n_kv_heads=n_heads,
            n_ffn=BLOCK * max(1, round(self.n_ffn * scale / BLOCK)),
            tower_layers=max(1, round(self.tower_layers * scale)),
            tower_heads=max(1, round(self.tower_heads * scale)),
        )


RELEASED = Size(32, 32, 32, 128, 11008, 32, 20, "openai/whisper-large-v2")
"""LLaMA 7B"""


def write_checkpoint(folder: Path, size: Size, dtype: str) -> None:
    """Write ``folder``/llasm and ``folder``/whisper; what an earlier run finished stays. Raises ConvertError."""
    if is_written(folder, size, dtype):
        return
    llasm, tower = llasm_config(size, dtype), tower_config(size, dtype)
    shapes, tower_shapes = shapes_of(llasm), tower_shapes_of(tower)
    with one_line(f"cannot write {folder}"):
        for name in ("llasm", "whisper"):
            shutil.rmtree(folder / name, ignore_errors=True)
            (folder / name).mkdir(parents=True)
        require_disk(folder, checkpoint_bytes(size, dtype), "the checkpoint")
        write_vocabulary(folder / "llasm", size)
        write_shards(folder / "llasm", shapes, dtype)
        write_tower(folder / "whisper", tower_shapes, dtype)
        _write_json(folder / "llasm" / "config.json", llasm)  # last: they say that all is there
        _write_json(folder / "whisper" / "config.json", tower)


def is_written(folder: Path, size: Size, dtype: str) -> bool:
    """Whether an earlier run wrote all of it."""
    wanted = {"llasm": llasm_config(size, dtype), "whisper": tower_config(size, dtype)}
    return all(_holds(folder / name / "config.json", config) for name, config in wanted.items())


def checkpoint_bytes(size: Size, dtype: str) -> int:
    """Of all its tensors."""
    shapes = (shapes_of(llasm_config(size, dtype)), tower_shapes_of(tower_config(size, dtype)))
    return sum(sum(_sizes(each, dtype)) for each in shapes)


def llasm_config(size: Size, dtype: str) -> dict[str, Any]:
    """config.json as LLaSM-Cllama2 has it."""
    return {
        "architectures": ["LlaaaLlamaForCausalLM"],
        "model_type": "llaaa",
        "torch_dtype": dtype,
        "hidden_size": size.n_heads * size.head_dim,
        "intermediate_size": size.n_ffn,
        "num_hidden_layers": size.n_layers,
        "num_attention_heads": size.n_heads,
        "num_key_value_heads": size.n_kv_heads,
        "vocab_size": size.n_pieces + len(size.added),
        "max_position_embeddings": 2048,
        "rms_norm_eps": 1e-5,
        "hidden_act": "silu",
        "bos_token_id": 1,
        "eos_token_id": 2,
        "mm_audio_tower": size.tower,
        "mm_hidden_size": size.tower_heads * TOWER_HEAD_DIM,
        "audio_token_len": 64,
        "use_mm_proj": True,
        "tie_word_embeddings": False,
    }


def tower_config(size: Size, dtype: str) -> dict[str, Any]:
    """config.json as whisper-large-v2 has it."""
    d = size.tower_heads * TOWER_HEAD_DIM
    side = {"layers": size.tower_layers, "attention_heads": size.tower_heads, "ffn_dim": 4 * d}
    sides = {f"{name}_{key}": value for name in ("encoder", "decoder") for key, value in side.items()}
    return {
        "model_type": "whisper",
        "torch_dtype": dtype,
        "vocab_size": TOWER_VOCABULARY,
        "d_model": d,
        **sides,
        "max_source_positions": 1500,
        "max_target_positions": 448,
        "num_mel_bins": 80,
        "decoder_start_token_id": START,
        "pad_token_id": START - 1,
        "bos_token_id": START - 1,
        "eos_token_id": START - 1,
        "activation_function": "gelu",
        "scale_embedding": False,
    }


def shapes_of(llasm: Mapping[str, Any]) -> Shapes:
    """Of every tensor in the LLaSM checkpoint."""
    shapes = dict(tensor_shapes(LlamaShape.from_config(llasm)))
    n_embd = llasm["hidden_size"]
    adapter = "model.mm_projector."
    return shapes | {adapter + "weight": (n_embd, llasm["mm_hidden_size"]), adapter + "bias": (n_embd,)}


def tower_shapes_of(tower: Mapping[str, Any]) -> Shapes:
    """Of every tensor in the Whisper folder."""
    shape = WhisperShape.from_config(tower)
    shapes = {"model." + name: expected_shape(name, shape) for _, name in tensor_names(shape)}
    return {"model.decoder.embed_tokens.weight": (TOWER_VOCABULARY, shape.d), **shapes}


def write_shards(folder: Path, shapes: Shapes, dtype: str) -> None:
    """Pickled shards with an index, as the released checkpoints have them; one shard is in memory at a time."""
    import torch

    names = [f"pytorch_model-{i:05}-of-{N_SHARDS:05}.bin" for i in range(1, N_SHARDS + 1)]
    total, written = sum(_sizes(shapes, dtype)), 0
    shards: dict[str, list[str]] = {name: [] for name in names}
    for tensor, size in zip(shapes, _sizes(shapes, dtype), strict=True):
        shards[names[written * N_SHARDS // total]].append(tensor)
        written += size
    for file, members in shards.items():
        torch.save({name: _random(name, shapes[name], dtype) for name in members}, folder / file)
    weight_map = {name: file for file, members in shards.items() for name in members}
    _write_json(
        folder / "pytorch_model.bin.index.json", {"metadata": {"total_size": total}, "weight_map": weight_map}
    )


def write_tower(folder: Path, shapes: Shapes, dtype: str) -> None:
    """One safetensors file, as openai/whisper-large-v2 has."""
    from safetensors.torch import save_file

    save_file(
        {name: _random(name, dims, dtype) for name, dims in shapes.items()}, folder / "model.safetensors"
    )


def write_vocabulary(folder: Path, size: Size) -> None:
    """A vocabulary of the project's README and sources, and the files beside it."""
    sources = (path for name in ("edge_llasm", "convert") for path in sorted((ROOT / name).rglob("*.py")))
    texts = (path.read_text(encoding="utf-8") for path in (ROOT / "README.md", *sources))
    lines = (line for text in texts for line in text.splitlines() if line.strip())
    pieces = train_pieces(lines, min(size.n_pieces, N_TRAINED_PIECES), coverage=0.9995)
    (folder / "tokenizer.model").write_bytes(pieces)
    _write_json(folder / "added_tokens.json", size.added)
    # The released files contradict each other in what begins a text.
    ends = {"eos_token": "</s>", "unk_token": "<unk>"}
    _write_json(folder / "special_tokens_map.json", {"bos_token": "</s>", **ends})
    _write_json(
        folder / "tokenizer_config.json", {"tokenizer_class": "LlamaTokenizer", "bos_token": "<s>", **ends}
    )


def _random(name: str, dims: tuple[int, ...], dtype: str) -> Any:
    import torch

    generator = torch.Generator().manual_seed(crc32(name.encode()))  # the same in every run, resumed or not
    tensor = torch.empty(dims, dtype=getattr(torch, dtype))
    if len(dims) == 1:
        return tensor.fill_(0.0 if name.endswith("bias") else 1.0)
    fan_in = tensor[0].numel()
    return tensor.normal_(std=fan_in**-0.5, generator=generator)


def _sizes(shapes: Shapes, dtype: str) -> list[int]:
    return [DTYPES[dtype] * prod(dims) for dims in shapes.values()]


def _holds(path: Path, wanted: Mapping[str, Any]) -> bool:
    try:
        return bool(json.loads(path.read_text(encoding="utf-8")) == wanted)
    except (OSError, ValueError):
        return False


def _write_json(path: Path, value: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(value, indent=1), encoding="utf-8")
