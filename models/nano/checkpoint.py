"""The published checkpoint: nano's weights in the files that LLaSM's have, written, and read to train on.

``llasm/`` has the layout of LinkSoul/LLaSM-Cllama2, ``whisper/`` that of a Hugging Face ``WhisperModel``; ``heads.pt`` keeps what
only speech pre-training needs. All in half precision.
"""

import json
from pathlib import Path
from typing import Any

import torch
from transformers import WhisperModel

from models.nano import corpus, hearing, language
from models.nano.stage import Stage
from models.nano.train_speech import SpeechModel

SHARD = "pytorch_model-00001-of-00001.bin"
WHISPER_CARD = "---\nlicense: mit\n---\n\nnano's Whisper; ../../README.md is the card of the whole model.\n"


def save_llasm(model: language.Llasm, tokenizer_file: Path, folder: Path, version: str) -> None:
    """Half-precision weights in the files that ``LinkSoul/LLaSM-Cllama2`` has."""
    folder.mkdir(parents=True, exist_ok=True)
    config, llama = model.llama.config, model.llama.state_dict()
    tensors = {name: tensor.to(torch.float16).contiguous() for name, tensor in llama.items()}
    tensors["model.mm_projector.weight"] = model.adapter.weight.detach().to(torch.float16)
    tensors["model.mm_projector.bias"] = model.adapter.bias.detach().to(torch.float16)
    torch.save(tensors, folder / SHARD)
    size = sum(tensor.numel() * 2 for tensor in tensors.values())
    _write(
        folder / "pytorch_model.bin.index.json",
        {"metadata": {"total_size": size}, "weight_map": dict.fromkeys(tensors, SHARD)},
    )
    (folder / "tokenizer.model").write_bytes(tokenizer_file.read_bytes())
    ids = language.token_ids(language.load_tokenizer(tokenizer_file))
    _write(
        folder / "added_tokens.json",
        {"<au_patch>": ids.au_patch, "<au_start>": ids.au_start, "<au_end>": ids.au_end},
    )
    _write(
        folder / "special_tokens_map.json", {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}
    )
    _write(folder / "tokenizer_config.json", {
        "tokenizer_class": "LlamaTokenizer", "bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>",
        "add_bos_token": True, "add_eos_token": False, "legacy": True, "model_max_length": language.CONTEXT,
    })  # fmt: skip
    _write(folder / "config.json", {
        "architectures": ["LlaaaLlamaForCausalLM"], "model_type": "llaaa", "torch_dtype": "float16",
        "hidden_size": config.hidden_size, "intermediate_size": config.intermediate_size, "hidden_act": "silu",
        "num_hidden_layers": config.num_hidden_layers, "num_attention_heads": config.num_attention_heads,
        "num_key_value_heads": config.num_key_value_heads, "vocab_size": config.vocab_size, "rms_norm_eps": config.rms_norm_eps,
        "max_position_embeddings": language.CONTEXT, "rope_theta": 10000.0, "tie_word_embeddings": False, "bos_token_id": 1, "eos_token_id": 2,
        "mm_audio_tower": "whisper", "mm_hidden_size": model.adapter.in_features, "audio_token_len": hearing.N_QUERIES, "use_mm_proj": True,
        "edge_llasm": {
            "name": "nano", "version": version, "licence": "MIT", "languages": ["en", "zh"], "template": "llama2-llasm-paper",
            "system": language.SYSTEM, "transcribe": corpus.TRANSCRIBE, "trim_window": True, "temperature": 0.0, "max_tokens": 128,
        },
    })  # fmt: skip


def save_speech(model: SpeechModel, folder: Path) -> None:
    """``whisper/``, with a card that tells its licence, and ``heads.pt``."""
    hearing.save(model.whisper, folder / "whisper")
    (folder / "whisper" / "README.md").write_text(WHISPER_CARD, encoding="utf-8")
    heads = {
        name: tensor.to(torch.float16) for name, tensor in model.state_dict().items() if "_head." in name
    }
    torch.save(
        {"heads": heads, "shape": model.shape, "words": model.words, "phonemes": model.phonemes},
        folder / "heads.pt",
    )


def begin_from(checkpoint: Path, work: Path) -> None:
    """Make the published weights the beginning of speech and text pre-training in a new work folder."""
    kept = torch.load(checkpoint / "heads.pt", weights_only=True)
    speech = SpeechModel(kept["shape"], kept["phonemes"], kept["words"])
    whisper = WhisperModel.from_pretrained(checkpoint / "whisper", dtype=torch.float32)
    speech.whisper.load_state_dict(whisper.state_dict())
    speech.load_state_dict({name: tensor.float() for name, tensor in kept["heads"].items()}, strict=False)
    work.mkdir(parents=True, exist_ok=True)
    Stage(work, "speech", 0, 0).save(
        speech, None, shape=speech.shape, words=speech.words, phonemes=speech.phonemes
    )
    tokenizer_file = checkpoint / "llasm" / "tokenizer.model"
    (work / "tokenizer.model").write_bytes(tokenizer_file.read_bytes())
    special = language.token_ids(language.load_tokenizer(tokenizer_file))
    model = language.Llasm(special.au_end + 1, speech.shape[0])
    tensors = {
        name: tensor.float()
        for name, tensor in torch.load(checkpoint / "llasm" / SHARD, weights_only=True).items()
    }
    for part in ("weight", "bias"):
        model.adapter.get_parameter(part).data = tensors.pop(f"model.mm_projector.{part}")
    model.llama.load_state_dict(tensors)
    Stage(work, "text", 0, 0).save(model, None)


def _write(file: Path, value: dict[str, Any]) -> None:
    file.write_text(json.dumps(value, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
