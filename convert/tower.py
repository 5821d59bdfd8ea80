"""The speech tower as linear layers and norms: the names and shapes that speech.onnx is made of, all Hugging Face's."""

from collections.abc import Iterator
from dataclasses import dataclass

from convert.whisper import FFN_FACTOR, WhisperShape

LAST_NORMS = {"encoder": "encoder.layer_norm", "decoder": "decoder.layer_norm"}


@dataclass(frozen=True)
class Linear:
    """x (n, n_in) -> x W^T + b (n, n_out)."""

    name: str
    n_in: int
    n_out: int

    @property
    def has_bias(self) -> bool:
        """Whisper's key projections have none."""
        return not self.name.endswith("k_proj")


@dataclass(frozen=True)
class Attention:
    """Its four products."""

    query: Linear
    key: Linear
    value: Linear
    out: Linear

    @property
    def linears(self) -> tuple[Linear, ...]:
        """In the order of computation."""
        return (self.query, self.key, self.value, self.out)


@dataclass(frozen=True)
class Block:
    """A layer of the encoder or the decoder."""

    source: str
    """Hugging Face's name of it"""
    own: Attention
    fc1: Linear
    fc2: Linear
    cross: Attention | None = None
    """the decoder's look at the encoder"""

    @property
    def linears(self) -> tuple[Linear, ...]:
        """In the order of computation."""
        return (*self.own.linears, *(self.cross.linears if self.cross else ()), self.fc1, self.fc2)

    @property
    def norms(self) -> tuple[str, ...]:
        """Hugging Face's names of its layer norms, in the order of computation."""
        names = ("self_attn", "encoder_attn", "final") if self.cross else ("self_attn", "final")
        return tuple(f"{self.source}.{name}_layer_norm" for name in names)


def blocks(shape: WhisperShape, side: str) -> Iterator[Block]:
    """Of the "encoder" or the "decoder"."""
    d, wide = shape.d, FFN_FACTOR * shape.d
    for layer in range(shape.encoder_layers if side == "encoder" else shape.decoder_layers):
        at = f"{side}.layers.{layer}"
        yield Block(
            source=at,
            own=_attention(f"{at}.self_attn", d),
            fc1=Linear(f"{at}.fc1", d, wide),
            fc2=Linear(f"{at}.fc2", wide, d),
            cross=_attention(f"{at}.encoder_attn", d) if side == "decoder" else None,
        )


def linears(shape: WhisperShape) -> Iterator[Linear]:
    """All of both sides, in the order of computation."""
    for side in LAST_NORMS:
        for block in blocks(shape, side):
            yield from block.linears


def norms(shape: WhisperShape) -> Iterator[str]:
    """Hugging Face's names of all layer norms of both sides, likewise."""
    for side, last in LAST_NORMS.items():
        for block in blocks(shape, side):
            yield from block.norms
        yield last


def _attention(at: str, d: int) -> Attention:
    query, key, value, out = (Linear(f"{at}.{part}_proj", d, d) for part in ("q", "k", "v", "out"))
    return Attention(query, key, value, out)
