"""A server that nobody asks gives its model's memory back, says so, and has it again for who comes."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from edge_llasm.serve.app import create_app
from edge_llasm.serve.backend import Backend
from edge_llasm.serve.limits import Limits
from tests.serve.running import (
    asking,
    audio_part,
    backend_for,
    command,
    dumps_of,
    fetch,
    pcm_of,
    slices,
    until,
)

SOON_S = 0.1
CHAT, REALTIME = "/v1/chat/completions", "ws://localhost/v1/realtime"


@pytest.fixture
def backend(tiny_bundle: Path) -> Backend:
    return backend_for(tiny_bundle, Limits(), unload_after_s=SOON_S)


@pytest.fixture
def app(backend: Backend) -> Iterator[TestClient]:
    with TestClient(create_app(backend), base_url="http://localhost") as client:
        until(lambda: backend.decoder.state == "ready")
        yield client


def told(app: TestClient) -> tuple[Any, str]:
    """What /health says, and the line of /metrics."""
    (line,) = [
        line for line in app.get("/metrics").text.splitlines() if line.startswith("edge_llasm_model_loaded")
    ]
    return app.get("/health").json(), line.split()[1]


def answered(app: TestClient, request: dict[str, Any]) -> str:
    answer = app.post(CHAT, json=request)
    assert answer.status_code == 200
    text = answer.json()["choices"][0]["message"]["content"]
    assert isinstance(text, str)
    return text


def test_it_rests_and_answers_the_same_afterwards(app: TestClient, backend: Backend, speech: Path) -> None:
    request = asking(audio_part(speech), "and then?", max_tokens=8)
    answers = []
    for _ in range(3):
        answers.append(answered(app, request))
        until(lambda: backend.decoder.asleep)
        assert told(app) == ({"status": "ok", "loaded": False}, "0.0")
    assert len(set(answers)) == 1
    assert backend.decoder.assistant is not None
    assert backend.decoder.assistant.llm.shelf.room == backend.limits.cache_bytes


def test_the_model_is_loaded_while_somebody_speaks(app: TestClient, backend: Backend, speech: Path) -> None:
    until(lambda: backend.decoder.asleep)
    with app.websocket_connect(REALTIME) as socket:
        assert socket.receive_json()["type"] == "session.created"
        assert backend.decoder.asleep
        first = next(slices(pcm_of(speech)))
        socket.send_text(json.dumps({"type": "input_audio_buffer.append", "audio": first}))
        until(lambda: not backend.decoder.asleep)


def test_nano_behind_the_command_answers_right_after_every_rest(
    tmp_path: Path, demo: dict[str, Path]
) -> None:
    request = asking(audio_part(demo["1"]), model="nano")
    with command("--unload-after", "0.002", home=tmp_path) as server:
        answers = set()
        for _ in range(2):
            until(lambda: json.loads(server.get("/health")[1]) == {"status": "ok", "loaded": False})
            status, body = fetch(server.url + CHAT, dumps_of(request), {"Content-Type": "application/json"})
            assert status == 200
            answers.add(json.loads(body)["choices"][0]["message"]["content"])
    assert answers == {json.loads((demo["1"].parent / "answers.json").read_text("utf-8"))[demo["1"].name]}


def test_a_server_that_never_rests_says_so_too(tiny_bundle: Path) -> None:
    backend = backend_for(tiny_bundle, Limits())
    with TestClient(create_app(backend), base_url="http://localhost") as client:
        until(lambda: backend.decoder.state == "ready")
        assert told(client) == ({"status": "ok", "loaded": True}, "1.0")
