import subprocess
import sys
from pathlib import Path

import pytest

from edge_llasm.bundle import Bundle

PEAK = """\
import sys
from edge_llasm.cli import run
status = run(sys.argv[1:])
(peak,) = [line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")]
print(status, int(peak) * 1024, file=sys.stderr)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="/proc")
def test_an_answer_takes_no_more_memory_than_the_manifest_says(tiny_bundle: Path, speech: Path) -> None:
    command = ["ask", str(speech), "--model", str(tiny_bundle), "--device", "cpu"]
    run = subprocess.run([sys.executable, "-c", PEAK, *command], capture_output=True, text=True, check=True)
    status, peak = map(int, run.stderr.split()[-2:])
    needed = Bundle.load(tiny_bundle).memory
    assert status == 0
    assert needed is not None
    assert needed / 2 < peak <= needed
