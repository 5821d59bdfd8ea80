"""The process ends with what was written, and without the interpreter's clean-up."""

import subprocess
import sys

import pytest

LEAVING = """
import atexit, sys
from edge_llasm.cli.leave import leave

class Slow:
    def __del__(self):
        print("taken apart")

kept = Slow()
atexit.register(lambda: print("registered"))
sys.stdout.write("written, ")
leave(int(sys.argv[1]))
"""


@pytest.mark.parametrize("status", [0, 3])
def test_what_was_written_and_registered_is_done_and_nothing_is_taken_apart(status: int) -> None:
    run = subprocess.run([sys.executable, "-c", LEAVING, str(status)], capture_output=True, text=True)
    assert (run.returncode, run.stdout, run.stderr) == (status, "written, registered\n", "")
