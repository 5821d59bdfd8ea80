"""The start of `edge-llasm ask`: how much of the process is what must be, and how much is around it.

Each row is a process of its own, the rows run in turn: python -m edge_llasm.bench.start
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from edge_llasm.bench.turns import in_turn
from edge_llasm.cli.output import say, tell
from edge_llasm.errors import EdgeLlasmError, EngineError

__all__ = ["Start", "main", "measure_start"]

EPILOG = """\
Example:
  python -m edge_llasm.bench.start models/nano/demo/1-define-a-function.ogg --rounds 15

The last row is the whole process, divided by what cannot be left out of it: the import of the package with its
interpreter, the loading of the model, and the answer.
"""
ROUNDS = 9


@dataclass(frozen=True)
class Start:
    """Medians, in s."""

    interpreter: float
    """a process that does nothing"""
    numpy: float
    """one that imports numpy"""
    package: float
    """one that imports `edge_llasm` and all that `Assistant` is made of"""
    load: float
    """inside of `ask`: the files checked, the engines imported and loaded"""
    compute: float
    """inside of `ask`: from the sound in memory to the answer's last token"""
    whole: float
    """the process `edge-llasm ask`"""

    @property
    def beyond_numpy(self) -> float:
        """s that the package's import takes beyond numpy's"""
        return self.package - self.numpy

    @property
    def ratio(self) -> float:
        """Of the whole process to import, load and compute."""
        return self.whole / (self.package + self.load + self.compute)


def measure_start(recording: Path, model: str = "nano", rounds: int = ROUNDS) -> Start:
    """Ask `recording` that often. Raises EngineError when a process fails."""
    asked = ["-m", "edge_llasm", "ask", str(recording), "--model", model, "--json"]
    answers: list[dict[str, float]] = []
    took = in_turn(
        {
            "interpreter": lambda: _python(["-c", "pass"]),
            "numpy": lambda: _python(["-c", "import numpy"]),
            "package": lambda: _python(["-c", "from edge_llasm import Assistant"]),
            "whole": lambda: answers.append(json.loads(_python(asked))["timings"]),
        },
        rounds,
    )
    load, compute = (
        median(answer[name] / 1000 for answer in answers[1:]) for name in ("load_ms", "total_ms")
    )
    return Start(load=load, compute=compute, **{name: some.median for name, some in took.items()})


def _python(arguments: Sequence[str]) -> str:
    """Its standard output. numpy's pool is left out everywhere, as the command line does it."""
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}
    run = subprocess.run([sys.executable, *arguments], capture_output=True, text=True, env=environment)
    if run.returncode:
        reason = run.stderr.strip().splitlines() or ["it gave no reason"]
        raise EngineError(f"the measured command failed ({reason[-1]}): run it by itself")
    return run.stdout


def table(start: Start) -> str:
    """For people; ms."""
    rows = {
        "bare interpreter": start.interpreter,
        "import numpy": start.numpy,
        "import edge_llasm": start.package,
        "  beyond numpy": start.beyond_numpy,
        "load": start.load,
        "compute": start.compute,
        "whole process": start.whole,
    }
    lines = [f"{name:<20}{1000 * seconds:>8.0f} ms\n" for name, seconds in rows.items()]
    return "".join(lines) + f"{'whole / its parts':<20}{start.ratio:>8.2f}\n"


def main(argv: Sequence[str] | None = None) -> int:
    """The exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m edge_llasm.bench.start",
        description="What the start of edge-llasm ask takes, in medians.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("recording", type=Path, help="what is asked")
    parser.add_argument("--model", default="nano", help="a name, or a folder (default: nano)")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"of each row (default: {ROUNDS})")
    parser.add_argument(
        "--json", action="store_true", help="one JSON object instead of the table, in seconds"
    )
    options = parser.parse_args(argv)
    if options.rounds < 1:
        parser.error("--rounds must be at least 1")
    try:
        start = measure_start(options.recording, options.model, options.rounds)
    except EdgeLlasmError as error:
        tell(str(error))
        return 1
    found = {**vars(start), "beyond_numpy": start.beyond_numpy, "ratio": start.ratio}
    say(json.dumps(found) + "\n" if options.json else table(start))
    return 0


if __name__ == "__main__":
    sys.exit(main())
