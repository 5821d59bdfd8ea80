"""The README's lines for a shell, as they stand there."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import soundfile

from tests.serve.running import PATIENCE_S, ROOT, Command

pytestmark = pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")


def test_a_recording_is_written_down_and_answered(
    nano: Command, demo: dict[str, Path], tmp_path: Path
) -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    (lines,) = re.findall(r"^```bash\n(curl .*?)^```", readme, re.MULTILINE | re.DOTALL)
    soundfile.write(tmp_path / "question.wav", *soundfile.read(demo["3"]))
    script = lines.replace("http://127.0.0.1:8080", nano.url)
    said = subprocess.run(
        ["bash", "-ec", script],
        cwd=tmp_path,
        env={**os.environ, "no_proxy": "*"},
        capture_output=True,
        text=True,
        check=True,
        timeout=PATIENCE_S,
    )
    decoder = json.JSONDecoder()
    written, end = decoder.raw_decode(said.stdout)
    answered, _ = decoder.raw_decode(said.stdout, end)
    assert written["text"] == "三十五加四十八等于多少"
    assert answered["choices"][0]["message"]["content"] == "35 + 48 = 83"
