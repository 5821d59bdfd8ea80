"""The architectures that are known here: LLaMA and its relatives, and in what they differ."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from convert.errors import ConvertError


@dataclass(frozen=True)
class Family:
    """A decoder of RMS norms, rotary positions and a gated SiLU, as Hugging Face and llama.cpp name it."""

    model_type: str
    """transformers' name for it"""
    architecture: str
    """llama.cpp's: a name in ``gguf.MODEL_ARCH``, in lower case"""
    interleaved: bool = False
    """whether llama.cpp rotates neighbours where transformers rotates the halves of a head"""
    biased: bool = False
    """whether the query, key and value projections have biases"""
    normed: bool = False
    """whether queries and keys go through an RMS norm of their own"""


LLAMA = Family("llama", "llama", interleaved=True)

FAMILIES = {
    "LlamaForCausalLM": LLAMA,
    "LlaaaLlamaForCausalLM": LLAMA,  # LLaSM's own class, around an unchanged LLaMA
    "LlasmLlamaForCausalLM": LLAMA,
    "MistralForCausalLM": Family("mistral", "llama", interleaved=True),
    "Qwen2ForCausalLM": Family("qwen2", "qwen2", biased=True),
    "Qwen3ForCausalLM": Family("qwen3", "qwen3", normed=True),
}


def family_of(config: Mapping[str, Any]) -> Family:
    """The family that ``config.json`` names; ConvertError, with the known ones, for any other."""
    names = config.get("architectures")
    for name in names if isinstance(names, list) else ():
        if name in FAMILIES:
            return FAMILIES[name]
    raise ConvertError(f"unknown architecture {names}: known are {', '.join(FAMILIES)}")
