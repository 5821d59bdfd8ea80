"""A bundle of some 900 kB with random weights: the real engines run it, nobody would ask it anything.

Made from a fixed seed by convert's own writers, without torch. What it answers is drawn from its readable
pieces and depends on all that it was asked; it never ends by itself.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convert import llm, whisper
from convert.bundle import Manifest, Parts, write_bundle
from convert.llm import LlamaShape
from convert.pieces import train_pieces
from convert.vocabulary import AU_END, AU_PATCH, AU_START, NORMAL, Vocabulary
from convert.whisper import WhisperShape
from edge_llasm.llama_setup import Setup
from edge_llasm.parity import Difference, Parity

Tensors = dict[str, NDArray[np.float32]]

N_QUERIES = 16
N_PIECES = 397  # SentencePiece's; the three au_* rows follow
ADDED = {AU_PATCH: N_PIECES, AU_START: N_PIECES + 1, AU_END: N_PIECES + 2}
MANIFEST = Manifest(
    name="tiny",
    licence="MIT",
    template="llama2-llasm-paper",
    system="",
    transcribe="Write down what was said.",
    trim_window=True,
    temperature=0.0,
    max_tokens=32,
)
WHISPER = WhisperShape(
    d=64,
    encoder_layers=2,
    encoder_heads=2,
    decoder_layers=2,
    decoder_heads=2,
    n_audio_ctx=250,  # 5 s
    n_text_ctx=N_QUERIES,
    n_mels=80,
    start_token=1,
)
LLAMA = LlamaShape(
    n_embd=64,
    n_ffn=96,
    n_layers=2,
    n_heads=4,
    n_kv_heads=4,
    head_dim=16,
    n_vocab=N_PIECES + len(ADDED),
    n_ctx=512,
    rms_eps=1e-5,
    tied=False,
)
ONE_THREAD = Setup(n_threads=1)
"""Sums in one order, and nobody waits for a core that another test holds."""
_APART = Difference(max_abs=0.031, mean_abs=0.002, cosine=0.99987)
PARITY = Parity(
    clips=3,
    mel=_APART,
    features=_APART,
    embeddings=_APART,
    logits=_APART,
    positions=192,
    agreement=190 / 192,
    first_difference=17,
    perplexity=12.5,
    reference_perplexity=12.4,
    faults=("features differ by 0.031, allowed is 0.02",),
)
"""What no bundle was ever measured to be."""
_LOGIT_SPREAD = 4.0  # so that the best token is the best by more than the engines' rounding

LINES = """\
Define a function called parse date that returns the day and the month.
What is the capital of France? The capital of France is Paris.
for item in items: print(item)
def add(first, second): return first + second
Who was Li Bai? Li Bai was a poet of the Tang dynasty, and Du Fu was his friend.
twelve plus thirty one is forty three
Open the file and read every line of it, then go to line twenty.
把 total 打印出来
定义一个 function 叫 parse date
李白是谁？李白是唐朝的诗人，杜甫是他的朋友。
法国的首都是巴黎。今天天气很好，我们去公园。
十二加三十一等于四十三
你好，请你写一个循环，打印一到十的数。
"""


def write_tiny_bundle(
    path: Path, *, seed: int = 0, vocabulary_file: Path | None = None, n_ctx: int = LLAMA.n_ctx
) -> Path:
    """Write the bundle into the new folder ``path`` and return it."""
    vocabulary_file = vocabulary_file or path.parent / f"{path.name}-tokenizer.model"
    write_bundle(tiny_parts(vocabulary_file, seed=seed, n_ctx=n_ctx), path)
    return path


def write_parity(folder: Path, parity: Parity = PARITY) -> None:
    """Note in a bundle's manifest that it was compared."""
    from convert.parity import record

    record(folder, parity)


def tiny_parts(
    vocabulary_file: Path,
    *,
    seed: int = 0,
    n_kv_heads: int = 4,
    n_queries: int = N_QUERIES,
    n_ctx: int = LLAMA.n_ctx,
    n_mels: int = WHISPER.n_mels,
) -> Parts:
    """Random tensors with states and logits of a trained model's size; writes a missing vocabulary file."""
    if not vocabulary_file.exists():
        write_vocabulary(vocabulary_file)
    rng = np.random.default_rng(seed)
    llama_shape = replace(LLAMA, n_kv_heads=n_kv_heads, n_ctx=n_ctx)
    whisper_shape = replace(WHISPER, n_text_ctx=n_queries, n_mels=n_mels)
    vocabulary = Vocabulary.load(vocabulary_file, ADDED, llama_shape.n_vocab)
    return Parts(
        manifest=MANIFEST,
        whisper_shape=whisper_shape,
        whisper=whisper_tensors(rng, whisper_shape),
        llama_shape=llama_shape,
        llama=llama_tensors(rng, llama_shape, whisper_shape.d, vocabulary),
        vocabulary=vocabulary,
        n_queries=n_queries,
    )


def write_vocabulary(path: Path) -> None:
    """A vocabulary of the lines above (milliseconds)."""
    path.write_bytes(train_pieces(LINES.splitlines(), N_PIECES))


def write_tiny_checkpoint(
    folder: Path,
    *,
    seed: int = 0,
    n_queries: int = 64,
    n_kv_heads: int = 4,
    n_mels: int = WHISPER.n_mels,
    margin: float = 0.0,
) -> tuple[Path, Path]:
    """Write the same kind of weights as a checkpoint in the released layout; needs torch and safetensors.

    With a ``margin`` (logits) each token has a successor that it prefers by about so much. Without it two tokens
    in a hundred all but tie, as in no trained model, and any rounding tips them.
    Returns the LLaSM folder (two pickled float32 shards with an index) and the Whisper folder (safetensors).
    """
    from safetensors.numpy import save_file

    llasm, tower = folder / "llasm", folder / "whisper"
    llasm.mkdir(parents=True)
    tower.mkdir()
    parts = tiny_parts(
        llasm / "tokenizer.model", seed=seed, n_kv_heads=n_kv_heads, n_queries=n_queries, n_mels=n_mels
    )
    if margin:
        _prefer_successors(parts.llama, margin, seed)
    write_shards(llasm, {name: np.array(data) for name, data in parts.llama.items()}, 2)
    write_json(llasm / "config.json", llasm_config(parts))
    write_json(llasm / "added_tokens.json", ADDED)
    save_file({name: np.array(data) for name, data in parts.whisper.items()}, tower / "model.safetensors")
    write_json(tower / "config.json", whisper_config(parts.whisper_shape))
    return llasm, tower


def write_shards(folder: Path, tensors: Tensors, n_shards: int, *, safetensors: bool = False) -> None:
    """Write the tensors in their order as ``n_shards`` pickled or safetensors files with an index."""
    import torch
    from safetensors.torch import save_file

    stem, suffix = ("model", "safetensors") if safetensors else ("pytorch_model", "bin")
    names, files = list(tensors), {}
    for shard in range(n_shards):
        file = f"{stem}-{shard + 1:05}-of-{n_shards:05}.{suffix}"
        members = names[len(names) * shard // n_shards : len(names) * (shard + 1) // n_shards]
        state = {name: torch.from_numpy(tensors[name]) for name in members}
        (save_file if safetensors else torch.save)(state, folder / file)
        files |= dict.fromkeys(members, file)
    size = sum(data.nbytes for data in tensors.values())
    index = {"metadata": {"total_size": size}, "weight_map": files}
    write_json(folder / f"{stem}.{suffix}.index.json", index)


def llasm_config(parts: Parts) -> dict[str, Any]:
    """``config.json`` as the released checkpoints have it, with this project's own table."""
    shape = parts.llama_shape
    return {
        "architectures": ["LlaaaLlamaForCausalLM"],
        "model_type": "llaaa",
        "hidden_size": shape.n_embd,
        "intermediate_size": shape.n_ffn,
        "num_hidden_layers": shape.n_layers,
        "num_attention_heads": shape.n_heads,
        "num_key_value_heads": shape.n_kv_heads,
        "vocab_size": shape.n_vocab,
        "max_position_embeddings": shape.n_ctx,
        "rms_norm_eps": shape.rms_eps,
        "hidden_act": "silu",
        "bos_token_id": parts.vocabulary.bos,
        "eos_token_id": parts.vocabulary.eos,
        "mm_audio_tower": "tiny",
        "mm_hidden_size": parts.whisper_shape.d,
        "audio_token_len": parts.n_queries,
        "use_mm_proj": True,
        "edge_llasm": asdict(parts.manifest),
    }


def whisper_config(shape: WhisperShape) -> dict[str, Any]:
    """``config.json`` of a Hugging Face ``WhisperModel``."""
    return {
        "model_type": "whisper",
        "vocab_size": 3,
        "d_model": shape.d,
        "encoder_layers": shape.encoder_layers,
        "encoder_attention_heads": shape.encoder_heads,
        "encoder_ffn_dim": 4 * shape.d,
        "decoder_layers": shape.decoder_layers,
        "decoder_attention_heads": shape.decoder_heads,
        "decoder_ffn_dim": 4 * shape.d,
        "max_source_positions": shape.n_audio_ctx,
        "max_target_positions": shape.n_text_ctx,
        "num_mel_bins": shape.n_mels,
        "decoder_start_token_id": shape.start_token,
        "pad_token_id": 0,
        "bos_token_id": 0,
        "eos_token_id": 0,
        "activation_function": "gelu",
    }


def whisper_tensors(rng: np.random.Generator, shape: WhisperShape) -> Tensors:
    tensors = {"decoder.embed_tokens.weight": _normal(rng, (3, shape.d), 1.0)}
    for _, name in whisper.tensor_names(shape):
        dims = whisper.expected_shape(name, shape)
        if "embed_positions" in name:
            tensors[name] = _normal(rng, dims, 1.0 if name.startswith("decoder") else 0.3)
        elif "layer_norm" in name:
            tensors[name] = _normal(rng, dims, 0.1) + (1.0 if name.endswith("weight") else 0.0)
        elif name.endswith("bias"):
            tensors[name] = _normal(rng, dims, 0.1)
        else:
            tensors[name] = _normal(rng, dims, float(np.prod(dims[1:])) ** -0.5)
    return tensors


def llama_tensors(rng: np.random.Generator, shape: LlamaShape, d: int, vocabulary: Vocabulary) -> Tensors:
    tensors: Tensors = {}
    for name, dims in llm.tensor_shapes(shape):
        if len(dims) == 1:
            tensors[name] = _normal(rng, dims, 0.1) + 1.0
        else:
            tensors[name] = _normal(rng, dims, 1.0 if name == llm.EMBEDDING else dims[1] ** -0.5)
    readable = np.array([kind == NORMAL for kind in vocabulary.types])
    if not shape.tied:
        tensors[llm.HEAD] *= np.where(readable, _LOGIT_SPREAD, 0.0).astype(np.float32)[:, None]
    tensors["model.mm_projector.weight"] = _normal(rng, (shape.n_embd, d), d**-0.5)
    tensors["model.mm_projector.bias"] = _normal(rng, (shape.n_embd,), 0.1)
    return tensors


def _prefer_successors(tensors: Mapping[str, NDArray[np.float32]], margin: float, seed: int) -> None:
    embedding, head = tensors[llm.EMBEDDING], tensors[llm.HEAD]
    readable = np.flatnonzero(np.abs(head).sum(axis=1))
    successors = np.random.default_rng(seed).choice(readable, len(embedding))
    np.add.at(head, successors, embedding * np.float32(margin / embedding.shape[1]))


def _normal(rng: np.random.Generator, shape: tuple[int, ...], std: float) -> NDArray[np.float32]:
    return (rng.standard_normal(shape, np.float32) * np.float32(std)).astype(np.float32)


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(value, indent=1, ensure_ascii=False), encoding="utf-8")
