"""A rival: whisper.cpp writes down what was said, llama.cpp answers the transcript, each through its Python package.

Its Whisper has random weights and would babble until its limit, or begin again at a higher temperature. Real speech
is what it stands for: so there is no second try, and the transcript is as long as real speech of that length has it,
and each time another one.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from time import perf_counter
from types import MappingProxyType
from typing import Any

from edge_llasm.audio import SAMPLE_RATE
from edge_llasm.bench.candidate import Loaded, Turn
from edge_llasm.bench.chat import Chat, read
from edge_llasm.bench.clips import Samples, Speaker
from edge_llasm.bench.llama_python import encoder, import_llama, open_llama
from edge_llasm.bench.rival_options import parser, require
from edge_llasm.bench.worker import serve
from edge_llasm.bundle import Bundle
from edge_llasm.errors import EngineError
from edge_llasm.segments import Tokens, common_prefix, length
from edge_llasm.speech.mel import SAMPLES_PER_POSITION
from edge_llasm.speech.whisper_lib import load_library

__all__ = ["FILES", "TOKENS_PER_SECOND", "Cascade", "main"]

FILES = MappingProxyType({"f16": "whisper-cascade.bin", "q8_0": "whisper-cascade-q8_0.bin"})
"""Type of Whisper's weights -> the file; which is faster depends on the machine"""
TOKENS_PER_SECOND = 3.0
"""of a transcript, Whisper's as well as the language model's: two to three words a second of speech"""
WINDOW_SECONDS = 30
"""of every Whisper"""
MARGIN = 0.5
"""s that a trimmed window is longer than the clip, so that its end is heard"""


class Cascade:
    """Two models one after the other."""

    def __init__(
        self, model: str, rival: Path, threads: int, *, type: str = "f16", trim: bool = False
    ) -> None:
        """`type` is one of FILES; `trim` hears through a window as long as the clip.

        Raises BundleError, EngineError.
        """
        bundle, file = Bundle.find(model), require(rival / FILES[type])
        self._trim, self._speaker, self._heard = trim, Speaker(), 0
        load_library()  # keeps its log quiet
        whisper = importlib.import_module("pywhispercpp.model")
        import_llama()
        start = perf_counter()
        self._whisper: Any = whisper.Model(
            str(file),
            # With it, a trimmed window would see padding; on the full one it is faster.
            context_params={"use_gpu": False, "flash_attn": not trim},
            n_threads=threads,
            language="en",  # otherwise the encoder runs twice, the first time to find the language
            temperature_inc=0.0,
            print_progress=False,
        )
        self._llama = open_llama(bundle, threads)
        self._encode = encoder(self._llama)
        self._chat = Chat(bundle, self._encode)
        self.loaded = Loaded(
            name=f"whisper.cpp {type}{' trimmed' if trim else ''} + llama.cpp",
            load_ms=1000 * (perf_counter() - start),
            note=f"{'window of the clip, no flash attention' if trim else '30 s window, flash attention'}, "
            f"no fallback, {TOKENS_PER_SECOND:g} tokens a second of speech",
        )

    def turn(self, seconds: float, *, first: bool) -> Turn:
        """Raises PromptTooLong, EngineError."""
        samples = self._speaker.say(seconds)
        start = perf_counter()
        transcript = self._transcribe(samples)
        heard = perf_counter()
        prompt = self._chat.ask(transcript, first=first)
        ids = [id_ for segment in prompt if isinstance(segment, Tokens) for id_ in segment.ids]
        fed = Tokens(tuple(self._llama.input_ids[: self._llama.n_tokens].tolist()))
        answer = read(
            self._llama.generate(ids, temp=0.0)
        )  # goes on from what it has in common with the last prompt
        self._chat.answered(answer.ids)
        return Turn(
            first_token_ms=1000 * (answer.began - start),
            mel_ms=None,
            speech_ms=1000 * (heard - start),
            adapter_ms=None,
            prefill_ms=1000 * (answer.began - heard),
            prompt_tokens=length(prompt),
            cached_tokens=common_prefix([fed], prompt),
            tokens_per_second=answer.tokens_per_second,
        )

    def close(self) -> None:
        self._llama.close()

    def _transcribe(self, samples: Samples) -> str:
        """As many tokens of text as such a clip has, window by window."""
        self._heard += 1
        # Random weights write the same about everything, and a prompt that was there before would not be read again.
        texts, window = [str(self._heard)], WINDOW_SECONDS * SAMPLE_RATE
        for piece in (samples[begin : begin + window] for begin in range(0, len(samples), window)):
            audio_ctx = _positions(len(piece)) if self._trim else 0  # 0: all
            spoken = self._whisper.transcribe(piece, max_tokens=_tokens(len(piece)), audio_ctx=audio_ctx)
            if not spoken:
                raise EngineError("whisper.cpp transcribed nothing; write its file again")
            texts += [segment.text for segment in spoken]
        ids = self._encode(" ".join(texts))[: _tokens(len(samples))]
        return str(self._llama.detokenize(ids).decode("utf-8", "replace"))


def _positions(n_samples: int) -> int:
    longer = n_samples + round(MARGIN * SAMPLE_RATE)
    return min(-(-longer // SAMPLES_PER_POSITION), WINDOW_SECONDS * SAMPLE_RATE // SAMPLES_PER_POSITION)


def _tokens(n_samples: int) -> int:
    return max(1, round(TOKENS_PER_SECOND * n_samples / SAMPLE_RATE))


def main() -> None:
    options = parser("edge_llasm.bench.cascade", __doc__)
    options.add_argument(
        "--type", choices=tuple(FILES), default="f16", help="of Whisper's weights (default: f16)"
    )
    options.add_argument("--trim", action="store_true", help="hear through a window as long as the clip")
    given = vars(options.parse_args())
    serve(lambda: Cascade(**given))


if __name__ == "__main__":
    main()
