"""Files that are broken, lie, or are no sound: refused at once, with a reason, and the server goes on."""

import base64
import io
import random
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from starlette.testclient import TestClient

from edge_llasm.serve.backend import Backend
from tests.serve.running import asking

CLIPS = Path(__file__).parents[1] / "clips"


def wav(
    frames: int, *, rate: int = 16_000, channels: int = 1, bits: int = 16, kind: int = 1, data: bytes = b""
) -> bytes:
    """A header that claims so many frames, and what there is."""
    block = channels * bits // 8
    size = frames * block
    form = struct.pack("<HHIIHH", kind, channels, rate, min(rate * block, 2**32 - 1), block % 65536, bits)
    body = b"fmt " + struct.pack("<I", 16) + form + b"data" + struct.pack("<I", min(size, 2**32 - 1)) + data
    return b"RIFF" + struct.pack("<I", min(len(body) + 4 + size, 2**32 - 1)) + b"WAVE" + body


def flac(seconds: int, rate: int = 16_000) -> bytes:
    """Silence, which packs to almost nothing."""
    file = io.BytesIO()
    soundfile.write(file, np.zeros(seconds * rate, np.int16), rate, format="FLAC")
    return file.getvalue()


def flac_claiming(samples: int, data: bytes) -> bytes:
    """The same with another length in its header."""
    fields = int.from_bytes(data[18:26], "big")
    return data[:18] + (fields & ~(2**36 - 1) | samples).to_bytes(8, "big") + data[26:]


def corpus() -> list[tuple[str, bytes]]:
    """Names and files."""
    speech = (CLIPS / "total-espeak.ogg").read_bytes()
    noise = random.Random(0)
    broken = [
        ("nothing", b"\0"),
        ("text", b"hello there, this is no sound at all, only text" * 9),
        ("html", b"<html><body>503</body></html>" * 20),
        ("riff", b"RIFF"),
        ("an empty wav", wav(0)),
        ("a wav without data", wav(16_000)),
        ("ten hours in a kilobyte", wav(36_000 * 16_000, data=b"\1\0" * 500)),
        ("no rate", wav(100, rate=0, data=b"\0" * 200)),
        ("a rate of 4 GHz", wav(100, rate=2**32 - 1, data=b"\1\0" * 100)),
        ("a rate of 1 Hz", wav(1000, rate=1, data=b"\1\0" * 1000)),
        ("no channels", wav(100, channels=0, data=b"\1\0" * 100)),
        ("65535 channels", wav(1, channels=65_535, data=b"\1\0" * 65_535)),
        ("7 bits", wav(100, bits=7, data=b"\1\0" * 100)),
        ("an unknown code", wav(100, kind=0x1234, data=b"\1\0" * 100)),
        ("infinite floats", wav(400, kind=3, bits=32, data=struct.pack("<400f", *[float("inf")] * 400))),
        ("huge floats", wav(400, kind=3, bits=32, data=struct.pack("<400f", *[1e30] * 400))),
        ("a minute of silence in flac", flac(60)),
        ("ten hours of flac", flac_claiming(36_000 * 16_000, flac(1))),
        ("a playlist", b"#EXTM3U\n#EXTINF:10,\nfile:///etc/passwd\n"),
        ("a list of files", b"ffconcat version 1.0\nfile /etc/passwd\n"),
    ]
    for name in ("total-espeak.ogg", "total-espeak.webm", "total-espeak.m4a", "yes-flite.ogg", "france.flac"):
        data = (CLIPS / name).read_bytes()
        broken += [(f"{name}, cut at {cut}", data[: len(data) * cut // 100]) for cut in (2, 10, 50, 99)]
        for i in range(6):
            damaged = bytearray(data)
            for _ in range(10):
                damaged[noise.randrange(len(damaged))] = noise.randrange(256)
            broken.append((f"{name}, damage {i}", bytes(damaged)))
    broken += [(f"noise {i}", noise.randbytes(3_000)) for i in range(4)]
    broken += [
        (f"{magic!r} and noise", magic + noise.randbytes(2_000))
        for magic in (b"OggS", b"fLaC", b"ID3\4", b"\x1aE\xdf\xa3")
    ]
    broken.append(("ogg after ogg", speech + speech[:500]))
    return broken


CORPUS = corpus()
CERTAIN = {name for name, _ in CORPUS[:20]}


@pytest.mark.parametrize(("name", "data"), CORPUS, ids=[name for name, _ in CORPUS])
def test_a_broken_recording_is_refused_or_heard_and_never_more(
    app: TestClient, name: str, data: bytes
) -> None:
    part: dict[str, Any] = {"data": base64.b64encode(data).decode(), "format": "wav"}
    asked = app.post(
        "/v1/chat/completions",
        json=asking({"type": "input_audio", "input_audio": part}, max_tokens=1),
    )
    written = app.post("/v1/audio/transcriptions", files={"file": data}, data={"model": "tiny"})
    for answer, param in ((asked, "messages"), (written, "file")):
        assert answer.status_code in (200, 400), answer.text
        if answer.status_code == 400:
            error = answer.json()["error"]
            assert error["code"] in ("invalid_audio", "no_speech", "context_length_exceeded")
            assert error["param"] == param
            assert "/tmp" not in error["message"]
    if name in CERTAIN:
        assert asked.status_code == written.status_code == 400


def test_what_claims_to_be_long_is_refused_for_its_length(app: TestClient, backend: Backend) -> None:
    for data in (flac(60), flac_claiming(36_000 * 16_000, flac(1))):
        refused = app.post("/v1/audio/transcriptions", files={"file": data}, data={"model": "tiny"})
        assert f"longer than {backend.limits.audio_seconds:g} s" in refused.json()["error"]["message"]


def test_recordings_count_together(app: TestClient) -> None:
    parts = []
    for frequency in (200, 300, 400):
        file = io.BytesIO()
        tone = np.sin(np.arange(8 * 16_000) * frequency / 16_000 * 2 * np.pi) / 2
        soundfile.write(file, tone, 16_000, format="WAV")
        data = base64.b64encode(file.getvalue()).decode()
        parts.append({"type": "input_audio", "input_audio": {"data": data, "format": "wav"}})
    refused = app.post("/v1/chat/completions", json=asking(*parts))
    assert refused.status_code == 400
    assert "longer than" in refused.json()["error"]["message"]


def test_the_server_is_none_the_worse(app: TestClient, speech: Path) -> None:
    answered = app.post(
        "/v1/audio/transcriptions", files={"file": speech.read_bytes()}, data={"model": "tiny"}
    )
    assert answered.status_code == 200
