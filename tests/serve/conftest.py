"""nano behind the real command, and the tiny model behind the application alone."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile

pytest.importorskip("uvicorn", reason="the [serve] extra is not installed")

from starlette.testclient import TestClient

from edge_llasm.serve.app import create_app
from edge_llasm.serve.backend import Backend
from edge_llasm.serve.limits import Limits
from tests.serve.realtime_client import Socket
from tests.serve.running import Command, backend_for, command, until

ROOT = Path(__file__).parents[2]
LIMITS = Limits(queue=4, body_bytes=4 << 20, audio_seconds=20, recordings=4, total_seconds=300)


@pytest.fixture(scope="package")
def nano(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Command]:
    """`edge-llasm serve` with the bundled model."""
    with command(home=tmp_path_factory.mktemp("home")) as server:
        yield server


@pytest.fixture(scope="session")
def demo() -> dict[str, Path]:
    """The bundled recordings by their numbers, which nano answers right."""
    return {file.name[0]: file for file in (ROOT / "models" / "nano" / "demo").glob("*.ogg")}


@pytest.fixture(scope="session")
def silence(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two seconds in which nobody speaks."""
    file = tmp_path_factory.mktemp("silence") / "silence.wav"
    soundfile.write(file, np.zeros(32_000, np.float32), 16_000)
    return file


@pytest.fixture(scope="module")
def backend(tiny_bundle: Path) -> Backend:
    return backend_for(tiny_bundle, LIMITS)


@pytest.fixture(scope="module")
def app(backend: Backend) -> Iterator[TestClient]:
    """The application with the tiny model, without a socket in between."""
    with TestClient(
        create_app(backend), base_url="http://localhost", raise_server_exceptions=False
    ) as client:
        until(lambda: backend.decoder.state == "ready")
        yield client


@pytest.fixture
def socket(app: TestClient) -> Iterator[Socket]:
    """A realtime session with it."""
    with app.websocket_connect("ws://localhost/v1/realtime") as session:
        yield Socket(session)
