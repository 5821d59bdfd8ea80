"""edge-llasm itself as a candidate, by the calls that its own programs make.

A turn is `Assistant.reply`, as talk has it: what every next question begins with was read while nobody spoke.
"""

from __future__ import annotations

import argparse
from collections import deque
from dataclasses import replace
from time import perf_counter
from types import ModuleType
from typing import Any

from edge_llasm import hearing
from edge_llasm.assistant import Assistant
from edge_llasm.bench.candidate import ANSWER, Loaded, Turn
from edge_llasm.bench.clips import Speaker
from edge_llasm.bench.operations import operations
from edge_llasm.bench.worker import serve
from edge_llasm.bundle import ONNX_FILE, SPEECH_FILE, WEIGHTS_FILE, Bundle
from edge_llasm.composer import Composer, default_sampling
from edge_llasm.devices import DEVICES, SPEECH_ENGINES, choose_devices
from edge_llasm.gguf_file import read_gguf
from edge_llasm.llama_setup import DEFAULTS, FLASH_ATTENTION, KV_TYPES, REPACK
from edge_llasm.prompt import Turn as ChatTurn
from edge_llasm.segments import Tokens
from edge_llasm.speech import onnx
from edge_llasm.speech.window import window as positions_of
from edge_llasm.whisper_file import read_whisper

__all__ = ["WINDOWS", "EdgeLlasm", "main"]

WINDOWS = "auto", "clip", "full"
"""What the encoder is given: what the model was trained on, as much as was said, or always all of it"""
TRIES = 8
"""Answers that are added up to ANSWER tokens"""


class EdgeLlasm:
    """An Assistant, timed stage by stage."""

    def __init__(
        self,
        model: str,
        *,
        device: str = "auto",
        speech: str = "auto",
        window: str = "auto",
        kv_type: str = DEFAULTS.kv_type,
        flash_attention: str = DEFAULTS.flash_attention,
        repack: str = "auto",
        cold: bool = False,
    ) -> None:
        """`window` is one of WINDOWS; `cold` forgets before each turn what was read for the one before.

        Raises what `Assistant.load` raises.
        """
        bundle = Bundle.find(model)
        if window != "auto":
            bundle = replace(bundle, speech=replace(bundle.speech, trim_window=window == "clip"))
        choose_devices(device, speech, has_onnx=bundle.has_onnx)  # imports the libraries
        self._speaker = Speaker()
        start = perf_counter()
        self._assistant = Assistant.load(
            bundle,
            device=device,
            speech=speech,
            kv_type=kv_type,
            flash_attention=flash_attention,
            repack=repack,
        )
        load_ms = 1000 * (perf_counter() - start)
        self._options = default_sampling(bundle)
        self._composer = Composer(bundle, self._assistant.llm.tokenize, self._assistant.llm.n_ctx)
        self._whisper = read_whisper(bundle.speech_file)
        self._find, self._mel = Stopwatch(hearing, "speech_spans"), Stopwatch(onnx, "log_mel")
        self._cold = cold
        self.loaded = self._introduce(load_ms, window)

    def turn(self, seconds: float, *, first: bool) -> Turn:
        """Raises NoSpeech, PromptTooLong, EngineError."""
        assistant = self._assistant
        if first:
            assistant.reset()
        if self._cold:
            assistant.llm.prepare([Tokens((assistant.bundle.tokens.eos,))])  # what no prompt begins with
        else:
            assistant.warm()
        samples, before = self._speaker.say(seconds), assistant.history
        self._find.reset()
        self._mel.reset()
        last = deque(assistant.reply(samples, options=replace(self._options, max_tokens=1)), maxlen=1).pop()
        assert last.timings is not None
        timings, question = last.timings, assistant.question
        speed, answer = self._decode([*before, ChatTurn(question)])
        assistant.resume([*before, ChatTurn(question, self._as_long(answer))])
        mel_ms = self._mel.ms if self._mel.given else None  # whisper.cpp makes its own
        return Turn(
            first_token_ms=timings.total_ms,
            find_ms=self._find.ms,
            mel_ms=mel_ms,
            speech_ms=timings.speech_ms - (mel_ms or 0.0),
            adapter_ms=timings.adapter_ms,
            prefill_ms=timings.prefill_ms,
            prompt_tokens=timings.prompt_tokens,
            cached_tokens=timings.cached_tokens,
            tokens_per_second=speed,
            operations=self._operations(),
        )

    def close(self) -> None:
        self._assistant.close()
        self._find.remove()
        self._mel.remove()

    def _introduce(self, load_ms: float, window: str) -> Loaded:
        assistant, bundle = self._assistant, self._assistant.bundle
        on_onnx = assistant.devices.speech.engine == onnx.NAME
        kind = bundle.speech.onnx if on_onnx else bundle.speech.type
        unread = {SPEECH_FILE} if on_onnx else {ONNX_FILE, WEIGHTS_FILE}
        files = sum(file.size for file in bundle.files if file.name not in unread)
        gguf = read_gguf(bundle.llm_file)
        name = ["edge-llasm", assistant.devices.speech.engine]
        name += [] if window == "auto" else [f"{window} window"]
        name += ["no cache"] if self._cold else []
        name += assistant.llm.setup.marks
        return Loaded(
            name=", ".join(name),
            load_ms=load_ms,
            note=f"{kind or 'unknown'} numbers, window "
            + (
                "as long as the clip"
                if bundle.speech.trim_window
                else f"always {bundle.speech.window_seconds:g} s"
            ),
            device=assistant.devices.name,
            expected=files + bundle.llm.n_ctx * gguf.cache_per_position,
            bytes_per_token=gguf.bytes_per_token,
        )

    def _operations(self) -> float:
        """Of the tower, for the pieces that were found."""
        spec = self._assistant.bundle.speech
        positions = [positions_of(end - start, spec) for start, end in self._find.given[0]]
        return sum(operations(self._whisper, n, spec.n_queries) for n in positions)

    def _as_long(self, answer: str) -> str:
        """An answer that takes no more tokens than were written: nonsense, read again, takes many times as many."""
        n = len(self._assistant.llm.tokenize(answer))
        return answer[: len(answer) * ANSWER // max(n, ANSWER)] or "."

    def _decode(self, turns: list[ChatTurn]) -> tuple[float, str]:
        """Tokens a second from the first piece of an answer on, and the answer; several times if it is short."""
        llm, options = self._assistant.llm, replace(self._options, max_tokens=ANSWER)
        segments = self._composer.prompt(turns, options)
        stop = (self._assistant.bundle.tokens.eos,)
        fed, took, answer = 0, 0.0, ""
        for _ in range(TRIES):
            answer, first = "", None
            for piece in llm.generate(segments, options, stop_tokens=stop):
                now = perf_counter()
                answer += piece.text
                first = first or (piece.n_tokens, now)
            assert first is not None
            if now > first[1]:  # the end of an answer is a token too
                fed += piece.n_tokens - first[0] + (piece.finish_reason == "stop")
                took += now - first[1]
            if fed >= ANSWER - 1:
                break
        return (fed / took if fed else 0.0), answer


class Stopwatch:
    """A function of the product, with what it took and what it gave."""

    def __init__(self, module: ModuleType, name: str) -> None:
        """In the place of `module`.`name` until `remove`."""
        self._module, self._name, self._function = module, name, getattr(module, name)
        self.ms = 0.0
        self.given: list[Any] = []
        """both since `reset`"""
        setattr(module, name, self)

    def __call__(self, *arguments: Any) -> Any:
        start = perf_counter()
        result = self._function(*arguments)
        self.ms += 1000 * (perf_counter() - start)
        self.given.append(result)
        return result

    def reset(self) -> None:
        self.ms = 0.0
        self.given.clear()

    def remove(self) -> None:
        setattr(self._module, self._name, self._function)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m edge_llasm.bench.ours", description=__doc__)
    parser.add_argument("--model", default="nano")
    parser.add_argument("--device", choices=DEVICES, default="auto")
    parser.add_argument("--speech", choices=SPEECH_ENGINES, default="auto")
    parser.add_argument("--window", choices=WINDOWS, default="auto")
    parser.add_argument("--kv-type", choices=tuple(KV_TYPES), default=DEFAULTS.kv_type)
    parser.add_argument("--flash-attention", choices=tuple(FLASH_ATTENTION), default=DEFAULTS.flash_attention)
    parser.add_argument("--repack", choices=("auto", *REPACK), default="auto")
    parser.add_argument("--cold", action="store_true")
    options = vars(parser.parse_args())
    serve(lambda: EdgeLlasm(**options))


if __name__ == "__main__":
    main()
