"""The spine: a turn is audio -> pieces of speech -> embeddings -> prompt -> tokens -> text, in chunks.

load_audio       file, bytes or array -> (n_samples,) f32, 16 kHz          audio.py
Hearing          where somebody speaks, in pieces that fit the window      hearing.py, vad.py
SpeechEmbedder   piece -> (n, n_embd) f32                                  speech/, adapter.py
Composer         turns -> token ids and embeddings that fit the context    composer.py, prompt.py
Llm.generate     token ids and embeddings -> text                          llm.py
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from time import perf_counter
from types import TracebackType
from typing import BinaryIO, Self

import numpy as np
import numpy.typing as npt

from edge_llasm.audio import SAMPLE_RATE, load_audio
from edge_llasm.bundle import Bundle
from edge_llasm.cache_file import CacheFile
from edge_llasm.composer import Composer, default_sampling
from edge_llasm.errors import EngineError, PromptTooLong
from edge_llasm.head_file import head_file
from edge_llasm.hearing import Hearing
from edge_llasm.kv_cache import WORTH_KEEPING
from edge_llasm.llama_library import library_version
from edge_llasm.llama_setup import DEFAULTS
from edge_llasm.llm import Piece
from edge_llasm.loading import Parts, load_parts
from edge_llasm.prompt import Spoken, Turn
from edge_llasm.room import give_memory_back
from edge_llasm.sampling import Sampling
from edge_llasm.segments import length
from edge_llasm.text_stream import Transcript
from edge_llasm.timings import Meter, Timings
from edge_llasm.turnstile import Turnstile

__all__ = ["Assistant", "AudioSource", "Chunk"]

Samples = npt.NDArray[np.float32]  # (n_samples,) f32, 16 kHz
AudioSource = str | os.PathLike[str] | bytes | BinaryIO | Samples


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


class Assistant:
    """A loaded model and the chat so far.

    One turn runs at a time: a second thread waits for its turn, or gets Busy with `wait=False`. A thread that
    asks again while it has an answer half read gets Busy too, because it would wait for itself.
    """

    def __init__(self, bundle: Bundle, load: Callable[[], Parts]) -> None:
        """`load` is called now, and again after each `unload`."""
        self.bundle = bundle
        self._load = load
        self._history: list[Turn] = []
        self._turnstile = Turnstile()
        self._running: Generator[Piece, None, None] | None = None  # the answer, closed or not
        self._question: tuple[str | Spoken, ...] = ()
        self._shelf_room = 0  # bytes; outlives an `unload`
        self._take_parts()

    @classmethod
    def load(
        cls,
        model: str | os.PathLike[str] | Bundle = "nano",
        *,
        device: str = "auto",
        speech: str = "auto",
        trim_window: bool = False,
        kv_type: str = DEFAULTS.kv_type,
        flash_attention: str = DEFAULTS.flash_attention,
        repack: str = DEFAULTS.repack,
        verbose: bool = False,
        progress: Callable[[float], None] | None = None,
    ) -> Self:
        """Check a bundle's files and load them; `progress` gets 0 to 1, on any thread.

        `model` is a name on the search path, a folder, or a Bundle; `device` is auto, cpu, metal or cuda; `speech`
        is the engine that hears: auto, onnx or whisper.cpp. `trim_window` hears only as much as was said also where
        the model was trained on the full window: faster, and less exact (`edge-llasm models NAME` shows by how much).
        `kv_type` is f16 or q8_0, `flash_attention` auto, on or off, `repack` on or off (llama_setup.py).
        Threads and batches are those that `edge-llasm tune` found best, if it was run.
        `verbose` lets the native libraries write their logs to standard error.
        Raises UnknownModel, BundleError, DeviceError, EngineError.
        """
        bundle = model if isinstance(model, Bundle) else Bundle.find(model)
        if trim_window:
            bundle = replace(bundle, speech=replace(bundle.speech, trim_window=True))
        reports = [progress]  # told of the first loading only

        def load() -> Parts:
            report = reports.pop() if reports else None
            return load_parts(
                bundle,
                device=device,
                speech=speech,
                kv_type=kv_type,
                flash_attention=flash_attention,
                repack=repack,
                verbose=verbose,
                progress=report,
            )

        return cls(bundle, load)

    @property
    def loaded(self) -> bool:
        """Whether the engines are in memory; after `unload` they are not, until something needs them."""
        return self._parts is not None

    def unload(self) -> None:
        """Free the engines' memory; the chat stays. Waits for a running turn.

        Whatever needs them loads them again first, as `wake` does before anything is asked.
        """
        with self._turnstile.alone(wait=True):
            self._free()
            give_memory_back()

    def wake(self) -> None:
        """Load the engines if they are not there. Raises BundleError, EngineError."""
        with self._at_work(wait=True):
            pass

    @property
    def history(self) -> tuple[Turn, ...]:
        """The chat so far, oldest turn first. Turns too old to fit the context again are forgotten."""
        return tuple(self._history)

    @property
    def question(self) -> tuple[str | Spoken, ...]:
        """The user's part of the newest turn, from its first chunk on."""
        return self._question

    def resume(self, turns: Sequence[Turn]) -> None:
        """Go on after `turns`, which are answered, instead of the chat so far. Waits for a running turn.

        Raises ValueError for a turn that is not answered, or whose embeddings are not this model's.
        """
        for turn in turns:
            blocks = [piece for part in turn.user if isinstance(part, Spoken) for piece in part.pieces]
            if turn.answer is None or any(block.values.shape[1] != self.llm.n_embd for block in blocks):
                raise ValueError("a chat is resumed by answered turns that this model heard")
        with self._turnstile.alone(wait=True):
            self._history = list(turns)
            self.llm.shelf.clear()  # copies of the chat before

    def reset(self) -> None:
        """Forget the chat, and what was heard in it. Waits for a running turn."""
        with self._turnstile.alone(wait=True):
            self._history.clear()
            self._hearing.forget()
            self.llm.shelf.clear()

    def reply(
        self,
        audio: AudioSource | Sequence[AudioSource] | None = None,
        text: str | None = None,
        *,
        options: Sampling | None = None,
        cancel: threading.Event | None = None,
        wait: bool = True,
    ) -> Generator[Chunk, None, None]:
        """Answer what was said, what was typed, or both, in this order; the turn joins the history.

        `audio` is a file, bytes, an open binary file, an array (n_samples,) at 16 kHz, or a list of these.
        Nothing happens before the first chunk is asked for. An answer that is cut off (`cancel` is set, the
        generator is closed) stays in the history as far as it came; a turn without any answer does not.
        Raises ValueError for neither audio nor text, AudioError, NoSpeech, PromptTooLong, EngineError, Busy.
        """
        recordings, texts = _question(audio, text)
        with self._at_work(wait):
            meter = self._meter(recordings)
            user = self._understand(recordings, texts, meter, cancel)
            self._question = user
            answer = ""
            try:
                with closing(self._answer([*self._history, Turn(user)], meter, options, cancel)) as chunks:
                    for chunk in chunks:
                        answer += chunk.text
                        yield chunk
            finally:
                if answer:
                    self._remember(Turn(user, answer))

    def prepare(
        self,
        audio: AudioSource | Sequence[AudioSource] | None = None,
        text: str | None = None,
        *,
        options: Sampling | None = None,
        cancel: threading.Event | None = None,
        wait: bool = True,
    ) -> None:
        """Do all of a `reply` that comes before its first token: a `reply` to the same then begins at once.

        For a question that may not be over yet: what somebody said until now, while they pause. The answer to
        another one is the same as without this, and begins no later than `cancel` lets it. Raises what `reply`
        raises.
        """
        recordings, texts = _question(audio, text)
        with self._at_work(wait):
            user = self._understand(recordings, texts, self._meter(recordings), cancel)
            turns = [*self._history, Turn(user)]
            segments = self._composer.prompt(turns, options or default_sampling(self.bundle))
            self.llm.prepare(segments, cancel=cancel)

    def warm(self, *, cancel: threading.Event | None = None, wait: bool = True) -> None:
        """Read what every next question begins with: system prompt, head, and the turns so far.

        Of a new chat that is kept on disk, if it is worth it, and read from there the next time (head_file.py).
        For the time when nobody asks: the next turn then prefills only itself. Raises EngineError, Busy.
        """
        with self._at_work(wait):
            if head := self._composer.head(self._history):
                self.llm.prepare(head, cancel=cancel)

    def save_cache(self, file: Path) -> bool:
        """Write what `warm` reads, as the language model keeps it, for `restore_cache`.

        False, and no file, where reading the chat again is faster. Raises OSError, EngineError.
        """
        with self._at_work(wait=True):
            head = self._composer.head(self._history)
            return bool(head) and self.llm.save(CacheFile(file, self._origin, head))

    def restore_cache(self, file: Path) -> bool:
        """Have the chat so far read by another process's `save_cache`; False where that is of no use.

        Raises EngineError.
        """
        with self._at_work(wait=True):
            head = self._composer.head(self._history)
            return bool(head) and self.llm.restore(CacheFile(file, self._origin, head))

    @property
    def _origin(self) -> str:
        """What else a KV cache depends on."""
        llm, setup = self.llm, self.llm.setup
        how = f"{llm.n_ctx} {llm.device} {setup.kv_type} {setup.flash_attention} {setup.repack}"
        return f"{self.bundle.llm_entry.sha256} {how} {library_version()}"

    def _begin(self) -> None:
        """Let the language model go on from the head that an earlier process read."""
        with suppress(PromptTooLong):  # the first question will say so
            head = self._composer.head(())
            if length(head) > WORTH_KEEPING:
                setup = self.llm.setup
                way = f"{self.llm.device}.{setup.kv_type}.{setup.flash_attention}"
                way += ".mapped" if setup.repack == "off" else ""
                self.llm.begin_with(head_file(self.bundle.name, way, self._origin, head))

    def transcribe(
        self,
        audio: AudioSource | Sequence[AudioSource],
        *,
        options: Sampling | None = None,
        cancel: threading.Event | None = None,
        wait: bool = True,
    ) -> Generator[Chunk, None, None]:
        """Write down what was said, one line per recording; the history neither helps nor changes.

        A recording over the window is transcribed piece by piece. Raises what `reply` raises.
        """
        recordings = [load_audio(source) for source in _sources(audio)]
        if not recordings:
            raise ValueError("there is nothing to transcribe")
        with self._at_work(wait):
            meter = self._meter(recordings)
            pieces = [(i, span) for i, one in enumerate(recordings) for span in self._hearing.spans(one)]
            transcript, reason = Transcript(), "stop"
            for n, (i, (start, end)) in enumerate(pieces, start=1):
                transcript.begin(line=i)
                heard = start / SAMPLE_RATE, end / SAMPLE_RATE
                spoken = self._hearing.listen([recordings[i][start:end]], meter, cancel)
                turn = Turn((spoken, self.bundle.transcribe))
                with closing(self._answer([turn], meter, options, cancel, passing=True)) as chunks:
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

    def hear(self, audio: AudioSource, *, cancel: threading.Event | None = None, wait: bool = True) -> Spoken:
        """A recording as a turn holds it, for `answer`.

        Raises AudioError, NoSpeech, PromptTooLong, EngineError, Busy.
        """
        recording = load_audio(audio)
        with self._at_work(wait):
            (spoken,) = self._understand([recording], (), self._meter([recording]), cancel)
            assert isinstance(spoken, Spoken)
            return spoken

    def answer(
        self,
        turns: Sequence[Turn],
        *,
        system: str | None = None,
        drop: bool = True,
        stop: Sequence[str] = (),
        options: Sampling | None = None,
        cancel: threading.Event | None = None,
        wait: bool = True,
    ) -> Generator[Chunk, None, None]:
        """Answer the last of `turns`, which alone is unanswered; the history neither helps nor changes.

        `system` replaces the bundle's system text; without `drop` turns that do not fit the context are an error
        instead of forgotten, the oldest first; the answer ends before a string of `stop`. Raises what `reply` raises.
        """
        with (
            self._at_work(wait),
            closing(
                self._answer(turns, self._meter(()), options, cancel, system=system, drop=drop, stop=stop)
            ) as chunks,
        ):
            yield from chunks

    def read(
        self,
        turns: Sequence[Turn],
        *,
        system: str | None = None,
        options: Sampling | None = None,
        cancel: threading.Event | None = None,
        wait: bool = True,
    ) -> None:
        """All of `answer` that comes before its first token, as `prepare` is to `reply`."""
        with self._at_work(wait):
            options = options or default_sampling(self.bundle)
            segments = self._composer.prompt(turns, options, system=system)
            self.llm.prepare(segments, cancel=cancel)

    def close(self) -> None:
        """Free the engines; waits for a turn that runs on another thread. Closing twice is fine."""
        if self._turnstile.closed:
            return
        if self._turnstile.mine:
            self._turnstile.closed = True
            self._free()  # this thread left an answer half read: nobody is inside native code
        else:
            with self._turnstile.alone(wait=True, closing=True):
                self._turnstile.closed = True
                self._free()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @contextmanager
    def _at_work(self, wait: bool) -> Iterator[None]:
        """Get in, with the engines loaded."""
        with self._turnstile.alone(wait):
            if self._parts is None:
                self._take_parts()
            yield

    def _take_parts(self) -> None:
        start = perf_counter()
        parts = self._load()
        # Closed ones still tell their sizes: whoever shows them need not know that they were unloaded.
        self.devices, self.speech, self.llm = parts.devices, parts.speech, parts.llm
        self.tuned = parts.tuned
        """what `edge-llasm tune` found for this model here"""
        self.llm.shelf.room = self._shelf_room
        self._hearing = Hearing(parts.speech)
        self._composer = Composer(self.bundle, parts.llm.tokenize, parts.llm.n_ctx)
        self._parts: Parts | None = parts
        self._begin()
        self._load_ms = 1000 * (perf_counter() - start)

    def _meter(self, recordings: Sequence[Samples]) -> Meter:
        return Meter(self._load_ms, sum(map(len, recordings)) / SAMPLE_RATE)

    def _understand(
        self,
        recordings: Sequence[Samples],
        texts: Sequence[str],
        meter: Meter,
        cancel: threading.Event | None,
    ) -> tuple[str | Spoken, ...]:
        """The user's part of a turn."""
        pieces = [self._hearing.pieces(recording) for recording in recordings]
        self._composer.require_room(sum(map(len, pieces)))
        return (*(self._hearing.listen(some, meter, cancel) for some in pieces), *texts)

    def _answer(
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
        """Answer the last of `turns`, which is unanswered; `passing`: no turn comes after it."""
        bundle = self.bundle
        options = options or default_sampling(bundle)
        start, away = perf_counter(), 0.0
        segments = self._composer.prompt(turns, options, system=system, drop=drop)
        meter.asked(segments)
        stops = (bundle.tokens.eos,)
        pieces = self.llm.generate(
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

    def _remember(self, turn: Turn) -> None:
        self._history.append(turn)
        while sum(max(1, turn.audio_positions) for turn in self._history[1:]) > self.llm.n_ctx:
            del self._history[0]  # every later prompt has only less room for it

    def _free(self) -> None:
        if self._running is not None:
            self._running.close()
        parts, self._parts = self._parts, None
        if parts is not None:
            self._shelf_room = parts.llm.shelf.room
            parts.close()


def _question(
    audio: AudioSource | Sequence[AudioSource] | None, text: str | None
) -> tuple[list[Samples], tuple[str, ...]]:
    recordings = [load_audio(source) for source in _sources(audio)]
    texts = (text,) if text and text.strip() else ()
    if not recordings and not texts:
        raise ValueError("a question needs audio, text, or both")
    return recordings, texts


def _sources(audio: AudioSource | Sequence[AudioSource] | None) -> Sequence[AudioSource]:
    if audio is None:
        return ()
    return audio if isinstance(audio, (list, tuple)) else (audio,)  # an array or bytes is one source
