"""Run work on a thread of its own, so that Ctrl-C is answered at once.

Python raises KeyboardInterrupt only between its own instructions: a main thread inside native code (reading a
model of several GB, encoding half a minute of speech) would not hear it. So the main thread only waits and
prints.
"""

import threading
from collections.abc import Callable, Generator, Iterable
from queue import Empty, SimpleQueue
from typing import TypeVar

T = TypeVar("T")

TICK = 0.1
"""Seconds between two calls of `tick`; Windows hears Ctrl-C no sooner than this"""

GRACE = 0.3
"""Seconds that an interrupted worker gets to stop by itself"""

_THREAD_NAME = "edge-llasm-work"


class _Done:
    def __init__(self, error: BaseException | None) -> None:
        self.error = error


def in_background(
    work: Callable[[threading.Event], Iterable[T]], tick: Callable[[], None] | None = None
) -> Generator[T, None, None]:
    """Yield what `work` yields; raise what it raises.

    `work` runs on a daemon thread and gets an event that is set when nobody wants the rest: on Ctrl-C, on an
    error of the caller, or when this generator is closed. `tick` is called every TICK seconds of waiting.
    """
    cancel = threading.Event()
    queue: SimpleQueue[T | _Done] = SimpleQueue()

    def run() -> None:
        try:
            for item in work(cancel):
                queue.put(item)
                if cancel.is_set():
                    break
        except BaseException as error:  # noqa: BLE001  handed over to the waiting thread, whatever it is
            queue.put(_Done(error))
        else:
            queue.put(_Done(None))

    worker = threading.Thread(target=run, name=_THREAD_NAME, daemon=True)
    worker.start()
    try:
        while True:
            try:
                item = queue.get(timeout=TICK)
            except Empty:
                if tick is not None:
                    tick()
                continue
            if isinstance(item, _Done):
                if item.error is not None:
                    raise item.error
                return
            yield item
    finally:
        cancel.set()
        worker.join(GRACE)


def still_working() -> bool:
    """Whether an interrupted worker is still inside native code, where only the process's end stops it."""
    return any(thread.name == _THREAD_NAME for thread in threading.enumerate())
