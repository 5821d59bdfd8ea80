"""How llama.cpp runs a model: threads, batches, attention, the numbers of the KV cache."""

from __future__ import annotations

import platform
from dataclasses import dataclass

from edge_llasm.errors import EngineError

__all__ = ["DEFAULTS", "FLASH_ATTENTION", "KV_TYPES", "REPACK", "Setup"]

FLASH_ATTENTION = {"auto": -1, "on": 1, "off": 0}
"""Attention in one pass over the keys, without a matrix of scores; our word -> llama.h's llama_flash_attn_type"""
KV_TYPES = {"f16": 1, "q8_0": 8}
"""Our word -> ggml's type. q8_0: 8 bits and a scale for each 32 numbers, a little more than half of the memory"""
REPACK = {"on": True, "off": False}
"""Whether quantized weights are copied into another order for the processor, as llama.cpp does by itself, or read from
the mapped file. A copy takes its memory and time of loading. On x86 a prompt is read faster without it, and an answer
written more slowly (docs/performance.md); elsewhere nobody has measured it here, and llama.cpp's own way is kept"""
X86 = ("x86_64", "amd64")
"""As systems call such a processor, in small letters"""


@dataclass(frozen=True)
class Setup:
    """Options of a loaded model; None: what llama_load.py takes for the model and the device."""

    n_threads: int | None = None
    """for the tokens of an answer, one after the other"""
    n_threads_batch: int | None = None
    """for a prompt; None: as many as n_threads"""
    n_batch: int | None = None
    """positions of a prompt that are read at once"""
    flash_attention: str = "auto"
    """auto, on or off; auto: on where the device can do it"""
    kv_type: str = "f16"
    """numbers of the KV cache: f16 or q8_0"""
    repack: str = "off" if platform.machine().lower() in X86 else "on"
    """on or off. Without meaning on a GPU"""

    def __post_init__(self) -> None:
        """Raises ValueError for a number below 1, EngineError for a word that is none, or for two that do not agree."""
        for name in ("n_threads", "n_threads_batch", "n_batch"):
            number = getattr(self, name)
            if number is not None and number < 1:
                raise ValueError(f"{name} must be at least 1, not {number}")
        for name, known in (("flash_attention", FLASH_ATTENTION), ("kv_type", KV_TYPES), ("repack", REPACK)):
            if getattr(self, name) not in known:
                raise EngineError(
                    f"no {name} is called {getattr(self, name)!r}; choose one of {', '.join(known)}"
                )
        if self.kv_type != "f16" and self.flash_attention == "off":
            raise EngineError(
                f"a KV cache in {self.kv_type} needs flash attention: leave one of the two at its default"
            )

    @property
    def marks(self) -> tuple[str, ...]:
        """What a table says of it: nothing of a usual one."""
        return () if self.repack == DEFAULTS.repack else ("repacked" if self.repack == "on" else "mapped",)


DEFAULTS = Setup()
