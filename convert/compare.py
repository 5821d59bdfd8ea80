"""A bundle against PyTorch float32, from the same samples, each side on its own way to the end.

First PyTorch hears and answers everything, then its memory can be freed, and the bundle is measured against
what is kept. The tokens are compared teacher-forced: the bundle is fed with PyTorch's, and asked at each of
them which it would have taken. Where it first takes another is also where the two texts part when each runs
freely, as both had the same tokens until there. Nothing ends an answer: all of the positions count.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import exp

import numpy as np
from numpy.typing import NDArray

from convert.engines import Engines
from convert.errors import ConvertError
from convert.reference import Reference
from edge_llasm.bundle import Bundle
from edge_llasm.parity import Difference, Heard, Parity
from edge_llasm.prompt import TEMPLATES, Spoken, Tokenize, Turn, render
from edge_llasm.segments import Embeddings, Segment, length
from edge_llasm.speech import SpeechEncoder, onnx, whisper_cpp
from edge_llasm.speech.mel import SAMPLE_RATE
from edge_llasm.speech.window import window

Floats = NDArray[np.float32]

N_TOKENS = 64
"""Greedy tokens per clip"""
MAX_TEXT = 256
"""Tokens of the fixed text: one by one, a large model takes a minute for them"""
TEXT = """\
The small boat left the harbour before sunrise, because the wind was expected to turn in the afternoon. Three people \
were on board: a fisherman, his daughter, and a student who wanted to count sea birds. By noon they had seen forty-two \
gulls and no fish at all.
太阳还没有升起，小船就离开了港口，因为下午风向会变。船上有三个人：一位渔夫、他的女儿，还有一个想数海鸟的学生。到了中午，他们看见了四十二只海鸥，\
却一条鱼也没有钓到。
"""


@dataclass(frozen=True)
class Bounds:
    """The least that is asked of a bundle; None: measured, but not judged."""

    features_max_abs: float | None = None
    features_cosine: float | None = None
    agreement: float | None = None
    """Share of the greedy tokens."""


def bounds(speech_type: str, llm_type: str) -> Bounds:
    """Half-precision states and tokens are the original's; blocks of 8 bits may change a token in a hundred.

    With f32 the speech is exact, and what tips a token is the LLM's rounding alone.
    """
    exact_speech = speech_type in ("f16", "f32")
    agreement = None
    if speech_type == "f16" and llm_type == "plain":
        agreement = 1.0
    elif speech_type in ("f16", "f32", "q8_0", "int8") and llm_type in ("plain", "Q8_0"):
        agreement = 0.99
    return Bounds(2e-2 if exact_speech else None, 0.9995 if exact_speech else None, agreement)


@dataclass(frozen=True)
class Clip:
    """What PyTorch makes of one clip."""

    samples: Floats
    """(n,) 16 kHz, cut to the window"""
    mel: Floats
    """(n_mels, n_frames)"""
    features: Floats
    """(n_queries, d)"""
    embeddings: Floats
    """(n_queries, n_embd)"""
    logits: Floats
    """(n_vocab,) after the prompt"""
    ids: tuple[int, ...]
    """greedy"""


@dataclass(frozen=True)
class Expected:
    """What a bundle is compared with."""

    heard: tuple[Clip, ...]
    text_ids: tuple[int, ...]
    perplexity: float


def expect(
    reference: Reference, bundle: Bundle, clips: Iterable[Floats], n_tokens: int = N_TOKENS
) -> Expected:
    """Run the original over clips, (n,) f32 16 kHz each; what is longer than the window is cut to it.

    Raises ConvertError where the context has no room for a token.
    """
    speech, heard = bundle.speech, []
    for clip in clips:
        samples = clip[: round(speech.window_seconds * SAMPLE_RATE)]
        positions = window(len(samples), speech)
        features = reference.features(samples, positions)
        embeddings = reference.embeddings(features)
        segments = prompt(bundle, embeddings, reference.tokenize)
        room = min(n_tokens, bundle.llm.n_ctx - length(segments))
        if room < 1:
            raise ConvertError(
                f"the prompt alone takes {length(segments)} of {bundle.llm.n_ctx} tokens: nothing to compare"
            )
        heard.append(
            Clip(
                samples=samples,
                mel=reference.mel(samples, positions),
                features=features,
                embeddings=embeddings,
                logits=reference.logits(segments),
                ids=tuple(reference.greedy(segments, room)),
            )
        )
    ids = text_ids(bundle, reference.tokenize)
    return Expected(tuple(heard), ids, _perplexity(reference.log_probabilities(ids)))


def compare(engines: Engines, expected: Expected) -> Parity:
    """Run the bundle over the same clips and text, once by each of its speech engines."""
    heard = {name: _hear(engines, encoder, expected.heard) for name, encoder in engines.encoders.items()}
    found = []
    for name, ours in heard.items():
        least = bounds(engines.speech_type(name), engines.llm_type)
        found += [f"{name}: {fault}" for fault in faults(least, ours.features, ours.agreement)]
    ids = text_ids(engines.bundle, engines.llama.tokenize)
    if ids != expected.text_ids:
        found.append("the text is tokenized differently")
    return Parity(
        clips=len(expected.heard),
        mel=worst([difference(_mel(engines, clip).T, clip.mel.T) for clip in expected.heard]),
        **vars(heard[whisper_cpp.NAME]),
        positions=sum(len(clip.ids) for clip in expected.heard),
        perplexity=_perplexity(engines.log_probabilities(ids)),
        reference_perplexity=expected.perplexity,
        faults=tuple(found),
        onnx=heard.get(onnx.NAME),
    )


def _mel(engines: Engines, clip: Clip) -> Floats:
    return engines.mel(clip.samples, window(len(clip.samples), engines.bundle.speech))


def _hear(engines: Engines, encoder: SpeechEncoder, clips: Sequence[Clip]) -> Heard:
    """One speech engine's way through the bundle."""
    stages, agreeing, first = [], [], 0
    for clip in clips:
        features = encoder.encode(clip.samples)
        embeddings = engines.adapter.embed(features)
        segments = prompt(engines.bundle, embeddings, engines.llama.tokenize)
        logits, taken = engines.follow(segments, clip.ids)
        agrees = [ours == theirs for ours, theirs in zip(taken, clip.ids, strict=True)]
        agreeing += agrees
        if not all(agrees):
            first = min(first or len(agrees), agrees.index(False) + 1)
        stages.append(
            (
                difference(features, clip.features),
                difference(embeddings, clip.embeddings),
                difference(logits, clip.logits),
            )
        )
    features_apart, embeddings_apart, logits_apart = (worst(stage) for stage in zip(*stages, strict=True))
    return Heard(features_apart, embeddings_apart, logits_apart, sum(agreeing) / len(agreeing), first)


def faults(least: Bounds, features: Difference, agreement: float) -> list[str]:
    """What is beyond the bounds, in words; empty when all is well."""
    found = []
    # `not <=` and not `>`: a NaN is a fault too.
    if least.features_max_abs is not None and not features.max_abs <= least.features_max_abs:
        found.append(f"features differ by {features.max_abs:.2g}, allowed is {least.features_max_abs:g}")
    if least.features_cosine is not None and not features.cosine >= least.features_cosine:
        found.append(f"features cosine {features.cosine:.4f}, at least {least.features_cosine} is asked")
    if least.agreement is not None and not agreement >= least.agreement:
        found.append(f"{agreement:.1%} of the greedy tokens agree, {least.agreement:.0%} are asked")
    return found


def difference(ours: Floats, theirs: Floats) -> Difference:
    """(n, width) or (width,) f32 each."""
    a, b = np.atleast_2d(ours).astype(np.float64), np.atleast_2d(theirs).astype(np.float64)
    cosines = (a * b).sum(axis=1) / (np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1))
    apart = np.abs(a - b)
    return Difference(float(apart.max()), float(apart.mean()), float(cosines.min()))


def worst(differences: Sequence[Difference]) -> Difference:
    """Of several clips; a NaN anywhere stays one."""
    columns = np.array([(one.max_abs, one.mean_abs, one.cosine) for one in differences]).T
    return Difference(*(float(value) for value in (columns[0].max(), columns[1].max(), columns[2].min())))


def prompt(bundle: Bundle, embeddings: Floats, tokenize: Tokenize) -> list[Segment]:
    """A single spoken turn."""
    turns = [Turn(user=(Spoken((Embeddings(embeddings),)),))]
    return render(TEMPLATES[bundle.template], turns, bundle.system, bundle.tokens, tokenize)


def text_ids(bundle: Bundle, tokenize: Tokenize) -> tuple[int, ...]:
    """The fixed text, English and Chinese, with BOS in front, as far as it fits."""
    english, chinese = TEXT.splitlines()
    half = (min(MAX_TEXT, bundle.llm.n_ctx) - 1) // 2
    return (bundle.tokens.bos, *tokenize(english)[:half], *tokenize(chinese)[:half])


def _perplexity(log_probabilities: Sequence[float]) -> float:
    surprise = -sum(log_probabilities) / len(log_probabilities)
    return exp(min(surprise, 700.0))  # what is beyond is no float
