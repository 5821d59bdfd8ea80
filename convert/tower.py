"""The speech tower as linear layers and norms: the names, shapes and sources that speech.onnx is made of.

The products that read the same input are one: queries, keys and values of an attention, keys and values of the
decoder's look at the encoder. A product with fewer and larger matrices spreads better over threads, and its input
is rounded once.
"""

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
    sources: tuple[str, ...]
    """Whisper's own layers, under Hugging Face's names: their outputs side by side. A key projection has no bias."""
    of_queries: bool = False
    """Whether its rows are the queries, some dozens, and not the window's positions."""


@dataclass(frozen=True)
class Block:
    """A layer of the encoder or the decoder."""

    source: str
    """Hugging Face's name of it"""
    qkv: Linear
    out: Linear
    fc1: Linear
    fc2: Linear
    cross: tuple[Linear, ...] = ()
    """the decoder's look at the encoder: its queries, what it finds there, its output"""

    @property
    def linears(self) -> tuple[Linear, ...]:
        """In the order of computation."""
        return (self.qkv, self.out, *self.cross, self.fc1, self.fc2)

    @property
    def norms(self) -> tuple[str, ...]:
        """Hugging Face's names of its layer norms, in the order of computation."""
        names = ("self_attn", "encoder_attn", "final") if self.cross else ("self_attn", "final")
        return tuple(f"{self.source}.{name}_layer_norm" for name in names)


def blocks(shape: WhisperShape, side: str) -> Iterator[Block]:
    """Of the "encoder" or the "decoder"."""
    d, wide = shape.d, FFN_FACTOR * shape.d
    asking = side == "decoder"
    for layer in range(shape.decoder_layers if asking else shape.encoder_layers):
        at = f"{side}.layers.{layer}"
        own, cross = f"{at}.self_attn", f"{at}.encoder_attn"
        yield Block(
            source=at,
            qkv=Linear(f"{at}.qkv", d, 3 * d, tuple(f"{own}.{part}_proj" for part in "qkv"), asking),
            out=Linear(f"{at}.out", d, d, (f"{own}.out_proj",), asking),
            fc1=Linear(f"{at}.fc1", d, wide, (f"{at}.fc1",), asking),
            fc2=Linear(f"{at}.fc2", wide, d, (f"{at}.fc2",), asking),
            cross=(
                Linear(f"{at}.cross_q", d, d, (f"{cross}.q_proj",), asking),
                Linear(f"{at}.cross_kv", d, 2 * d, (f"{cross}.k_proj", f"{cross}.v_proj")),
                Linear(f"{at}.cross_out", d, d, (f"{cross}.out_proj",), asking),
            )
            if asking
            else (),
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
