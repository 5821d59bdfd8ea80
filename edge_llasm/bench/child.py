"""The other end of a candidate's process: starts it, asks it, and leaves nothing of it behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from edge_llasm.bench.candidate import Loaded, Turn
from edge_llasm.bench.worker import Memory
from edge_llasm.errors import EngineError

__all__ = ["CHECKOUT", "Child", "Refused", "environment"]

CHECKOUT = Path(__file__).resolve().parents[2]
"""The folder that holds this package: in a checkout also convert, which the rivals need"""
TAIL = 1 << 14
"""Bytes of standard error that are looked at"""


@dataclass(frozen=True)
class Refused:
    """A question that a candidate cannot answer; it can be asked another one."""

    why: str


class Child:
    """A process that answers speech. Waiting for it can be interrupted; it ends with the one that asks."""

    def __init__(self, command: Sequence[str]) -> None:
        """`command` as Python takes it: -m MODULE and its arguments."""
        self._complaints = tempfile.TemporaryFile()  # noqa: SIM115  closed by `close`
        self._process = subprocess.Popen(
            [sys.executable, *command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._complaints,
            env=environment(),
            start_new_session=True,  # Ctrl-C is for the one that asks
        )

    def load(self) -> tuple[Loaded, Memory]:
        """Wait until it can be asked. Raises EngineError with the last line of what it said."""
        told = self._listen()
        return Loaded(**told["loaded"]), Memory(**told["memory"])

    def ask(self, seconds: float, *, first: bool) -> tuple[Turn, Memory] | Refused:
        """One turn. Raises EngineError when the process dies of it."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps({"seconds": seconds, "first": first}).encode() + b"\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            pass  # `_listen` knows why
        told = self._listen()
        return (
            Refused(told["refused"])
            if "refused" in told
            else (Turn(**told["turn"]), Memory(**told["memory"]))
        )

    def close(self) -> None:
        """End it, whatever it does. Closing twice is fine."""
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout, self._complaints):
            try:
                stream.close()  # type: ignore[union-attr]
            except BrokenPipeError:
                pass  # what it was not asked any more

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _listen(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line.endswith(b"\n"):
            raise EngineError(self._last_words())
        told: dict[str, Any] = json.loads(line)
        return told

    def _last_words(self) -> str:
        status = self._process.wait()
        size = self._complaints.seek(0, os.SEEK_END)
        self._complaints.seek(max(0, size - TAIL))
        lines = self._complaints.read().decode("utf-8", "replace").split("\n")
        said = [line.strip() for line in lines if line.strip()]
        if status == -signal.SIGKILL:
            return "it was killed, as a system does that runs out of memory: close other programs"
        if status < 0:
            return f"it was ended by signal {-status}" + (f" after saying: {said[-1]}" if said else "")
        return said[-1] if said else f"it ended with status {status} and said nothing"


def environment() -> dict[str, str]:
    """Of this process, with the checkout's packages where this is one."""
    path = os.pathsep.join(filter(None, (str(CHECKOUT), os.environ.get("PYTHONPATH"))))
    return {**os.environ, "PYTHONPATH": path}
