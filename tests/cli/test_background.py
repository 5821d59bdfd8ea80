import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import pytest

from edge_llasm.cli.background import GRACE, in_background, still_working

PATIENCE_S = 120
NATIVE_SLEEP = """
import ctypes, sys
from edge_llasm.cli import background
from edge_llasm.cli.leave import leave

def work(cancel):
    print("in native code", flush=True)
    ctypes.CDLL(None).sleep(600)  # holds on through every signal that Python has not acted on
    yield 1

try:
    list(background.in_background(work))
except KeyboardInterrupt:
    leave(130)
"""


def test_what_the_work_yields_arrives_in_order() -> None:
    assert list(in_background(lambda cancel: range(1000))) == list(range(1000))


def test_an_error_of_the_work_is_raised_after_what_came_before_it() -> None:
    def work(cancel: threading.Event) -> Iterator[int]:
        yield 1
        raise ValueError("broken")

    seen = []
    with pytest.raises(ValueError, match="broken"):
        for item in in_background(work):
            seen.append(item)
    assert seen == [1]


def test_tick_is_called_while_waiting() -> None:
    ticks: list[float] = []

    def work(cancel: threading.Event) -> Iterator[int]:
        cancel.wait(0.5)
        yield 1

    assert list(in_background(work, lambda: ticks.append(time.monotonic()))) == [1]
    assert ticks


def test_closing_it_cancels_the_work() -> None:
    ended = threading.Event()

    def work(cancel: threading.Event) -> Iterator[int]:
        try:
            n = 0
            while not cancel.is_set():
                yield (n := n + 1)
        finally:
            ended.set()

    items = in_background(work)
    assert next(items) == 1
    items.close()
    assert ended.wait(GRACE + PATIENCE_S)
    deadline = time.monotonic() + PATIENCE_S
    while still_working() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not still_working()


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
def test_ctrl_c_ends_the_process_while_the_worker_is_in_native_code() -> None:
    import signal

    process = subprocess.Popen(
        [sys.executable, "-c", NATIVE_SLEEP], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "in native code\n"
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=PATIENCE_S)  # the native code would go on for longer
    assert (process.returncode, errors) == (130, "")
