"""``python -m convert.parity``: a bundle against the PyTorch model that it was made from, clip by clip.

Both sides start from the same samples and go their own way to the end: features, adapter output, the
logits after the prompt, and greedy tokens, each side fed with its own. Nothing stops the tokens: a bundle
with f16 parts must give the same ones.
"""

import argparse
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from convert.engines import Engines
from convert.errors import ConvertError
from convert.reference import Reference
from edge_llasm.audio import load_audio
from edge_llasm.bundle import Bundle
from edge_llasm.errors import EdgeLlasmError
from edge_llasm.prompt import TEMPLATES, Spoken, Tokenize, Turn, render
from edge_llasm.segments import Embeddings, Segment, Tokens
from edge_llasm.speech.mel import SAMPLE_RATE
from edge_llasm.speech.whisper_cpp import window

Floats = NDArray[np.float32]

N_TOKENS = 64
SUFFIXES = (".wav", ".flac", ".ogg", ".opus", ".mp3")
F16_COSINE = 0.9995  # least allowed with f16 parts, of features and embeddings per position, of logits
Q_COSINE = 0.98  # the same with quantized parts, whose tokens may differ


@dataclass(frozen=True)
class Difference:
    """How far two arrays of the same shape are apart."""

    max_abs: float
    mean_abs: float
    cosine: float
    """The lowest over the positions; 1 is the same direction."""

    @classmethod
    def of(cls, ours: Floats, theirs: Floats) -> Self:
        """(n, width) or (width,) f32 each."""
        a, b = np.atleast_2d(ours).astype(np.float64), np.atleast_2d(theirs).astype(np.float64)
        cosines = (a * b).sum(axis=1) / (np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1))
        apart = np.abs(a - b)
        return cls(float(apart.max()), float(apart.mean()), float(cosines.min()))


@dataclass(frozen=True)
class ClipParity:
    """One clip through both."""

    clip: str
    features: Difference
    embeddings: Difference
    logits: Difference
    same_tokens: int
    """Greedy tokens that are the same, counted from the first."""
    n_tokens: int
    lead: float = 0.0
    """Where they part: the reference's logit of its own token above that of ours. Near 0 it was a tie."""


def compare(
    engines: Engines, reference: Reference, clips: Iterable[tuple[str, Floats]], n_tokens: int = N_TOKENS
) -> Iterator[ClipParity]:
    """Yield one result per (name, (n,) f32 16 kHz samples); what is longer than the window is cut to it."""
    speech = engines.bundle.speech
    for name, samples in clips:
        samples = samples[: round(speech.window_seconds * SAMPLE_RATE)]
        ours = engines.encoder.encode(samples)
        theirs = reference.features(samples, window(len(samples), speech))
        our_embeddings, their_embeddings = engines.adapter.embed(ours), reference.embeddings(theirs)
        our_prompt = prompt(engines.bundle, our_embeddings, engines.llama.tokenize)
        their_prompt = prompt(engines.bundle, their_embeddings, reference.tokenize)
        our_ids = engines.greedy(our_prompt, n_tokens)
        their_ids = reference.greedy(their_prompt, n_tokens)
        same, lead = _common(our_ids, their_ids), 0.0
        if same < n_tokens:
            there = reference.logits([*their_prompt, Tokens(tuple(their_ids[:same]))])
            lead = float(there[their_ids[same]] - there[our_ids[same]])
        yield ClipParity(
            clip=name,
            features=Difference.of(ours, theirs),
            embeddings=Difference.of(our_embeddings, their_embeddings),
            logits=Difference.of(engines.logits(our_prompt), reference.logits(their_prompt)),
            same_tokens=same,
            n_tokens=n_tokens,
            lead=lead,
        )


def prompt(bundle: Bundle, embeddings: Floats, tokenize: Tokenize) -> list[Segment]:
    """A single spoken turn."""
    turns = [Turn(user=(Spoken((Embeddings(embeddings),)),))]
    return render(TEMPLATES[bundle.template], turns, bundle.system, bundle.tokens, tokenize)


def faults(result: ClipParity, exact: bool) -> list[str]:
    """What is beyond the bounds, in words; empty when all is well."""
    least = F16_COSINE if exact else Q_COSINE
    stages = {"features": result.features, "embeddings": result.embeddings, "logits": result.logits}
    # `not >=` and not `<`: a NaN is a fault too.
    found = [f"{name} cosine below {least}" for name, value in stages.items() if not value.cosine >= least]
    if exact and result.same_tokens < result.n_tokens:
        found.append(
            f"token {result.same_tokens + 1} differs, by {result.lead:.2g} in the reference's logits"
        )
    return found


def header(exact: bool) -> str:
    """The bounds, and two lines above the rows."""
    least, tokens = (F16_COSINE, "the same tokens") if exact else (Q_COSINE, "tokens may differ")
    columns = "max abs   mean abs  cosine  "
    stages = f"{'features':<28}  {'embeddings':<28}  {'logits':<28}"
    bounds = f"bounds: every cosine at least {least}, {tokens}"
    return f"{bounds}\n{'':<24}  {stages}  greedy\n{'clip':<24}  {columns}  {columns}  {columns}  tokens"


def row(result: ClipParity, exact: bool) -> str:
    """One line of the table."""
    stages = (result.features, result.embeddings, result.logits)
    cells = "  ".join(f"{x.max_abs:<9.2g} {x.mean_abs:<9.2g} {x.cosine:.6f}" for x in stages)
    verdict = "; ".join(faults(result, exact)) or "ok"
    return f"{result.clip[:24]:<24}  {cells}  {result.same_tokens}/{result.n_tokens}  {verdict}"


def _common(ours: Sequence[int], theirs: Sequence[int]) -> int:
    same = [a == b for a, b in zip(ours, theirs, strict=True)]
    return same.index(False) if False in same else len(same)


def main(arguments: list[str] | None = None) -> int:
    """Print the table; the exit status is 1 when a bound is broken."""
    parser = argparse.ArgumentParser(
        prog="python -m convert.parity",
        description="Compare a bundle with the PyTorch model that it was made from, on the same recordings.",
        epilog="example:\n  python -m convert.parity out/nano --reference checkpoints/nano"
        " --whisper checkpoints/nano-whisper --clips clips",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("bundle", type=Path, metavar="BUNDLE", help="the folder with bundle.toml")
    parser.add_argument("--reference", type=Path, required=True, metavar="CHECKPOINT", help="LLaSM's folder")
    parser.add_argument("--whisper", type=Path, required=True, metavar="WHISPER", help="its Whisper's folder")
    parser.add_argument("--clips", type=Path, required=True, metavar="DIR", help="recordings to compare on")
    parser.add_argument(
        "--tokens", type=int, default=N_TOKENS, metavar="N", help="greedy tokens (default: 64)"
    )
    options = parser.parse_args(arguments)
    try:
        files = sorted(path for path in options.clips.glob("*") if path.suffix.lower() in SUFFIXES)
        if not files:
            raise ConvertError(f"{options.clips} has no recordings ({', '.join(SUFFIXES)})")
        reference = Reference(options.reference, options.whisper)
        engines = Engines(Bundle.load(options.bundle))
        clips = ((path.name, load_audio(path)) for path in files)
        status = 0
        print(header(engines.exact))
        for result in compare(engines, reference, clips, options.tokens):
            print(row(result, engines.exact), flush=True)
            status |= bool(faults(result, engines.exact))
        return status
    except EdgeLlasmError as error:
        print(f"convert.parity: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
