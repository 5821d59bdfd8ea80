"""The realtime socket's events, with the tiny model behind the application."""

from typing import Any

import pytest
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from edge_llasm.serve.backend import Backend
from tests.serve.realtime_client import Event, Socket
from tests.serve.running import until


def test_a_session_says_what_it_is(socket: Socket) -> None:
    assert socket.created["type"] == "session.created"
    session = socket.created["session"]
    assert session["model"] == "tiny"
    assert session["output_modalities"] == ["text"]
    assert session["audio"]["input"]["format"] == {"type": "audio/pcm", "rate": 24_000}
    assert session["audio"]["input"]["turn_detection"]["type"] == "server_vad"


@pytest.mark.parametrize(
    ("event", "param"),
    [
        ({"type": "nonsense"}, "type"),
        ({}, "type"),
        ({"type": 3}, "type"),
        ({"type": "session.update"}, None),
        ({"type": "session.update", "session": {"voice": "x"}}, "session.voice"),
        ({"type": "session.update", "session": {"model": "gpt-realtime"}}, "session.model"),
        (
            {"type": "session.update", "session": {"output_modalities": ["audio"]}},
            "session.output_modalities",
        ),
        ({"type": "session.update", "session": {"tools": [{}]}}, "session.tools"),
        ({"type": "session.update", "session": {"max_output_tokens": 0}}, "session.max_output_tokens"),
        ({"type": "session.update", "session": {"instructions": 3}}, "session.instructions"),
        (
            {"type": "session.update", "session": {"audio": {"output": {"voice": "x"}}}},
            "session.audio.output",
        ),
        ({"type": "input_audio_buffer.append"}, "audio"),
        ({"type": "input_audio_buffer.append", "audio": "!"}, "audio"),
        ({"type": "input_audio_buffer.append", "audio": "AAAA"}, "audio"),
        ({"type": "input_audio_buffer.append", "audio": "AAA=", "x": 1}, "x"),
        ({"type": "input_audio_buffer.commit"}, None),
        ({"type": "response.create"}, None),
        ({"type": "response.create", "response": {"modalities": ["audio"]}}, "response.modalities"),
        ({"type": "response.cancel"}, None),
        ({"type": "conversation.item.create", "item": {"role": "assistant"}}, "item.role"),
        ({"type": "conversation.item.create", "item": {"role": "user"}}, "item.content"),
        (
            {"type": "conversation.item.create", "item": {"content": [{"type": "image"}]}},
            "item.content[0].type",
        ),
        (
            {"type": "conversation.item.create", "item": {"content": [{"type": "input_text"}]}},
            "item.content[0].text",
        ),
    ],
)
def test_events_that_cannot_be_honoured_are_told_and_change_nothing(
    socket: Socket, event: Event, param: str | None
) -> None:
    if event == {"type": "session.update"}:
        assert socket.update({}) == socket.created["session"]
        return
    socket.session.send_json({**event, "event_id": "mine"})
    error = socket.error()
    assert error["param"] == param
    assert error["event_id"] == "mine"
    assert error["type"] == "invalid_request_error"
    assert socket.update({}) == socket.created["session"]


@pytest.mark.parametrize(
    ("detection", "param"),
    [
        ({"type": "semantic_vad"}, "type"),
        ({"type": "server_vad", "threshold": 0.9}, "threshold"),
        ({"type": "server_vad", "silence_duration_ms": 50}, "silence_duration_ms"),
        ({"type": "server_vad", "prefix_padding_ms": 1000}, "prefix_padding_ms"),
        ({"type": "server_vad", "idle_timeout_ms": 1000}, "idle_timeout_ms"),
        ("server_vad", None),
    ],
)
def test_turns_that_cannot_be_noticed_so_are_refused(
    socket: Socket, detection: Any, param: str | None
) -> None:
    socket.send("session.update", session={"audio": {"input": {"turn_detection": detection}}})
    path = "session.audio.input.turn_detection"
    assert socket.error()["param"] == (path if param is None else f"{path}.{param}")


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '"x"', "[" * 100_000])
def test_what_is_no_event_is_told(socket: Socket, text: str) -> None:
    socket.session.send_text(text)
    assert socket.error()["type"] == "invalid_request_error"


def test_another_model_is_not_there(app: TestClient) -> None:
    with app.websocket_connect("ws://localhost/v1/realtime?model=gpt-realtime") as session:
        assert session.receive_json()["error"]["param"] == "model"
        with pytest.raises(WebSocketDisconnect):
            session.receive_json()


def test_sockets_are_counted(app: TestClient, backend: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backend.sockets, "_free", 1)
    with app.websocket_connect("ws://localhost/v1/realtime") as first:
        assert first.receive_json()["type"] == "session.created"
        with app.websocket_connect("ws://localhost/v1/realtime") as second:
            assert "too many" in second.receive_json()["error"]["message"]
    until(lambda: not backend.sockets.full)
    with app.websocket_connect("ws://localhost/v1/realtime") as third:
        assert third.receive_json()["type"] == "session.created"
