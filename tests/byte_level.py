"""Tiny byte-level tokenizers, trained on the spot with the pre-tokenizers of Llama 3 and Qwen2."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.texts import TEXTS
from tests.tiny import LINES, write_json

N_MERGED = 600
"""tokens before the special ones"""


@dataclass(frozen=True)
class ByteLevel:
    """What a family's ``tokenizer.json`` has of its own."""

    digits: str
    """the part of the expression that cuts numbers"""
    ignore_merges: bool
    nfc: bool
    bos: str | None
    eos: str


FAMILIES = {
    "llama 3": ByteLevel(r"\p{N}{1,3}", True, False, "<|begin_of_text|>", "<|eot_id|>"),
    "llama 3, always merged": ByteLevel(r"\p{N}{1,3}", False, False, "<|begin_of_text|>", "<|eot_id|>"),
    "qwen 2": ByteLevel(r"\p{N}", False, True, None, "<|im_end|>"),
}


def write_byte_level(
    folder: Path, family: ByteLevel, change: Callable[[dict[str, Any]], None] | None = None
) -> int:
    """Write ``tokenizer.json`` and ``tokenizer_config.json``; returns the number of tokens. Needs tokenizers."""
    import json

    from tokenizers import AddedToken, Regex, Tokenizer, models, normalizers, pre_tokenizers, trainers

    cut = (
        r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|"
        + family.digits
        + r"| ?[^\s\p{L}\p{N}]+[\r\n]*"
        r"|\s*[\r\n]+|\s+(?!\S)|\s+"
    )
    tokenizer: Any = Tokenizer(models.BPE(ignore_merges=family.ignore_merges))
    if family.nfc:
        tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(cut), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    trainer = trainers.BpeTrainer(
        vocab_size=N_MERGED, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False
    )
    tokenizer.train_from_iterator([LINES, *TEXTS], trainer)
    special = [token for token in (family.bos, family.eos, "<au_patch>", "<au_start>", "<au_end>") if token]
    tokenizer.add_special_tokens([AddedToken(token, normalized=False) for token in special])
    tokenizer.add_tokens([AddedToken("<think>", normalized=False), AddedToken("</think>", normalized=False)])
    file = json.loads(tokenizer.to_str())
    if change is not None:
        change(file)
    write_json(folder / "tokenizer.json", file)
    config = {"tokenizer_class": "PreTrainedTokenizerFast", "bos_token": family.bos, "eos_token": family.eos}
    write_json(folder / "tokenizer_config.json", config)
    return int(tokenizer.get_vocab_size())
