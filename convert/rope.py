"""Rotary positions of a ``config.json``: the base, and Llama 3's stretching of the slow rotations.

Source: transformers, ``modeling_rope_utils.py``, and "The Llama 3 Herd of Models" (arXiv 2407.21783).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convert.errors import ConvertError

DEFAULT_BASE = 10_000.0


@dataclass(frozen=True)
class Llama3Scaling:
    """Waves longer than the trained context are slowed down by ``factor``, short ones are left alone."""

    factor: float
    low_freq_factor: float
    """longer waves than ``n_ctx / low_freq_factor`` positions are slowed down wholly"""
    high_freq_factor: float
    """shorter waves than ``n_ctx / high_freq_factor`` positions not at all; those between, in part"""
    n_ctx: int
    """positions before the stretching"""

    def factors(self, head_dim: int, base: float) -> NDArray[np.float32]:
        """(head_dim / 2,) f32, by which llama.cpp divides each frequency."""
        frequencies = base ** -(np.arange(0, head_dim, 2) / head_dim)  # radians per position
        turns = self.n_ctx * frequencies / (2 * np.pi)  # in the context before the stretching
        kept = (turns - self.low_freq_factor) / (self.high_freq_factor - self.low_freq_factor)
        kept = np.clip(kept, 0.0, 1.0)
        return (1.0 / ((1.0 - kept) / self.factor + kept)).astype(np.float32)


@dataclass(frozen=True)
class Rope:
    """How positions turn queries and keys."""

    base: float = DEFAULT_BASE
    scaling: Llama3Scaling | None = None

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> "Rope":
        """Read the keys of old and new transformers.

        Raises ConvertError for other scalings, KeyError, TypeError and ValueError for broken numbers.
        """
        new, old = config.get("rope_parameters") or {}, config.get("rope_scaling") or {}
        table = {**old, **new}
        base = float(config.get("rope_theta") or table.get("rope_theta") or DEFAULT_BASE)
        kind = table.get("rope_type") or table.get("type") or "default"
        if kind == "default":
            return cls(base)
        if kind != "llama3":
            raise ConvertError(f"rotary positions of the kind {kind!r}: known are default, llama3")
        scaling = Llama3Scaling(
            factor=float(table["factor"]),
            low_freq_factor=float(table["low_freq_factor"]),
            high_freq_factor=float(table["high_freq_factor"]),
            n_ctx=int(table["original_max_position_embeddings"]),
        )
        if scaling.factor < 1 or not 0 < scaling.low_freq_factor < scaling.high_freq_factor:
            raise ValueError("rope_scaling")
        return cls(base, scaling)
