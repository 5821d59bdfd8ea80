"""Servers to ask: the command in a process of its own, and the application on a thread, where a test can look in."""

from __future__ import annotations

import base64
import json
import os
import queue
import re
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import soxr
import uvicorn

from edge_llasm.assistant import Assistant
from edge_llasm.bundle import Bundle
from edge_llasm.serve.app import create_app
from edge_llasm.serve.backend import Backend
from edge_llasm.serve.decoder import Decoder
from edge_llasm.serve.limits import Limits
from edge_llasm.serve.metrics import Metrics
from edge_llasm.serve.pcm import RATE
from edge_llasm.serve.server import Place, configured

PATIENCE_S = 120
"""On a machine that is busy with something else"""
ROOT = Path(__file__).parents[2]
DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@dataclass(frozen=True)
class Command:
    """`edge-llasm serve`, running."""

    url: str
    pid: int
    said: list[str]
    """lines of standard error"""
    token: str | None = None

    def get(self, path: str) -> tuple[int, bytes]:
        return fetch(self.url + path, headers={"Authorization": f"Bearer {self.token}"} if self.token else {})


def fetch(url: str, data: bytes | None = None, headers: dict[str, str] | None = None) -> tuple[int, bytes]:
    """Status and body; a refusal is no exception."""
    request = urllib.request.Request(url, data, headers or {})
    try:
        with DIRECT.open(request, timeout=PATIENCE_S) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()


def until(holds: Callable[[], bool]) -> None:
    """Wait for a condition."""
    end = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < end, "nothing happened"
        time.sleep(0.01)


@contextmanager
def command(
    *arguments: str,
    home: Path,
    token: str | None = None,
    ready: Callable[[Command], bool] = lambda server: server.get("/health")[0] == 200,
) -> Iterator[Command]:
    """Start the command on a free port, and wait until it answers."""
    environment = {**os.environ, "EDGE_LLASM_HOME": str(home), "PYTHONPATH": str(ROOT)}
    if token is not None:
        environment["EDGE_LLASM_TOKEN"] = token
    line = [sys.executable, "-m", "edge_llasm", "serve", "--port", "0", "--device", "cpu", *arguments]
    with subprocess.Popen(line, stderr=subprocess.PIPE, text=True, env=environment, cwd=ROOT) as process:
        lines: queue.SimpleQueue[str] = queue.SimpleQueue()
        said: list[str] = []

        def read() -> None:
            assert process.stderr is not None
            for one in process.stderr:
                said.append(one)
                lines.put(one)

        reader = threading.Thread(target=read, daemon=True)
        reader.start()
        try:
            first = lines.get(timeout=PATIENCE_S)
            found = re.search(r"(https?://\S+)/v1", first)
            assert found is not None, first
            server = Command(found[1], process.pid, said, token)
            until(lambda: process.poll() is not None or ready(server))
            yield server
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(PATIENCE_S)
            reader.join(PATIENCE_S)


def backend_for(
    folder: Path,
    limits: Limits,
    wrap: Callable[[Assistant], Any] = lambda a: a,
    *,
    unload_after_s: float = 0.0,
) -> Backend:
    """The parts of a server; `wrap` may put something around the assistant."""
    bundle, metrics = Bundle.load(folder), Metrics()

    def load() -> Any:
        assistant = Assistant.load(bundle, device="cpu")
        assistant.llm.shelf.room = limits.cache_bytes
        return wrap(assistant)

    decoder = Decoder(load, limits.queue, unload_after_s=unload_after_s, observe_wait=metrics.wait.observe)
    return Backend.of(bundle, (), decoder, limits, metrics)


@contextmanager
def hosted(backend: Backend, **options: Any) -> Iterator[str]:
    """The application on a thread and a real socket; its URL."""
    place = Place(port=0)
    server = uvicorn.Server(configured(create_app(backend, **options), backend.limits, place))
    with place.bind() as sock:
        thread = threading.Thread(target=server.run, args=([sock],), daemon=True)
        thread.start()
        try:
            until(lambda: server.started and backend.decoder.state == "ready")
            yield place.url(sock.getsockname()[1])
        finally:
            server.should_exit = True
            thread.join(PATIENCE_S)


def base64_of(file: Path) -> str:
    return base64.b64encode(file.read_bytes()).decode()


def audio_part(file: Path) -> dict[str, Any]:
    """A recording as a part of a message."""
    data = {"data": base64_of(file), "format": file.suffix.removeprefix(".")}
    return {"type": "input_audio", "input_audio": data}


def asking(*parts: dict[str, Any] | str, model: str = "tiny", **more: Any) -> dict[str, Any]:
    """A request with one user's message."""
    content = [{"type": "text", "text": part} if isinstance(part, str) else part for part in parts]
    return {"model": model, "messages": [{"role": "user", "content": content}], **more}


def dumps_of(request: object) -> bytes:
    """A body, half characters escaped."""
    return json.dumps(request).encode()


def pcm_of(file: Path, silence_s: float = 0.0) -> bytes:
    """16-bit samples for the realtime socket, in a room that is not quite silent, with a pause at the end."""
    sound, rate = soundfile.read(file, dtype="float32")
    sound = np.concatenate([soxr.resample(sound, rate, RATE), np.zeros(round(silence_s * RATE), np.float32)])
    sound = sound + 1e-3 * np.random.default_rng(0).standard_normal(len(sound))
    return (np.clip(sound, -1, 1) * 32767).astype("<i2").tobytes()


def slices(pcm: bytes, seconds: float = 0.1) -> Iterator[str]:
    """base64, as a microphone would deliver it."""
    size = 2 * round(seconds * RATE)
    for start in range(0, len(pcm), size):
        yield base64.b64encode(pcm[start : start + size]).decode()


def events_of(body: bytes) -> list[Any]:
    """Server-sent events, parsed; the last must be [DONE]."""
    blocks = body.decode().strip().split("\n\n")
    assert all(block.startswith("data: ") for block in blocks)
    *data, done = [block.removeprefix("data: ") for block in blocks]
    assert done == "[DONE]"
    return [json.loads(one) for one in data]
