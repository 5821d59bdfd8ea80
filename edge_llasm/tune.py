"""Finds how many threads, how large a batch and which order of weights a model wants on this machine: by trying, all in
turn.

Fewer threads win a tie, and a small model gets more than one only where they halve the time: llama.cpp's threads wait
for each other hundreds of times a token, and on a machine that is busy with something else each wait may cost a time
slice (see llama_load.SMALL_MODEL). What is measured is worth something only on an idle machine.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from functools import partial
from time import perf_counter
from typing import Generic, TypeVar

import numpy as np

from edge_llasm.bench.turns import Measured, in_turn
from edge_llasm.bundle import Bundle
from edge_llasm.cores import physical_cores, usable_processors
from edge_llasm.devices import Devices
from edge_llasm.gguf_file import PLAIN_TYPES, read_gguf
from edge_llasm.llama import Llama
from edge_llasm.llama_load import SMALL_MODEL
from edge_llasm.llama_setup import REPACK, Setup
from edge_llasm.speech import onnx
from edge_llasm.speech.mel import SAMPLE_RATE
from edge_llasm.tuned import Tuned

__all__ = ["Trial", "busy", "tune"]

PROMPT, ANSWER = 512, 16
"""Positions read, tokens decoded; at most"""
BATCHES = (128, 64, 256, 512)
"""Candidates, the preferred one first: a prompt can be cancelled between batches"""
CLIP_SECONDS = 4.0
QUESTION = 72
"""Positions of a piece of speech and what stands around it"""
GAIN, SMALL_GAIN = 1.1, 2.0
"""How many times faster another candidate must be than a preferred one; the latter for a small model's threads"""
SECONDS = 15.0
"""For each of the comparisons, about"""
FEWEST, MOST = 3, 15
"""Rounds"""
BUSY = 0.3
"""Load for each processor from which on the machine is not idle"""


Candidate = TypeVar("Candidate", int, str)


@dataclass(frozen=True)
class Trial(Generic[Candidate]):
    """One comparison."""

    what: str
    knob: str
    """what the candidates are numbers of, or words for"""
    took: Mapping[Candidate, Measured]
    """by candidate, the preferred one first"""
    best: Candidate
    """the first one than which no other is much faster"""


def tune(bundle: Bundle, devices: Devices) -> Iterator[Trial[int] | Trial[str] | Tuned]:
    """Each comparison when it is over, at the end what they amount to.

    Raises BundleError, EngineError.
    """
    bundle.verify()
    n_ctx, device = bundle.llm.n_ctx, devices.llm.device
    setup = Setup(n_batch=min(PROMPT, n_ctx))
    with closing(Llama.open(bundle.llm_file, n_ctx=n_ctx, device=device, setup=setup)) as llama:
        gain = SMALL_GAIN if bundle.llm_entry.size < SMALL_MODEL else GAIN
        counts = thread_counts() if device == "cpu" else (1,)
        prompt = _prompt(llama)
        short = prompt[: BATCHES[0]]
        batches = [n for n in BATCHES if n <= len(prompt)] or [llama.n_batch]
        decode, read = partial(_decode, llama), partial(_read, llama, short)
        yield (alone := _compare(f"{ANSWER} tokens", "threads", counts, decode, gain))
        yield (together := _compare(f"a prompt of {len(short)}", "threads", counts, read, gain))
        llama.set_threads(alone.best, together.best)
        read = partial(_feed, llama, prompt)
        yield (batch := _compare(f"a prompt of {len(prompt)}", "positions at once", batches, read, GAIN))
    setup = Setup(alone.best, together.best, batch.best)
    if device == "cpu" and read_gguf(bundle.llm_file).file_type not in PLAIN_TYPES:
        yield (order := _order(bundle, setup))
        setup = replace(setup, repack=order.best)
    speech = None
    if devices.speech.engine == onnx.NAME:
        yield (heard := _hear(bundle))
        speech = heard.best
    yield Tuned(setup, speech)


def busy() -> float | None:
    """The load of the last minute where it is too high to measure anything beside it."""
    load = os.getloadavg()[0]
    return load if load > BUSY * usable_processors() else None


def thread_counts() -> tuple[int, ...]:
    """1, 2, 4 … and all cores, and all processors."""
    most = usable_processors()
    doubled = {2**n for n in range(most.bit_length())}
    return tuple(sorted(n for n in {*doubled, physical_cores(), most} if n <= most))


def choose(took: Mapping[Candidate, Measured], gain: float) -> Candidate:
    """The first candidate than which no other is `gain` times faster."""
    best = min(measured.median for measured in took.values())
    return next(candidate for candidate, measured in took.items() if measured.median <= gain * best)


def _compare(
    what: str, knob: str, candidates: Sequence[Candidate], run: Callable[[Candidate], object], gain: float
) -> Trial[Candidate]:
    start = perf_counter()
    run(candidates[0])
    rounds = round(SECONDS / max(1e-9, (perf_counter() - start) * len(candidates)))
    took = in_turn({n: partial(run, n) for n in candidates}, min(MOST, max(FEWEST, rounds)))
    return Trial(what, knob, took, choose(took, gain))


def _prompt(llama: Llama) -> list[int]:
    """Any tokens, as many as are read in about a second."""
    n = min(PROMPT, llama.n_ctx)
    ids = [int(token) for token in np.random.default_rng(0).integers(0, llama.n_vocab, n)]
    first = ids[: BATCHES[0]]
    start = perf_counter()
    _feed(llama, first, llama.n_batch)
    per_second = len(first) / (perf_counter() - start)
    return ids[: max(len(first), int(per_second))]


def _decode(llama: Llama, n_threads: int) -> None:
    llama.set_threads(n_threads, n_threads)
    llama.forget(0)
    for position in range(min(ANSWER, llama.n_ctx)):
        llama.feed_tokens((0,), position)


def _read(llama: Llama, prompt: Sequence[int], n_threads: int) -> None:
    llama.set_threads(n_threads, n_threads)
    _feed(llama, prompt, llama.n_batch)


def _feed(llama: Llama, ids: Sequence[int], n_batch: int) -> None:
    llama.forget(0)
    for start in range(0, len(ids), n_batch):
        llama.feed_tokens(ids[start : start + n_batch], start)


def _order(bundle: Bundle, setup: Setup) -> Trial[str]:
    """What a user waits for: a question is read, and the first sentence of its answer written.

    Both are in memory at the same time, which share the mapped file.
    """
    orders = [setup.repack, *(order for order in REPACK if order != setup.repack)]
    with ExitStack() as stack:
        llamas = {
            order: stack.enter_context(
                closing(
                    Llama.open(
                        bundle.llm_file,
                        n_ctx=bundle.llm.n_ctx,
                        device="cpu",
                        setup=replace(setup, repack=order),
                    )
                )
            )
            for order in orders
        }
        n = min(QUESTION, bundle.llm.n_ctx // 2)

        def answer(order: str) -> None:
            _feed(llamas[order], n * [0], llamas[order].n_batch)
            for position in range(n, min(n + ANSWER, bundle.llm.n_ctx)):
                llamas[order].feed_tokens((0,), position)

        return _compare(f"{n} read, {ANSWER} written", "repack", orders, answer, GAIN)


def _hear(bundle: Bundle) -> Trial[int]:
    seconds = min(CLIP_SECONDS, bundle.speech.window_seconds)
    clip = (0.1 * np.random.default_rng(0).standard_normal(round(seconds * SAMPLE_RATE))).astype(np.float32)
    with ExitStack() as stack:
        engines = {
            n: stack.enter_context(closing(onnx.OnnxSpeech.open(bundle.onnx_file, bundle.speech, n)))
            for n in thread_counts()
        }
        return _compare(
            f"{seconds:g} s of speech", "threads", list(engines), lambda n: engines[n].encode(clip), GAIN
        )
