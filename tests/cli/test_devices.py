import subprocess
import sys

import pytest

from tests.sound.virtual import missing, room

COMMAND = [sys.executable, "-m", "edge_llasm", "devices"]


def test_the_sound_cards_are_listed(tmp_path_factory: pytest.TempPathFactory) -> None:
    if lacking := missing():
        pytest.skip(lacking)
    with room(tmp_path_factory.mktemp("room")):
        done = subprocess.run(COMMAND, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "microphone*, loudspeaker*" in done.stdout
    assert " Hz  default (ALSA)" in done.stdout


def test_without_sounddevice_the_line_that_installs_it_is_told() -> None:
    code = "import sys; sys.modules['sounddevice'] = None; from edge_llasm.cli import run; sys.exit(run(['devices']))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr == "edge-llasm: sounddevice is not installed: pip install 'edge-llasm[talk]'\n"
