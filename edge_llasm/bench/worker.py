"""A candidate's process: it loads, says so in a line of JSON, then answers a line with a line until nobody asks.

    out   {"loaded": Loaded, "memory": Memory}                  once
    in    {"seconds": 4.0, "first": true}
    out   {"turn": Turn, "memory": Memory}, or {"refused": "why"} for a question that it cannot answer

What ends it is told on standard error, the reason in the last line. Standard output carries nothing but these lines:
what native libraries print there goes to standard error.
"""

from __future__ import annotations

import json
import os
import queue
import resource
import sys
import threading
from collections.abc import Callable
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import BinaryIO

from edge_llasm.bench.candidate import Candidate
from edge_llasm.errors import EdgeLlasmError

__all__ = ["Memory", "memory", "serve"]

STATUS = Path("/proc/self/status")


@dataclass(frozen=True)
class Memory:
    """Of the process, in bytes."""

    peak: int
    """resident at most, mapped files included"""
    own: int | None
    """resident now and of no file: what the system cannot take back; None where it does not tell"""


def serve(build: Callable[[], Candidate]) -> None:
    """The main of a candidate's module: build it, answer standard input until that is closed.

    `build` does all that is heavy, imports too. An EdgeLlasmError of it ends the process with that line on standard
    error; one of a turn refuses that turn only.
    """
    requests: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    threading.Thread(target=_read, args=(requests,), daemon=True).start()
    answers = _take_stdout()
    try:
        candidate = build()
    except (EdgeLlasmError, ImportError) as error:
        sys.exit(str(error))
    with closing(candidate):
        _write(answers, loaded=asdict(candidate.loaded), memory=asdict(memory()))
        while True:
            asked = json.loads(requests.get())
            try:
                turn = candidate.turn(asked["seconds"], first=asked["first"])
            except EdgeLlasmError as error:
                _write(answers, refused=str(error))
                continue
            _write(answers, turn=asdict(turn), memory=asdict(memory()))


def memory() -> Memory:
    """Of this process so far."""
    try:
        lines = dict(line.split(":", 1) for line in STATUS.read_text("ascii", "replace").splitlines())
        return Memory(_kilobytes(lines["VmHWM"]), _kilobytes(lines["RssAnon"]))
    except OSError:  # no Linux; on Linux ru_maxrss is at least that of the process that started this one
        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return Memory(most if sys.platform == "darwin" else most * 1024, None)


def _kilobytes(value: str) -> int:
    return int(value.split()[0]) * 1024


def _read(requests: queue.SimpleQueue[bytes]) -> None:
    """Whoever asks may be gone at any time, also in the middle of a turn: then so is this process."""
    # Without a buffer: its lock, held while this thread waits, would abort an interpreter that ends by itself.
    with open(sys.stdin.fileno(), "rb", buffering=0, closefd=False) as questions:
        for line in questions:
            requests.put(line)
    os._exit(0)


def _take_stdout() -> BinaryIO:
    """Standard output for the answers alone."""
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb", buffering=0)
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    return answers


def _write(answers: BinaryIO, **values: object) -> None:
    answers.write(json.dumps(values).encode() + b"\n")
