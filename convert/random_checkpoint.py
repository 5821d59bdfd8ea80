"""A checkpoint of the released sizes, with random weights.

The layout is that of LinkSoul/LLaSM-Cllama2 with openai/whisper-large-v2 (arXiv 2308.15930); one dial makes it
smaller. The vocabulary is trained on this repository's own text, which suffices for some hundred pieces; the
rows up to 32,000 are unused ones. So the files have the released sizes, and no answer makes sense.
"""

import json
import shutil
from collections.abc import Mapping
from math import prod
from pathlib import Path
from typing import Any

from convert.llm import LlamaShape, tensor_shapes
from convert.pieces import train_pieces
from convert.vocabulary import AU_END, AU_PATCH, AU_START
from convert.whisper import WhisperShape, expected_shape, tensor_names
from convert.workplace import one_line
from edge_llasm.room import require_disk

Shapes = Mapping[str, tuple[int, ...]]

DTYPES = {"float32": 4, "float16": 2}  # bytes
N_SHARDS = 3
N_LAYERS, N_HEADS, HEAD_DIM, N_FFN = 32, 32, 128, 11008  # LLaMA 7B
N_TOWER_LAYERS, N_TOWER_HEADS, TOWER_HEAD_DIM = 32, 20, 64  # Whisper large-v2, each side
N_PIECES = 32_000
ADDED = {AU_PATCH: N_PIECES, AU_START: N_PIECES + 1, AU_END: N_PIECES + 2}
N_TRAINED_PIECES = 640
TOWER_VOCABULARY, START = 51_865, 50_258
BLOCK = 256
"""The quantizer's blocks: every width is a multiple"""
ROOT = Path(__file__).parent.parent


def write_checkpoint(folder: Path, scale: float, dtype: str) -> None:
    """Write ``folder``/llasm and ``folder``/whisper; what an earlier run finished stays. Raises ConvertError."""
    llasm, tower = llasm_config(scale, dtype), tower_config(scale, dtype)
    shapes, tower_shapes = shapes_of(llasm), tower_shapes_of(tower)
    if _is_written(folder / "llasm", llasm) and _is_written(folder / "whisper", tower):
        return
    with one_line(f"cannot write {folder}"):
        for name in ("llasm", "whisper"):
            shutil.rmtree(folder / name, ignore_errors=True)
            (folder / name).mkdir(parents=True)
        sizes = (size for each in (shapes, tower_shapes) for size in _sizes(each, dtype))
        require_disk(folder, sum(sizes), "the checkpoint")
        write_vocabulary(folder / "llasm")
        write_shards(folder / "llasm", shapes, dtype)
        write_tower(folder / "whisper", tower_shapes, dtype)
        _write_json(folder / "llasm" / "config.json", llasm)  # last: they say that all is there
        _write_json(folder / "whisper" / "config.json", tower)


def llasm_config(scale: float, dtype: str) -> dict[str, Any]:
    """config.json of LLaSM-Cllama2, with so much of its layers and of its width."""
    n_heads = 2 * max(1, round(N_HEADS * scale / 2))
    return {
        "architectures": ["LlaaaLlamaForCausalLM"],
        "model_type": "llaaa",
        "torch_dtype": dtype,
        "hidden_size": n_heads * HEAD_DIM,
        "intermediate_size": BLOCK * max(1, round(N_FFN * scale / BLOCK)),
        "num_hidden_layers": max(1, round(N_LAYERS * scale)),
        "num_attention_heads": n_heads,
        "num_key_value_heads": n_heads,
        "vocab_size": N_PIECES + len(ADDED),
        "max_position_embeddings": 2048,
        "rms_norm_eps": 1e-5,
        "hidden_act": "silu",
        "bos_token_id": 1,
        "eos_token_id": 2,
        "mm_audio_tower": "openai/whisper-large-v2",
        "mm_hidden_size": tower_config(scale, dtype)["d_model"],
        "audio_token_len": 64,
        "use_mm_proj": True,
        "tie_word_embeddings": False,
    }


def tower_config(scale: float, dtype: str) -> dict[str, Any]:
    """config.json of whisper-large-v2, likewise."""
    n_heads, n_layers = max(1, round(N_TOWER_HEADS * scale)), max(1, round(N_TOWER_LAYERS * scale))
    d = n_heads * TOWER_HEAD_DIM
    sides = {
        f"{side}_{key}": value
        for side in ("encoder", "decoder")
        for key, value in (("layers", n_layers), ("attention_heads", n_heads), ("ffn_dim", 4 * d))
    }
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


def write_vocabulary(folder: Path) -> None:
    """A vocabulary of the project's README and sources, and the files beside it."""
    texts = [ROOT / "README.md", *sorted((ROOT / "convert").glob("*.py"))]
    lines = [line for text in texts for line in text.read_text(encoding="utf-8").splitlines() if line.strip()]
    (folder / "tokenizer.model").write_bytes(train_pieces(lines, N_TRAINED_PIECES, coverage=0.9995))
    _write_json(folder / "added_tokens.json", ADDED)
    # The released files contradict each other in what begins a text.
    ends = {"eos_token": "</s>", "unk_token": "<unk>"}
    _write_json(folder / "special_tokens_map.json", {"bos_token": "</s>", **ends})
    _write_json(
        folder / "tokenizer_config.json", {"tokenizer_class": "LlamaTokenizer", "bos_token": "<s>", **ends}
    )


def _random(name: str, dims: tuple[int, ...], dtype: str) -> Any:
    import torch

    tensor = torch.empty(dims, dtype=getattr(torch, dtype))
    if len(dims) == 1:
        return tensor.fill_(0.0 if name.endswith("bias") else 1.0)
    fan_in = tensor[0].numel()
    return tensor.normal_(std=fan_in**-0.5)


def _sizes(shapes: Shapes, dtype: str) -> list[int]:
    return [DTYPES[dtype] * prod(dims) for dims in shapes.values()]


def _is_written(folder: Path, wanted: Mapping[str, Any]) -> bool:
    try:
        return bool(json.loads((folder / "config.json").read_text(encoding="utf-8")) == wanted)
    except (OSError, ValueError):
        return False


def _write_json(path: Path, value: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(value, indent=1), encoding="utf-8")
