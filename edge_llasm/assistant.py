"""The spine: a turn is audio -> pieces of speech -> embeddings -> prompt -> tokens -> text, in chunks.

load_recordings    files, bytes or arrays -> (n_samples,) f32, 16 kHz      audio.py
Model.understand   recordings and texts -> the user's part of a turn       model.py
Model.answer       the chat and that turn -> chunks of text                model.py
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
import numpy.typing as npt

from edge_llasm.audio import AudioSource, load_audio, load_recordings
from edge_llasm.bundle import Bundle
from edge_llasm.llama_setup import DEFAULTS
from edge_llasm.loading import Parts, load_parts
from edge_llasm.model import Chunk, Model
from edge_llasm.prompt import Spoken, Turn
from edge_llasm.room import give_memory_back
from edge_llasm.sampling import Sampling
from edge_llasm.turnstile import Turnstile

__all__ = ["Assistant"]

Samples = npt.NDArray[np.float32]  # (n_samples,) f32, 16 kHz


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
        self._question: tuple[str | Spoken, ...] = ()
        self._shelf_room = 0  # bytes; outlives an `unload`
        self._model: Model | None = self._start()

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
        repack: str = "auto",
        verbose: bool = False,
        progress: Callable[[float], None] | None = None,
    ) -> Self:
        """Check a bundle's files and load them; `progress` gets 0 to 1, on any thread.

        `model` is a name on the search path, a folder, or a Bundle; `device` is auto, cpu, metal or cuda; `speech`
        is the engine that hears: auto, onnx or whisper.cpp. `trim_window` hears only as much as was said also where
        the model was trained on the full window: faster, and less exact (`edge-llasm models NAME` shows by how much).
        `kv_type` is f16 or q8_0, `flash_attention` auto, on or off, `repack` auto, on or off (llama_setup.py).
        Threads, batches and what is auto are those that `edge-llasm tune` found best, if it was run.
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
        return self._model is not None

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
            if self._model is not None:
                self._model.forget()

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
        with self._at_work(wait) as model:
            meter = model.meter(recordings)
            user = model.understand(recordings, texts, meter, cancel)
            self._question = user
            answer = ""
            try:
                with closing(model.answer([*self._history, Turn(user)], meter, options, cancel)) as chunks:
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
        with self._at_work(wait) as model:
            user = model.understand(recordings, texts, model.meter(recordings), cancel)
            model.read([*self._history, Turn(user)], options, cancel)

    def warm(self, *, cancel: threading.Event | None = None, wait: bool = True) -> None:
        """Read what every next question begins with: system prompt, head, and the turns so far.

        Of a new chat that is kept on disk, if it is worth it, and read from there the next time (head_file.py).
        For the time when nobody asks: the next turn then prefills only itself. Raises EngineError, Busy.
        """
        with self._at_work(wait) as model:
            model.warm(self._history, cancel)

    def save_cache(self, file: Path) -> bool:
        """Write what `warm` reads, as the language model keeps it, for `restore_cache`.

        False, and no file, where reading the chat again is faster. Raises OSError, EngineError.
        """
        with self._at_work(wait=True) as model:
            cache = model.cache_file(file, self._history)
            return cache is not None and self.llm.save(cache)

    def restore_cache(self, file: Path) -> bool:
        """Have the chat so far read by another process's `save_cache`; False where that is of no use.

        Raises EngineError.
        """
        with self._at_work(wait=True) as model:
            cache = model.cache_file(file, self._history)
            return cache is not None and self.llm.restore(cache)

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
        recordings = load_recordings(audio)
        if not recordings:
            raise ValueError("there is nothing to transcribe")
        with (
            self._at_work(wait) as model,
            closing(model.transcribe(recordings, options, cancel)) as chunks,
        ):
            yield from chunks

    def hear(self, audio: AudioSource, *, cancel: threading.Event | None = None, wait: bool = True) -> Spoken:
        """A recording as a turn holds it, for `answer`.

        Raises AudioError, NoSpeech, PromptTooLong, EngineError, Busy.
        """
        recording = load_audio(audio)
        with self._at_work(wait) as model:
            (spoken,) = model.understand([recording], (), model.meter([recording]), cancel)
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
            self._at_work(wait) as model,
            closing(
                model.answer(turns, model.meter(), options, cancel, system=system, drop=drop, stop=stop)
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
        with self._at_work(wait) as model:
            model.read(turns, options, cancel, system=system)

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
    def _at_work(self, wait: bool) -> Iterator[Model]:
        """Get in, with the engines loaded."""
        with self._turnstile.alone(wait):
            if self._model is None:
                self._model = self._start()
            yield self._model

    def _start(self) -> Model:
        model = Model(self.bundle, self._load)
        # Closed ones still tell their sizes: whoever shows them need not know that they were unloaded.
        self.devices, self.speech, self.llm = model.parts.devices, model.parts.speech, model.parts.llm
        self.tuned = model.parts.tuned
        """what `edge-llasm tune` found for this model here"""
        self.llm.shelf.room = self._shelf_room
        return model

    def _remember(self, turn: Turn) -> None:
        self._history.append(turn)
        while sum(max(1, turn.audio_positions) for turn in self._history[1:]) > self.llm.n_ctx:
            del self._history[0]  # every later prompt has only less room for it

    def _free(self) -> None:
        model, self._model = self._model, None
        if model is not None:
            self._shelf_room = self.llm.shelf.room
            model.close()


def _question(
    audio: AudioSource | Sequence[AudioSource] | None, text: str | None
) -> tuple[list[Samples], tuple[str, ...]]:
    recordings = load_recordings(audio)
    texts = (text,) if text and text.strip() else ()
    if not recordings and not texts:
        raise ValueError("a question needs audio, text, or both")
    return recordings, texts
