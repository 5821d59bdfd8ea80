"""The work on a question that may not be over yet, on a thread of its own."""

from __future__ import annotations

import threading
from types import TracebackType
from typing import Protocol, Self

import numpy as np
import numpy.typing as npt

from edge_llasm.errors import EdgeLlasmError
from edge_llasm.sampling import Sampling

__all__ = ["Drafts", "Preparing"]

Samples = npt.NDArray[np.float32]  # (n_samples,) f32, 16 kHz


class Preparing(Protocol):
    """An `Assistant`, or what stands for one."""

    def prepare(
        self, audio: Samples, text: str | None, *, options: Sampling | None, cancel: threading.Event
    ) -> None:
        """All of the answer's work that comes before its first token."""


class Drafts:
    """Prepares the newest of what it is offered; what is older is dropped.

    A draft that turns out to be right has made the answer's way short, one that is wrong has cost nothing but
    work that nobody waited for: `Assistant.prepare` never changes an answer.
    """

    def __init__(
        self, assistant: Preparing, options: Sampling | None = None, *, text: str | None = None
    ) -> None:
        """`text` is asked with everything that is said."""
        self._assistant, self._options, self._text = assistant, options, text
        self._change = threading.Condition()
        self._offered: Samples | None = None
        self._cancel = threading.Event()
        self._closed = False
        self.done = 0
        """drafts that came to their end"""
        self._thread = threading.Thread(target=self._work, name="edge-llasm-drafts", daemon=True)
        self._thread.start()

    def offer(self, samples: Samples) -> None:
        """What was said until now."""
        with self._change:
            self._cancel.set()
            self._offered = samples
            self._change.notify()

    def drop(self) -> None:
        """Something else is coming: leave off."""
        with self._change:
            self._cancel.set()
            self._offered = None

    def close(self) -> None:
        """Leave off for good, and wait until no native code runs."""
        with self._change:
            self._cancel.set()
            self._offered, self._closed = None, True
            self._change.notify()
        self._thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _work(self) -> None:
        while True:
            with self._change:
                while self._offered is None and not self._closed:
                    self._change.wait()
                if self._closed:
                    return
                samples, self._offered = self._offered, None
                cancel = self._cancel = threading.Event()
            assert samples is not None
            try:
                self._assistant.prepare(samples, self._text, options=self._options, cancel=cancel)
            except EdgeLlasmError:
                continue  # no speech yet, too long, closed: the question itself will tell
            self.done += not cancel.is_set()
