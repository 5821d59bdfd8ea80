"""`edge-llasm ask` as a whole, from the start of its process to its end, beside what it cannot do without."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

from edge_llasm.audio import SAMPLE_RATE
from edge_llasm.bench.candidate import ANSWER
from edge_llasm.bench.child import environment
from edge_llasm.bench.clips import Speaker
from edge_llasm.bench.rivals import Subject
from edge_llasm.bench.turns import Measured
from edge_llasm.errors import EngineError

__all__ = ["Process", "measure_process"]

IMPORTS = """\
from time import perf_counter as now
start = now()
import numpy
numpy = now()
from edge_llasm import Assistant
package = now()
import edge_llasm.cli.app
from edge_llasm.devices import choose_devices
choose_devices("auto", has_onnx=True)
print(numpy - start, package - numpy, now() - package)
"""
"""choose_devices asks the engines, so it imports them"""


@dataclass(frozen=True)
class Process:
    """ms of each round."""

    numpy: Measured
    """to import numpy, in a process of its own"""
    package: Measured
    """to import edge_llasm after it, as a program does that uses it"""
    engines: Measured
    """to import the command line, and what computes"""
    compute: Measured
    """from the recording in memory to the end of the answer"""
    whole: Measured
    """of the process"""


def measure_process(subject: Subject, seconds: float, rounds: int, report: Callable[[str], None]) -> Process:
    """Ask by a recording of `seconds`, `rounds` times after one that does not count. Raises EngineError."""
    import soundfile

    names = ("numpy", "package", "engines", "compute", "whole")
    found: dict[str, list[float]] = {name: [] for name in names}
    with tempfile.TemporaryDirectory(prefix="edge-llasm-") as folder:
        clip = Path(folder) / "question.wav"
        soundfile.write(clip, Speaker().say(seconds), SAMPLE_RATE)
        options = ["--device", subject.device, "--speech", subject.speech, "--max-tokens", str(ANSWER)]
        options += ["--trim-window"] if subject.window == "clip" else []
        ask = ["-m", "edge_llasm", "ask", str(clip), "--model", str(subject.bundle), "--json", *options]
        for number in range(rounds + 1):
            report(f"edge-llasm ask as a whole, {number} of {rounds}")
            imports = [1000 * float(seconds) for seconds in _run(["-c", IMPORTS]).split()]
            start = perf_counter()
            answered = json.loads(_run(ask))
            whole = perf_counter() - start
            if number:
                values = (*imports, answered["timings"]["total_ms"], 1000 * whole)
                for name, value in zip(found, values, strict=True):
                    found[name].append(value)
    return Process(**{name: Measured(tuple(values)) for name, values in found.items()})


def _run(arguments: Sequence[str]) -> str:
    done = subprocess.run(
        [sys.executable, *arguments], env=environment(), capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise EngineError(
            (done.stderr.strip().splitlines() or ["edge-llasm ask failed and said nothing"])[-1]
        )
    return done.stdout
