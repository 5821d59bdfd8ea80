"""What flash attention and a KV cache in 8 bits change: time, memory, and the answer itself.

`python -m edge_llasm.bench.attention --model NAME`. Each way to run the model reads the same passage, and is then given
the answer of the first way, token by token. Whether it would have chosen the same next one, and how far its logits are
from that way's, is what rounding costs. All ways take their turns, with a short prompt and with a nearly full context.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from functools import partial
from itertools import cycle

import numpy as np
import numpy.typing as npt

from edge_llasm.bench.turns import Measured, in_turn
from edge_llasm.bundle import Bundle
from edge_llasm.devices import DEVICES, llm_device
from edge_llasm.errors import EdgeLlasmError, EngineError
from edge_llasm.llama import Llama
from edge_llasm.llama_setup import Setup

__all__ = ["WAYS", "Way", "bench_attention", "main"]

WAYS = (
    Setup(kv_type="f16", flash_attention="off"),
    Setup(kv_type="f16", flash_attention="on"),
    Setup(kv_type="q8_0", flash_attention="on"),
)
"""The first one is what the others are compared with"""
SHORT = 128
"""Positions of the short prompt"""
ANSWER = 64
"""Tokens that are written"""
PASSAGE = (
    "Define a function called parse_date that returns the day and the month.\n",
    "def parse_date(text):\n    day, month = text.split('.')\n    return int(day), int(month)\n",
    "What is the capital of France? The capital of France is Paris.\n",
    "李白是谁？李白是唐朝的诗人，他和杜甫是朋友。\n",
    "Open the file, read every line of it, and go to line twenty.\n",
)

Logits = npt.NDArray[np.float32]  # (n, n_vocab)


@dataclass(frozen=True)
class Way:
    """One way to run the model, after one length of prompt."""

    setup: Setup
    positions: int
    """of the prompt"""
    reading: Measured
    """of the prompt"""
    writing: Measured
    """of ANSWER tokens"""
    cache_bytes: float
    """for each position"""
    agreed: int
    """of ANSWER: next tokens that the first way chose too"""
    difference: float
    """largest one of two logits"""


def bench_attention(bundle: Bundle, device: str = "auto", rounds: int = 5) -> tuple[list[Way], list[str]]:
    """Each way after each prompt, and why a way cannot be gone with this model. Raises BundleError, EngineError."""
    bundle.verify()
    device, n_ctx = llm_device(device).device, bundle.llm.n_ctx
    refused: list[str] = []
    with ExitStack() as opened:
        llamas: dict[Setup, Llama] = {}
        for setup in WAYS:
            try:
                llama = Llama.open(bundle.llm_file, n_ctx=n_ctx, device=device, setup=setup)
            except EngineError as error:
                refused.append(f"{setup.kv_type}: {error}")
                continue
            llamas[setup] = opened.enter_context(closing(llama))
        first = next(iter(llamas.values()))
        most = n_ctx - ANSWER
        prompts = [_passage(first, bundle.tokens.bos, n) for n in dict.fromkeys((min(SHORT, most), most))]
        answers = [_answer(first, prompt) for prompt in prompts]
        found = {
            (setup, n): (_logits(llama, prompt, answer), llama.save().nbytes / (len(prompt) + ANSWER))
            for setup, llama in llamas.items()
            for n, (prompt, answer) in enumerate(zip(prompts, answers, strict=True))
        }
        runs = {
            (setup, n, what): run
            for n, (prompt, answer) in enumerate(zip(prompts, answers, strict=True))
            for setup, llama in llamas.items()
            for what, run in (
                ("read", partial(_read, llama, prompt)),
                ("write", partial(_write, llama, answer, len(prompt))),
            )
        }
        took = in_turn(runs, rounds)
    base = next(iter(llamas))
    return [
        Way(
            setup=setup,
            positions=len(prompts[n]),
            reading=took[setup, n, "read"],
            writing=took[setup, n, "write"],
            cache_bytes=n_bytes,
            agreed=int((logits.argmax(axis=1) == found[base, n][0].argmax(axis=1)).sum()),
            difference=float(np.abs(logits - found[base, n][0]).max()),
        )
        for (setup, n), (logits, n_bytes) in sorted(found.items(), key=lambda item: item[0][1])
    ], refused


def _passage(llama: Llama, bos: int, n: int) -> list[int]:
    """`n` tokens of numbered sentences."""
    ids = [bos]
    sentences = cycle(PASSAGE)
    for i in range(n):
        if len(ids) < n:
            ids += llama.tokenize(f"{i}. {next(sentences)}")
    return ids[:n]


def _read(llama: Llama, ids: Sequence[int]) -> None:
    llama.forget(0)
    for start in range(0, len(ids), llama.n_batch):
        llama.feed_tokens(ids[start : start + llama.n_batch], start)


def _write(llama: Llama, ids: Sequence[int], position: int) -> None:
    for i, token in enumerate(ids):
        llama.feed_tokens((token,), position + i)


def _answer(llama: Llama, prompt: Sequence[int]) -> list[int]:
    """ANSWER likeliest tokens, also after one that ends an answer."""
    _read(llama, prompt)
    answer: list[int] = []
    for position in range(len(prompt), len(prompt) + ANSWER):
        answer.append(int(llama.logits().argmax()))
        llama.feed_tokens(answer[-1:], position)
    return answer


def _logits(llama: Llama, prompt: Sequence[int], answer: Sequence[int]) -> Logits:
    """(ANSWER, n_vocab): before each token of the answer."""
    _read(llama, prompt)
    rows = []
    for i, token in enumerate(answer):
        rows.append(llama.logits().copy())
        llama.feed_tokens((token,), len(prompt) + i)
    return np.stack(rows)


def _line(way: Way) -> str:
    attention = "" if way.setup.flash_attention == "off" else ", flash attention"
    return (
        f"{way.setup.kv_type + attention:<24}{way.positions:>7}{1000 * way.reading.median:>10.1f}"
        f"{ANSWER / way.writing.median:>10.1f}{way.cache_bytes / 1024:>9.1f}{way.agreed:>6}/{ANSWER}"
        f"{way.difference:>10.3f}\n"
    )


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m edge_llasm.bench.attention", description=__doc__)
    parser.add_argument("--model", default="nano", help="a name that `edge-llasm models` lists, or a folder")
    parser.add_argument("--device", choices=DEVICES, default="auto")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    try:
        bundle = Bundle.find(options.model)
        ways, refused = bench_attention(bundle, options.device, options.rounds)
    except EdgeLlasmError as error:
        sys.exit(f"{error}")
    sys.stdout.write(
        f"{bundle.name}, medians of {options.rounds}; the next token is that of the first line, and its logits differ\n"
        f"{'KV cache':<24}{'prompt':>7}{'read, ms':>10}{'tokens/s':>10}{'KiB each':>9}{'same':>9}{'by':>10}\n"
        + "".join(map(_line, ways))
        + "".join(f"not possible: {why}\n" for why in refused)
    )


if __name__ == "__main__":
    main()
