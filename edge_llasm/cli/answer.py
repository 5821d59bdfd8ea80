"""One question from the command line, from reading the recordings to the last character on the screen."""

from __future__ import annotations

import json
import logging
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from edge_llasm.cli.background import in_background
from edge_llasm.cli.model_options import LOADED_WITH
from edge_llasm.cli.output import Progress, on_a_terminal, say, tell

if TYPE_CHECKING:
    from edge_llasm.devices import Devices
    from edge_llasm.model import Chunk
    from edge_llasm.timings import Timings

__all__ = ["Question", "print_answer"]


@dataclass(frozen=True)
class Question:
    """What the command line asks for; None: the model's own default."""

    audio: tuple[str, ...]
    """paths, "-" is standard input"""
    text: str | None
    transcribe: bool
    model: str
    device: str
    speech: str
    trim_window: bool
    kv_type: str
    flash_attention: str
    repack: str
    temperature: float | None
    seed: int | None
    max_tokens: int | None
    verbose: bool


@dataclass(frozen=True)
class Engines:
    """What answers: the first thing known once the model is loaded."""

    model: str
    devices: Devices
    tuned: str
    """what is used of a tuning; "": nothing"""
    missed: bool
    """whether its conversion missed a bound of its parity"""


def print_answer(question: Question, *, as_json: bool, stats: bool) -> None:
    """Stream the answer to standard output, or print it as one JSON object."""
    logging.basicConfig(
        level=logging.INFO if question.verbose else logging.ERROR, format="edge-llasm: %(message)s"
    )
    progress = Progress(question.model)
    engines: Engines | None = None
    last: Chunk | None = None
    text = ""
    try:
        with closing(
            in_background(lambda cancel: answer(question, progress, cancel), progress.show)
        ) as events:
            for event in events:
                if isinstance(event, Engines):
                    progress.clear()
                    engines = event
                    if event.missed:
                        tell(
                            f"{event.model} differs from its original by more than it may: "
                            f"edge-llasm models {question.model} shows where"
                        )
                    if not stats and on_a_terminal():
                        tell(f"{event.model}, {event.devices.summary()}")
                    continue
                last, text = event, text + event.text
                if not as_json:
                    say(event.text)
    finally:
        progress.clear()
    if engines is None or last is None or last.timings is None:
        raise RuntimeError("the answer has no end")
    if as_json:
        say(_json(text, last, engines, last.timings) + "\n")
    elif not text.endswith("\n"):
        say("\n")
    if last.finish_reason == "length" and not as_json:
        tell("the answer was cut off; --max-tokens allows longer ones")
    if last.finish_reason == "repetition" and not as_json:
        tell("the answer was ended because it only repeated itself")
    if stats:
        _print_stats(last, engines, last.timings)


def answer(question: Question, progress: Progress, cancel: threading.Event) -> Iterator[Engines | Chunk]:
    """The work itself: recordings first, because a wrong file name should not wait for a model to load."""
    from edge_llasm.assistant import Assistant
    from edge_llasm.audio import load_audio
    from edge_llasm.bundle import Bundle
    from edge_llasm.composer import default_sampling
    from edge_llasm.tuned import NOTHING, describe

    bundle = Bundle.find(question.model)
    recordings = [load_audio(sys.stdin.buffer if name == "-" else name) for name in question.audio]
    options = default_sampling(bundle)
    if question.temperature is not None:
        options = replace(options, temperature=question.temperature)
    if question.seed is not None:
        options = replace(options, seed=question.seed)
    if question.max_tokens is not None:
        options = replace(options, max_tokens=question.max_tokens)
    with Assistant.load(
        bundle,
        **{name: getattr(question, name) for name in LOADED_WITH},
        progress=progress.report,
    ) as assistant:
        missed = bundle.parity is not None and bool(bundle.parity.faults)
        tuned = "" if assistant.tuned == NOTHING else describe(assistant.tuned)
        yield Engines(bundle.name, assistant.devices, tuned, missed)
        if question.transcribe:
            yield from assistant.transcribe(recordings, options=options, cancel=cancel)
        else:
            yield from assistant.reply(recordings, question.text, options=options, cancel=cancel)


def _json(text: str, last: Chunk, engines: Engines, timings: Timings) -> str:
    fields = {
        "text": text,
        "finish_reason": last.finish_reason,
        "model": engines.model,
        "speech_engine": engines.devices.speech.engine,
        "device": engines.devices.name,
        "audio_seconds": round(timings.audio_seconds, 3),
        "timings": {
            "load_ms": round(timings.load_ms, 1),
            "speech_ms": round(timings.speech_ms, 1),
            "adapter_ms": round(timings.adapter_ms, 1),
            "prefill_ms": round(timings.prefill_ms, 1),
            "first_token_ms": round(timings.first_token_ms, 1),
            "total_ms": round(timings.total_ms, 1),
        },
        "prompt_tokens": timings.prompt_tokens,
        "cached_tokens": timings.cached_tokens,
        "generated_tokens": timings.generated_tokens,
        "tokens_per_second": round(timings.tokens_per_second, 1),
    }
    unicode = (getattr(sys.stdout, "encoding", None) or "").lower().replace("-", "") == "utf8"
    return json.dumps(fields, ensure_ascii=not unicode)


def _print_stats(last: Chunk, engines: Engines, timings: Timings) -> None:
    tell(f"{engines.model}: {engines.devices.describe()}")
    if engines.tuned:
        tell(f"tuned: {engines.tuned}")
    tell(
        f"{timings.audio_seconds:.1f} s of audio; load {timings.load_ms:.0f} ms, "
        f"speech {timings.speech_ms:.0f} ms, adapter {timings.adapter_ms:.0f} ms, "
        f"prefill {timings.prefill_ms:.0f} ms"
    )
    tell(
        f"first text after {timings.first_token_ms:.0f} ms, all after {timings.total_ms:.0f} ms; "
        f"{timings.prompt_tokens} prompt tokens ({timings.cached_tokens} cached), "
        f"{timings.generated_tokens} generated at {timings.tokens_per_second:.0f} a second, "
        f"ended by {last.finish_reason}"
    )
