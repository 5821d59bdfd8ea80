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

__all__ = ["HEARD_STAGES", "Difference", "Heard", "Parity", "Trimmed", "parity_of"]

HEARD_STAGES = ("features", "embeddings", "logits")
"""What is compared after the spectrogram, in the order of computation: there is a Difference of each."""
_MANY = 1 << 31


@dataclass(frozen=True)
class Difference:
    """How far two arrays of the same shape are apart, at worst over the clips."""

    max_abs: float
    mean_abs: float
    cosine: float
    """the lowest over the positions; 1 is the same direction"""


@dataclass(frozen=True)
class Heard:
    """What speech.onnx, and the bundle after it, make of the recordings."""

    features: Difference
    embeddings: Difference
    logits: Difference
    agreement: float
    first_difference: int


@dataclass(frozen=True)
class Trimmed:
    """Clips heard through a window of their own length, beside the same ones in the full window."""

    seconds: float
    """length of the clips"""
    features: Difference
    positions: int
    """greedy tokens after the full window, all clips together"""
    agreement: float
    """share of them that the trimmed window would have chosen too"""


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
    onnx: Heard | None = None
    """the same stages and tokens when speech.onnx hears; those above are whisper.cpp's"""
    trimmed: tuple[Trimmed, ...] = ()
    """by clip length; of models that were trained on the full window only"""

    def lines(self) -> list[str]:
        """The table as it is printed."""
        clips = "1 recording" if self.clips == 1 else f"the worst of {self.clips} recordings"
        table = [f"{'against PyTorch':<15}  max abs   mean abs  cosine     ({clips})", _row("mel", self.mel)]
        for heard, name in ((self, ""), (self.onnx, "onnx ")):
            if heard is None:
                continue
            table += [_row(name + stage, getattr(heard, stage)) for stage in HEARD_STAGES]
            table.append(_tokens(f"{name or 'greedy '}tokens", heard, self.positions))
        change = self.perplexity / self.reference_perplexity - 1 if self.reference_perplexity else math.nan
        table += [
            f"{'perplexity':<15}  {self.perplexity:.4g}, PyTorch's {self.reference_perplexity:.4g} ({change:+.2%})",
            f"{'bounds':<15}  {'; '.join(self.faults) or 'kept'}",
        ]
        if self.trimmed:
            table.append("a window as long as the clip (--trim-window), against the full one:")
        for clip in self.trimmed:
            tokens = f"{round(clip.agreement * clip.positions)} of {clip.positions} tokens agree"
            table.append(f"{_row(f'{clip.seconds:g} s', clip.features)}  {tokens} ({clip.agreement:.1%})")
        return table


def _row(name: str, difference: Difference) -> str:
    cells = f"{difference.max_abs:<9.2g} {difference.mean_abs:<9.2g} {difference.cosine:.6f}"
    return f"{name:<15}  {cells}"


def _tokens(name: str, heard: Parity | Heard, positions: int) -> str:
    parts = f"the texts part at token {heard.first_difference}" if heard.first_difference else "same texts"
    agreed = round(heard.agreement * positions)
    return f"{name:<15}  {agreed} of {positions} agree ({heard.agreement:.1%}); {parts}"


def parity_of(table: Table) -> Parity | None:
    """Read the table; None where nothing was measured. Raises BundleError."""
    if not table.values:
        return None
    trimmed = table.table("trimmed", required=False)
    return Parity(
        clips=table.integer("clips", 1, _MANY),
        mel=_difference(table.table("mel")),
        **vars(_heard(table)),
        positions=table.integer("positions", 1, _MANY),
        perplexity=_measured(table, "perplexity"),
        reference_perplexity=_measured(table, "reference_perplexity"),
        faults=table.texts("faults") if table.values.get("faults") else (),
        onnx=_heard(table.table("onnx")) if "onnx" in table.values else None,
        trimmed=tuple(_trimmed(trimmed.table(name)) for name in trimmed.values),
    )


def _heard(table: Table) -> Heard:
    return Heard(
        features=_difference(table.table("features")),
        embeddings=_difference(table.table("embeddings")),
        logits=_difference(table.table("logits")),
        agreement=table.number("agreement", 0, 1),
        first_difference=table.integer("first_difference", 0, _MANY),
    )


def _trimmed(table: Table) -> Trimmed:
    return Trimmed(
        seconds=table.number("seconds", 0, 600),
        features=_difference(table.table("features")),
        positions=table.integer("positions", 1, _MANY),
        agreement=table.number("agreement", 0, 1),
    )


def _difference(table: Table) -> Difference:
    return Difference(*(_measured(table, key) for key in ("max_abs", "mean_abs", "cosine")))


def _measured(table: Table, key: str) -> float:
    """Any number, also one that is not finite: it was measured."""
    value = table.values.get(key)
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise table.fail(key, "must be a number")
    return float(value)
