"""Checkpoints in exactly the layout of the released LLaSM ones, with narrow random weights of some MB."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from convert.llm import HEAD
from convert.vocabulary import AU_END, AU_PATCH, AU_START, Vocabulary
from tests.tiny import (
    LLAMA,
    N_PIECES,
    WHISPER,
    Tensors,
    llama_tensors,
    whisper_config,
    whisper_tensors,
    write_json,
    write_shards,
    write_vocabulary,
)

N_SHARDS = 3
N_QUERIES = 64


@dataclass(frozen=True)
class Layout:
    """In what a released checkpoint differs from the other."""

    name: str
    n_pieces: int
    """SentencePiece's; the added tokens follow"""
    added: tuple[str, ...]
    rms_eps: float
    map_bos: str
    """bos in special_tokens_map.json"""
    config_bos: str
    """bos in tokenizer_config.json"""
    add_bos: bool

    @property
    def rows(self) -> Mapping[str, int]:
        """Row by added token."""
        return {text: self.n_pieces + i for i, text in enumerate(self.added)}

    @property
    def n_vocab(self) -> int:
        return self.n_pieces + len(self.added)


CLLAMA2 = Layout("LLaSM-Cllama2", 32_000, (AU_PATCH, AU_START, AU_END), 1e-5, "</s>", "<s>", True)
BAICHUAN = Layout("LLaSM-Baichuan", 64_000, ("[PAD]", AU_PATCH, AU_START, AU_END), 1e-6, "<s>", "<s>", False)
LAYOUTS = {layout.name: layout for layout in (CLLAMA2, BAICHUAN)}


def write_tokenizer(folder: Path, layout: Layout) -> None:
    """The four files of a LlamaTokenizer of 2023. Pieces beyond the tiny vocabulary's are never met in a text."""
    from sentencepiece import sentencepiece_model_pb2

    path = folder / "tokenizer.model"
    write_vocabulary(path)
    model = sentencepiece_model_pb2.ModelProto()
    model.ParseFromString(path.read_bytes())
    lowest = min(piece.score for piece in model.pieces)
    for row in range(N_PIECES, layout.n_pieces):
        model.pieces.add(piece=f"\ue000{row}", score=lowest - row)
    model.trainer_spec.vocab_size = layout.n_pieces
    path.write_bytes(model.SerializeToString())
    write_json(folder / "added_tokens.json", layout.rows)
    ends = {"eos_token": _token("</s>"), "unk_token": _token("<unk>")}
    write_json(folder / "special_tokens_map.json", {"bos_token": _token(layout.map_bos), **ends})
    config: dict[str, Any] = {
        "add_bos_token": layout.add_bos,
        "add_eos_token": False,
        "bos_token": {"__type": "AddedToken", **_token(layout.config_bos)},
        "clean_up_tokenization_spaces": False,
        **{name: {"__type": "AddedToken", **token} for name, token in ends.items()},
        "model_max_length": 2048,
        "pad_token": None,
        "padding_side": "right",
        "tokenizer_class": "LlamaTokenizer",
    }
    write_json(folder / "tokenizer_config.json", config)


def write_released(folder: Path, layout: Layout, *, safetensors: bool = False) -> tuple[Path, Path]:
    """Write the checkpoint and a Whisper beside it; returns both folders. Needs torch and safetensors."""
    from safetensors.numpy import save_file

    llasm, tower = folder / layout.name, folder / "whisper-large-v2"
    llasm.mkdir(parents=True)
    tower.mkdir()
    write_tokenizer(llasm, layout)
    rng = np.random.default_rng(0)
    shape = replace(
        LLAMA,
        n_embd=32,
        n_ffn=48,
        n_heads=2,
        n_kv_heads=2,
        n_vocab=layout.n_vocab,
        n_ctx=2048,
        rms_eps=layout.rms_eps,
    )
    vocabulary = Vocabulary.load(llasm / "tokenizer.model", layout.rows, layout.n_vocab)
    tensors: Tensors = llama_tensors(rng, shape, WHISPER.d, vocabulary)
    tensors[HEAD][N_PIECES:] = 0  # of 32,000 random logits, two are always about the best
    for layer in range(shape.n_layers):  # transformers of that time saved them too
        frequencies = 1e4 ** -(np.arange(0, shape.head_dim, 2, dtype=np.float32) / shape.head_dim)
        tensors[f"model.layers.{layer}.self_attn.rotary_emb.inv_freq"] = frequencies.astype(np.float32)
    write_shards(llasm, tensors, N_SHARDS, safetensors=safetensors)
    config = {
        "_name_or_path": "./checkpoints",
        "architectures": ["LlaaaLlamaForCausalLM"],
        "audio_token_len": N_QUERIES,
        "bos_token_id": 1,
        "eos_token_id": 2,
        "freeze_mm_mlp_adapter": False,
        "hidden_act": "silu",
        "hidden_size": shape.n_embd,
        "initializer_range": 0.02,
        "intermediate_size": shape.n_ffn,
        "max_position_embeddings": shape.n_ctx,
        "mm_audio_tower": "openai/whisper-large-v2",
        "mm_hidden_size": WHISPER.d,
        "model_type": "llaaa",
        "num_attention_heads": shape.n_heads,
        "num_hidden_layers": shape.n_layers,
        "pad_token_id": 0,
        "rms_norm_eps": shape.rms_eps,
        "tie_word_embeddings": False,
        "torch_dtype": "float32",
        "transformers_version": "4.28.1",
        "use_cache": False,
        "use_mm_proj": True,
        "vocab_size": shape.n_vocab,
    }
    write_json(llasm / "config.json", config)
    write_json(llasm / "generation_config.json", {"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0})
    whisper = replace(WHISPER, n_text_ctx=N_QUERIES)
    save_file(whisper_tensors(rng, whisper), tower / "model.safetensors")
    write_json(tower / "config.json", whisper_config(whisper))
    return llasm, tower


def _token(text: str) -> dict[str, Any]:
    return {"content": text, "lstrip": False, "normalized": True, "rstrip": False, "single_word": False}
