"""The [parity] table of bundle.toml: how far the bundle is from the checkpoint that it was made from.

`python -m convert.parity` measures and writes it; here it is read and shown. It is the manifest's last table, so
that a new measurement can take its place.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edge_llasm.manifest import Table

__all__ = ["STAGES", "Difference", "Parity", "parity_of"]

STAGES = ("mel", "features", "embeddings", "logits")
"""What is compared, in the order of computation: `Parity` has a Difference of each."""
_MANY = 1 << 31


@dataclass(frozen=True)
class Difference:
    """How far two arrays of the same shape are apart, at worst over the clips."""

    max_abs: float
    mean_abs: float
    cosine: float
    """the lowest over the positions; 1 is the same direction"""


@dataclass(frozen=True)
class Parity:
    """A bundle beside the same model in PyTorch float32, on the same recordings."""

    clips: int
    """recordings"""
    mel: Difference
    """the log-mel spectrogram of edge_llasm.speech.mel; whisper.cpp's own, from the same filters, is not to be had,
    and shows in the features only"""
    features: Difference
    """states of the speech tower"""
    embeddings: Difference
    """the adapter's output"""
    logits: Difference
    """after the prompt: they choose the first token"""
    positions: int
    """greedy tokens of PyTorch that the bundle was fed with, all clips together"""
    agreement: float
    """share of them that it would have taken too"""
    first_difference: int
    """the token, from 1, at which the free-running texts part in the first clip to do so; 0: in none"""
    perplexity: float
    """of a fixed English and Chinese text"""
    reference_perplexity: float
    """the same in PyTorch"""
    faults: tuple[str, ...]
    """bounds that were missed, in words"""

    def lines(self) -> list[str]:
        """The table as it is printed."""
        clips = "1 recording" if self.clips == 1 else f"the worst of {self.clips} recordings"
        table = [f"{'against PyTorch':<15}  max abs   mean abs  cosine     ({clips})"]
        for stage in STAGES:
            difference: Difference = getattr(self, stage)
            cells = f"{difference.max_abs:<9.2g} {difference.mean_abs:<9.2g} {difference.cosine:.6f}"
            table.append(f"{stage:<15}  {cells}")
        parts = f"the texts part at token {self.first_difference}" if self.first_difference else "same texts"
        agreed = round(self.agreement * self.positions)
        change = self.perplexity / self.reference_perplexity - 1 if self.reference_perplexity else math.nan
        return [
            *table,
            f"{'greedy tokens':<15}  {agreed} of {self.positions} agree ({self.agreement:.1%}); {parts}",
            f"{'perplexity':<15}  {self.perplexity:.4g}, PyTorch's {self.reference_perplexity:.4g} ({change:+.2%})",
            f"{'bounds':<15}  {'; '.join(self.faults) or 'kept'}",
        ]


def parity_of(table: Table) -> Parity | None:
    """Read the table; None where nothing was measured. Raises BundleError."""
    if not table.values:
        return None
    stages = {stage: _difference(table.table(stage)) for stage in STAGES}
    return Parity(
        clips=table.integer("clips", 1, _MANY),
        positions=table.integer("positions", 1, _MANY),
        agreement=table.number("agreement", 0, 1),
        first_difference=table.integer("first_difference", 0, _MANY),
        perplexity=_measured(table, "perplexity"),
        reference_perplexity=_measured(table, "reference_perplexity"),
        faults=table.texts("faults") if table.values.get("faults") else (),
        **stages,
    )


def _difference(table: Table) -> Difference:
    return Difference(*(_measured(table, key) for key in ("max_abs", "mean_abs", "cosine")))


def _measured(table: Table, key: str) -> float:
    """Any number, also one that is not finite: it was measured."""
    value = table.values.get(key)
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise table.fail(key, "must be a number")
    return float(value)
