"""One model, one thread: questions wait in a bounded queue, one of each client in turn."""

from __future__ import annotations

import asyncio
import logging
import math
import threading
from collections import deque
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import closing
from time import monotonic
from typing import Any, Generic, Literal, TypeVar

from edge_llasm.assistant import Assistant
from edge_llasm.errors import EdgeLlasmError, EngineError
from edge_llasm.serve.api_errors import ApiError

__all__ = ["Decoder", "Job", "Work"]

T = TypeVar("T")
Work = Callable[[Assistant, threading.Event], Generator[T, None, None]]
"""What to do with the assistant; leaves off soon after the event is set"""
State = Literal["loading", "ready", "failed", "closed"]

SHARE = 0.75
"""Of the queue that one client may fill"""
TICK_S = 0.05
"""Between two looks whether a draft that waits is still wanted"""
OWN = ""
"""The client of what the decoder itself wants done"""
SMOOTHING = 0.2
"""Weight of the newest job in the mean time that one takes"""

logger = logging.getLogger(__name__)


class _Over:
    """After the last item."""

    def __init__(self, error: BaseException | None) -> None:
        self.error = error


class Job(Generic[T]):
    """A piece of work that waits or runs. Its items are read by `async for`; leaving off early cancels it."""

    def __init__(self, client: str, work: Work[T], put: Callable[[T | _Over], None]) -> None:
        self.client, self.work, self.put = client, work, put
        self.cancel = threading.Event()
        self.asked = monotonic()
        self.waited_s = 0.0
        """in the queue"""


class Decoder:
    """Loads an assistant on a thread of its own and does there what clients ask for, one job after the other."""

    def __init__(
        self,
        load: Callable[[], Assistant],
        max_queue: int,
        *,
        unload_after_s: float = 0.0,
        observe_wait: Callable[[float], None] = lambda seconds: None,
        failed: Callable[[], None] = lambda: None,
    ) -> None:
        """`unload_after_s` without a job the assistant is unloaded, until the next one; 0: never.

        `failed` is called, on the thread, when there is no model to answer with; `error` says why.
        """
        self._unload_after_s = unload_after_s
        self._load, self._max_queue, self._observe_wait, self._failed = load, max_queue, observe_wait, failed
        self._change = threading.Condition()
        self._waiting: dict[str, deque[Job[Any]]] = {}  # by client, whose turn it is first
        self._drafts: dict[str, Job[Any]] = {}  # work for later, done when nobody waits: one of each client
        self._running: tuple[Job[Any], bool] | None = None  # and whether it is a draft
        self._job_s = 1.0
        self.state: State = "loading"
        self.error: BaseException | None = None
        self.assistant: Assistant | None = None
        """once it is loaded; only jobs ask it anything"""
        self._thread = threading.Thread(target=self._run, name="edge-llasm-decoder", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        """Leave off, and wait until no native code runs."""
        with self._change:
            self.state = "closed"
            jobs = [*self._jobs(), *self._drafts.values()]
            self._waiting, self._drafts = {}, {}
            if self._running is not None:
                self._running[0].cancel.set()
            self._change.notify()
        for job in jobs:
            job.put(_Over(EngineError("the server is going down")))
        if self._thread.is_alive():
            self._thread.join()

    @property
    def queued(self) -> int:
        """Jobs that wait."""
        return sum(map(len, self._waiting.values()))

    @property
    def busy(self) -> bool:
        """Whether a question is being answered."""
        return self._running is not None and not self._running[1]

    @property
    def asleep(self) -> bool:
        """Whether the model was unloaded; the next job, or `wake`, loads it again."""
        return self.state == "ready" and self.assistant is not None and not self.assistant.loaded

    def wake(self) -> None:
        """Somebody is about to ask: load the model while nothing else is to be done."""
        if self.asleep:
            with self._change:
                self._drafts[OWN] = Job(OWN, _wake, _nobody)
                self._change.notify()

    def retry_after(self) -> int:
        """s until the queue is likely to be empty."""
        return max(1, math.ceil((self.queued + 1) * self._job_s))

    async def items(self, client: str, work: Work[T]) -> AsyncGenerator[T, None]:
        """Do it when its turn comes. Raises ApiError past the bound or without a model, and what `work` raises."""
        loop, queue = asyncio.get_running_loop(), asyncio.Queue[T | _Over]()
        job = Job(client, work, lambda item: _hand_over(loop, queue, item))
        self._submit(job)
        try:
            while True:
                item = await queue.get()
                if not isinstance(item, _Over):
                    yield item
                elif item.error is not None:
                    raise item.error
                else:
                    return
        finally:
            self._leave(job)

    def draft(self, client: str, work: Work[T], cancel: threading.Event) -> None:
        """Do it while nobody waits for an answer, and wait for that; a question of another client ends it."""
        over = threading.Event()

        def put(item: T | _Over) -> None:
            if isinstance(item, _Over):
                over.set()

        job = Job(client, work, put)
        job.cancel = cancel
        with self._change:
            if self.state != "ready":
                return
            older = self._drafts.pop(client, None)
            self._drafts[client] = job
            self._change.notify()
        if older is not None:
            older.put(_Over(None))
        while not over.wait(TICK_S):
            with self._change:
                if cancel.is_set() and self._drafts.get(client) is job:
                    del self._drafts[client]
                    return

    def _submit(self, job: Job[T]) -> None:
        with self._change:
            self._check_state()
            own = self._waiting.get(job.client, ())
            if self.queued >= self._max_queue or len(own) >= max(1, round(SHARE * self._max_queue)):
                seconds = self.retry_after()
                raise ApiError(
                    429,
                    f"{self.queued} questions are waiting already: try again in {seconds} s",
                    kind="rate_limit_error",
                    code="queue_full",
                    headers={"Retry-After": str(seconds)},
                )
            self._waiting.setdefault(job.client, deque()).append(job)
            if self._running is not None and self._running[1] and self._running[0].client != job.client:
                self._running[0].cancel.set()  # a draft of somebody else
            self._change.notify()

    def _check_state(self) -> None:
        if self.state != "ready":
            message = "the model is being loaded" if self.state == "loading" else "there is no model"
            raise ApiError(
                503,
                f"{message}: try again",
                kind="server_error",
                code=self.state,
                headers={"Retry-After": "1"},
            )

    def _leave(self, job: Job[T]) -> None:
        """Nobody wants the rest."""
        job.cancel.set()
        with self._change:
            own = self._waiting.get(job.client)
            if own is not None and job in own:
                own.remove(job)
                if not own:
                    del self._waiting[job.client]

    def _jobs(self) -> list[Job[Any]]:
        return [job for jobs in self._waiting.values() for job in jobs]

    def _next(self) -> tuple[Job[Any], bool] | None:
        """The next job and whether it is a draft; None when there will be none."""
        with self._change:
            while True:
                if self.state == "closed":
                    return None
                if self._waiting:
                    client, jobs = next(iter(self._waiting.items()))
                    del self._waiting[client]
                    job = jobs.popleft()
                    if jobs:
                        self._waiting[client] = jobs  # behind all others
                    self._running = job, False
                    return self._running
                if self._drafts:
                    client = next(iter(self._drafts))
                    self._running = self._drafts.pop(client), True
                    return self._running
                if not self._change.wait(self._patience):
                    self._running = Job(OWN, _unload, _nobody), True
                    return self._running

    @property
    def _patience(self) -> float | None:
        """s to wait for a job, before the assistant is unloaded."""
        return self._unload_after_s if self._unload_after_s and not self.asleep else None

    def _run(self) -> None:
        try:
            assistant = self._load()
        except BaseException as error:  # noqa: BLE001  handed over to whoever started the server
            self.error = error
            with self._change:
                self.state = "failed"
            self._failed()
            return
        self.assistant = assistant
        with closing(assistant):
            with self._change:
                if self.state == "loading":
                    self.state = "ready"
            while (following := self._next()) is not None:
                job, is_draft = following
                job.waited_s = monotonic() - job.asked
                if not is_draft:
                    self._observe_wait(job.waited_s)
                problem = self._do(job, assistant)
                with self._change:
                    self._running = None
                if not is_draft:
                    taken = monotonic() - job.asked - job.waited_s
                    self._job_s += SMOOTHING * (taken - self._job_s)
                job.put(_Over(problem))

    def _do(self, job: Job[T], assistant: Assistant) -> Exception | None:
        try:
            with closing(job.work(assistant, job.cancel)) as items:
                for item in items:
                    job.put(item)
                    if job.cancel.is_set():
                        break
        except EdgeLlasmError as error:
            return error
        except Exception:  # a bug: one request fails, the server goes on
            logger.exception("a request failed")
            return ApiError(500, "the server failed on this request", kind="server_error")
        return None


def _wake(assistant: Assistant, cancel: threading.Event) -> Generator[None, None, None]:
    assistant.wake()
    yield


def _unload(assistant: Assistant, cancel: threading.Event) -> Generator[None, None, None]:
    assistant.unload()
    yield


def _nobody(item: object) -> None:
    """Takes what no client waits for."""


def _hand_over(loop: asyncio.AbstractEventLoop, queue: asyncio.Queue[T], item: T) -> None:
    """Nobody waits for it any more when the server has gone."""
    if not loop.is_closed():
        loop.call_soon_threadsafe(queue.put_nowait, item)
