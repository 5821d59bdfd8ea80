"""What takes too long comes to an end, and the model is free again."""

from dataclasses import replace
from http.client import HTTPConnection, IncompleteRead, RemoteDisconnected
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from edge_llasm.serve.app import create_app
from edge_llasm.serve.backend import Backend
from edge_llasm.serve.limits import Limits
from tests.serve.running import PATIENCE_S, asking, backend_for, dumps_of, hosted, until
from tests.serve.stepwise import Stepwise

PATH = "/v1/chat/completions"
KIND = {"Content-Type": "application/json"}


@pytest.mark.parametrize("stream", [False, True])
def test_an_answer_that_takes_too_long_is_cut_off(tiny_bundle: Path, stream: bool) -> None:
    backend = backend_for(tiny_bundle, Limits(total_seconds=3.0), Stepwise)
    with hosted(backend) as url:
        assistant: Any = backend.decoder.assistant
        place = urlsplit(url)
        client = HTTPConnection(str(place.hostname), place.port, timeout=PATIENCE_S)
        assistant.steps.release(2)
        client.request("POST", PATH, dumps_of(asking("hello", stream=stream)), KIND)
        answer = client.getresponse()
        if stream:
            with pytest.raises((IncompleteRead, RemoteDisconnected, ConnectionResetError)):
                answer.read()
        else:
            assert answer.status == 503
            assert b"took too long" in answer.read()
        client.close()
        until(lambda: not backend.decoder.busy)
        assert assistant.written <= 3


def test_a_socket_on_which_nothing_is_said_is_closed(backend: Backend, app: TestClient) -> None:
    short = replace(backend, limits=replace(backend.limits, socket_seconds=0.2))
    client = TestClient(create_app(short), base_url="http://localhost")
    with client.websocket_connect("ws://localhost/v1/realtime") as session:
        assert session.receive_json()["type"] == "session.created"
        with pytest.raises(WebSocketDisconnect) as closed:
            session.receive_json()
    assert closed.value.code == 1001
