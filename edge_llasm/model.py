"""A loaded model at work: what was said becomes a part of a turn, and turns are answered in chunks.

Hearing          where somebody speaks, in pieces that fit the window      hearing.py, vad.py
SpeechEmbedder   piece -> (n, n_embd) f32                                  speech/, adapter.py
Composer         turns -> token ids and embeddings that fit the context    composer.py, prompt.py
Llm.generate     token ids and embeddings -> text                          llm.py
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from time import perf_counter

import numpy as np
import numpy.typing as npt

from edge_llasm.audio import SAMPLE_RATE
from edge_llasm.bundle import Bundle
from edge_llasm.cache_file import CacheFile
from edge_llasm.composer import Composer, default_sampling
from edge_llasm.errors import EngineError, PromptTooLong
from edge_llasm.head_file import head_file
from edge_llasm.hearing import Hearing
from edge_llasm.kv_cache import WORTH_KEEPING
from edge_llasm.llama_library import library_version
from edge_llasm.llm import Piece
from edge_llasm.loading import Parts
from edge_llasm.prompt import Spoken, Turn
from edge_llasm.sampling import Sampling
from edge_llasm.segments import length
from edge_llasm.text_stream import Transcript
from edge_llasm.timings import Meter, Timings

__all__ = ["Chunk", "Model"]

Samples = npt.NDArray[np.float32]  # (n_samples,) f32, 16 kHz


@dataclass(frozen=True)
class Chunk:
    """A piece of an answer."""

    text: str
    """never half a character; may be empty, above all in the last chunk"""
    finish_reason: str | None = None
    """on the last chunk: stop | length | repetition | cancelled; of a transcript in several pieces, the first of
    theirs that is not stop"""
    timings: Timings | None = None
    """on the last chunk"""
    heard: tuple[float, float] | None = None
    """of a transcript: s from and to which this is said in its recording"""


class Model:
    """From its loading to its unloading. It keeps no chat, and whoever asks it is alone with it."""

    def __init__(self, bundle: Bundle, load: Callable[[], Parts]) -> None:
        """Raises what `load` raises."""
        start = perf_counter()
        self._bundle = bundle
        self.parts = load()
        self._llm = self.parts.llm
        self._hearing = Hearing(self.parts.speech)
        self._running: Generator[Piece, None, None] | None = None  # the answer, closed or not
        try:
            self._composer = Composer(bundle, self._llm.tokenize, self._llm.n_ctx)
            self._begin()
        except BaseException:
            self.parts.close()
            raise
        self._load_ms = 1000 * (perf_counter() - start)

    def meter(self, recordings: Sequence[Samples] = ()) -> Meter:
        """For one turn, which begins now."""
        return Meter(self._load_ms, sum(map(len, recordings)) / SAMPLE_RATE)

    def understand(
        self,
        recordings: Sequence[Samples],
        texts: Sequence[str],
        meter: Meter,
        cancel: threading.Event | None,
    ) -> tuple[str | Spoken, ...]:
        """The user's part of a turn. Raises NoSpeech, PromptTooLong, EngineError."""
        pieces = [self._hearing.pieces(recording) for recording in recordings]
        self._composer.require_room(sum(map(len, pieces)))
        return (*(self._hearing.listen(some, meter, cancel) for some in pieces), *texts)

    def answer(
        self,
        turns: Sequence[Turn],
        meter: Meter,
        options: Sampling | None,
        cancel: threading.Event | None,
        *,
        passing: bool = False,
        system: str | None = None,
        drop: bool = True,
        stop: Sequence[str] = (),
    ) -> Generator[Chunk, None, None]:
        """Answer the last of `turns`, which is unanswered; `passing`: no turn comes after it.

        Raises PromptTooLong, EngineError, also when it is closed meanwhile.
        """
        bundle = self._bundle
        options = options or default_sampling(bundle)
        start, away = perf_counter(), 0.0
        segments = self._composer.prompt(turns, options, system=system, drop=drop)
        meter.asked(segments)
        stops = (bundle.tokens.eos,)
        pieces = self._llm.generate(
            segments, options, stop_tokens=stops, stop=stop, cancel=cancel, passing=passing
        )
        with closing(pieces) as self._running:
            for piece in pieces:
                meter.wrote(piece.text)
                if piece.finish_reason is not None:
                    meter.answered(piece, 1000 * (perf_counter() - start - away))
                    yield Chunk(piece.text, piece.finish_reason, meter.timings())
                    return
                left = perf_counter()
                yield Chunk(piece.text)
                away += perf_counter() - left
        raise EngineError("the assistant was closed while it answered: load it again")

    def transcribe(
        self, recordings: Sequence[Samples], options: Sampling | None, cancel: threading.Event | None
    ) -> Generator[Chunk, None, None]:
        """Write down what was said piece by piece, one line per recording. Raises NoSpeech and what `answer` raises."""
        meter = self.meter(recordings)
        pieces = [(i, span) for i, one in enumerate(recordings) for span in self._hearing.spans(one)]
        transcript, reason = Transcript(), "stop"
        for n, (i, (start, end)) in enumerate(pieces, start=1):
            transcript.begin(line=i)
            heard = start / SAMPLE_RATE, end / SAMPLE_RATE
            spoken = self._hearing.listen([recordings[i][start:end]], meter, cancel)
            turn = Turn((spoken, self._bundle.transcribe))
            with closing(self.answer([turn], meter, options, cancel, passing=True)) as chunks:
                for chunk in chunks:
                    text = transcript.add(chunk.text)
                    cancelled = chunk.finish_reason == "cancelled"
                    if cancelled or reason == "stop":
                        reason = chunk.finish_reason or reason
                    if chunk.finish_reason is None or (n < len(pieces) and not cancelled):
                        yield Chunk(text, heard=heard)
                        continue
                    yield replace(chunk, text=text, finish_reason=reason, heard=heard)
                    return

    def read(
        self,
        turns: Sequence[Turn],
        options: Sampling | None,
        cancel: threading.Event | None,
        *,
        system: str | None = None,
    ) -> None:
        """All of `answer` that comes before its first token."""
        segments = self._composer.prompt(turns, options or default_sampling(self._bundle), system=system)
        self._llm.prepare(segments, cancel=cancel)

    def warm(self, turns: Sequence[Turn], cancel: threading.Event | None) -> None:
        """Read what every question after these answered turns begins with."""
        if head := self._composer.head(turns):
            self._llm.prepare(head, cancel=cancel)

    def cache_file(self, path: Path, turns: Sequence[Turn]) -> CacheFile | None:
        """A file for what `warm` reads, as the language model keeps it; None where that is nothing."""
        head = self._composer.head(turns)
        return CacheFile(path, self._origin, head) if head else None

    def forget(self) -> None:
        """Know nothing of what was heard and read for any chat."""
        self._hearing.forget()
        self._llm.shelf.clear()

    def close(self) -> None:
        """Free the engines; an answer that is half read ends."""
        if self._running is not None:
            self._running.close()
        self.parts.close()

    @property
    def _origin(self) -> str:
        """What else a KV cache depends on."""
        llm, setup = self._llm, self._llm.setup
        how = f"{llm.n_ctx} {llm.device} {setup.kv_type} {setup.flash_attention} {setup.repack}"
        return f"{self._bundle.llm_entry.sha256} {how} {library_version()}"

    def _begin(self) -> None:
        """Let the language model go on from the head that an earlier process read."""
        with suppress(PromptTooLong):  # the first question will say so
            head = self._composer.head(())
            if length(head) > WORTH_KEEPING:
                setup = self._llm.setup
                way = ".".join((self._llm.device, setup.kv_type, setup.flash_attention, *setup.marks))
                self._llm.begin_with(head_file(self._bundle.name, way, self._origin, head))
