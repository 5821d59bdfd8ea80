"""`python -m tests.bench.puppet`: a candidate that does what its arguments say. Its times are its own invention."""

import argparse
import os
import signal
import sys
import time

from edge_llasm.bench.candidate import Loaded, Turn
from edge_llasm.bench.worker import serve
from edge_llasm.errors import EngineError, PromptTooLong


class Puppet:
    """Answers a question of n seconds n ms after it; the second turn of a chat finds ten tokens there."""

    def __init__(self, fails: bool, dies_at: float | None, refuses: float | None, sleeps: bool) -> None:
        if fails:
            raise EngineError("no strings: buy some")
        sys.stdout.write("chatter of a native library\n")
        sys.stdout.flush()
        os.write(1, b"more of it, past Python\n")
        self._dies_at, self._refuses, self._sleeps = dies_at, refuses, sleeps
        self.loaded = Loaded("puppet", 5.0, note="made of wood")

    def turn(self, seconds: float, *, first: bool) -> Turn:
        if seconds == self._dies_at:
            os.kill(os.getpid(), signal.SIGABRT)
        if seconds == self._refuses:
            raise PromptTooLong("the strings are too short")
        if self._sleeps:
            time.sleep(3600)
        return Turn(seconds, None, seconds / 2, None, seconds / 4, 30, 0 if first else 10, 100.0)

    def close(self) -> None:
        pass


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--fails", action="store_true")
    parser.add_argument("--dies-at", type=float)
    parser.add_argument("--refuses", type=float)
    parser.add_argument("--sleeps", action="store_true")
    for ignored in ("--model", "--device", "--rival"):
        parser.add_argument(ignored)
    options = parser.parse_args()
    serve(lambda: Puppet(options.fails, options.dies_at, options.refuses, options.sleeps))


if __name__ == "__main__":
    main()
