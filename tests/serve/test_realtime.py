"""The realtime socket's events, with the tiny model behind the application."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient, WebSocketTestSession
from starlette.websockets import WebSocketDisconnect

from edge_llasm.serve.backend import Backend
from tests.serve.running import pcm_of, slices, until

Event = dict[str, Any]
MANUAL = {"type": "realtime", "audio": {"input": {"turn_detection": None}}}


class Socket:
    """A session, and what is said in it."""

    def __init__(self, session: WebSocketTestSession) -> None:
        self.session = session
        self.created = session.receive_json()

    def send(self, kind: str, **fields: Any) -> None:
        self.session.send_json({"type": kind, **fields})

    def until(self, kind: str) -> list[Event]:
        """The events up to the first of this kind."""
        events: list[Event] = []
        while not events or events[-1]["type"] != kind:
            events.append(self.session.receive_json())
            assert kind == "error" or events[-1]["type"] != "error", events[-1]
        return events

    def update(self, session: Event) -> Event:
        self.send("session.update", session=session)
        return dict(self.until("session.updated")[-1]["session"])

    def speak(self, pcm: bytes) -> None:
        for audio in slices(pcm):
            self.send("input_audio_buffer.append", audio=audio)

    def error(self) -> Event:
        return dict(self.until("error")[-1]["error"])


@pytest.fixture
def socket(app: TestClient) -> Iterator[Socket]:
    with app.websocket_connect("ws://localhost/v1/realtime") as session:
        yield Socket(session)


def text_of(events: list[Event]) -> str:
    return "".join(event["delta"] for event in events if event["type"] == "response.output_text.delta")


def test_a_session_says_what_it_is(socket: Socket) -> None:
    assert socket.created["type"] == "session.created"
    session = socket.created["session"]
    assert session["model"] == "tiny"
    assert session["output_modalities"] == ["text"]
    assert session["audio"]["input"]["format"] == {"type": "audio/pcm", "rate": 24_000}
    assert session["audio"]["input"]["turn_detection"]["type"] == "server_vad"


def test_a_question_that_is_committed_is_answered(socket: Socket, speech: Path) -> None:
    assert socket.update(MANUAL)["audio"]["input"]["turn_detection"] is None
    socket.speak(pcm_of(speech))
    socket.send("input_audio_buffer.commit")
    committed = socket.until("conversation.item.done")
    assert [event["type"] for event in committed] == [
        "input_audio_buffer.committed", "conversation.item.added", "conversation.item.done",
    ]  # fmt: skip
    socket.send("response.create")
    events = socket.until("response.done")
    assert [event["type"] for event in events if not event["type"].endswith("delta")] == [
        "response.created", "response.output_item.added", "response.content_part.added",
        "response.output_text.done", "response.content_part.done", "response.output_item.done", "response.done",
    ]  # fmt: skip
    response = events[-1]["response"]
    assert response["output"][0]["content"] == [{"type": "output_text", "text": text_of(events)}]
    assert response["status"] in ("completed", "incomplete")
    assert response["usage"]["input_token_details"]["audio_tokens"] == 16
    assert response["timings"]["audio_seconds"] == pytest.approx(1.9, abs=0.1)


def test_how_the_sound_is_sliced_changes_nothing(app: TestClient, speech: Path) -> None:
    answers = set()
    for seconds in (0.02, 0.1, 0.33, 10.0):
        with app.websocket_connect("ws://localhost/v1/realtime") as session:
            socket = Socket(session)
            socket.update(MANUAL)
            for audio in slices(pcm_of(speech), seconds):
                socket.send("input_audio_buffer.append", audio=audio)
            socket.send("input_audio_buffer.commit")
            socket.until("conversation.item.done")
            socket.send("response.create", response={"max_output_tokens": 8})
            answers.add(text_of(socket.until("response.done")))
    assert len(answers) == 1
    assert answers.pop()


def test_a_pause_ends_a_question_and_speech_an_answer(socket: Socket, speech: Path) -> None:
    socket.update({"type": "realtime", "max_output_tokens": 400})
    pcm = pcm_of(speech, silence_s=1.0)
    socket.speak(pcm)
    begun = socket.until("response.output_text.delta")
    kinds = [event["type"] for event in begun]
    assert kinds[:3] == [
        "input_audio_buffer.speech_started", "input_audio_buffer.speech_stopped", "input_audio_buffer.committed",
    ]  # fmt: skip
    started, stopped = begun[0], begun[1]
    assert 0 <= started["audio_start_ms"] < 1000 < stopped["audio_end_ms"] <= 3000
    assert started["item_id"] == stopped["item_id"] == begun[2]["item_id"]
    socket.speak(pcm)
    done = [event for event in socket.until("response.done") if event["type"] == "response.done"][-1]
    assert done["response"]["status"] in ("cancelled", "incomplete")
    assert socket.until("response.done")[-1]["response"]["usage"]["input_token_details"]["audio_tokens"] >= 16


def test_silence_asks_nothing(socket: Socket, silence: Path) -> None:
    for _ in range(4):
        socket.speak(pcm_of(silence))
    socket.send("input_audio_buffer.clear")
    assert [event["type"] for event in socket.until("input_audio_buffer.cleared")] == [
        "input_audio_buffer.cleared"
    ]


def test_silence_that_is_committed_fails_and_the_chat_goes_on(
    socket: Socket, silence: Path, speech: Path
) -> None:
    socket.update(MANUAL)
    for file in (silence, speech):
        socket.speak(pcm_of(file))
        socket.send("input_audio_buffer.commit")
        socket.until("conversation.item.done")
        socket.send("response.create")
        done = socket.until("response.done")[-1]["response"]
        if file == silence:
            assert done["status"] == "failed"
            assert done["status_details"]["error"]["code"] == "no_speech"
    assert done["status"] != "failed"


def test_typed_text_and_speech_make_one_question(socket: Socket, speech: Path) -> None:
    socket.update(MANUAL)
    item = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "In Chinese:"}]}
    socket.send("conversation.item.create", item=item)
    assert socket.until("conversation.item.done")[-1]["item"]["content"][0]["text"] == "In Chinese:"
    socket.speak(pcm_of(speech))
    socket.send("input_audio_buffer.commit")
    socket.until("conversation.item.done")
    socket.send("response.create")
    usage = socket.until("response.done")[-1]["response"]["usage"]
    assert usage["input_token_details"]["audio_tokens"] == 16
    assert usage["input_token_details"]["text_tokens"] > 10


def test_the_chat_is_remembered(socket: Socket) -> None:
    prompts = []
    for _ in range(2):
        item = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "hello"}]}
        socket.send("conversation.item.create", item=item)
        socket.send("response.create")
        prompts.append(socket.until("response.done")[-1]["response"]["usage"])
    assert prompts[1]["input_tokens"] > prompts[0]["input_tokens"]
    assert prompts[1]["input_token_details"]["cached_tokens"] >= prompts[0]["input_tokens"]


def test_a_chat_goes_on_over_another_socket(app: TestClient) -> None:
    def say(socket: Socket, role: str, kind: str, text: str) -> None:
        item = {"type": "message", "role": role, "content": [{"type": kind, "text": text}]}
        socket.send("conversation.item.create", item=item)

    def answer(socket: Socket) -> tuple[str, int]:
        socket.send("response.create")
        events = socket.until("response.done")
        return text_of(events), events[-1]["response"]["usage"]["input_tokens"]

    with app.websocket_connect("ws://localhost/v1/realtime") as session:
        first = Socket(session)
        say(first, "user", "input_text", "hello")
        text, _ = answer(first)
        say(first, "user", "input_text", "again")
        wanted = answer(first)
    with app.websocket_connect("ws://localhost/v1/realtime") as session:
        second = Socket(session)
        say(second, "user", "input_text", "hello")
        say(second, "assistant", "output_text", text)
        say(second, "user", "input_text", "again")
        assert answer(second)[1] == wanted[1]


def test_an_answer_without_its_question_is_refused(socket: Socket) -> None:
    content = [{"type": "output_text", "text": "83"}]
    socket.send("conversation.item.create", item={"type": "message", "role": "assistant", "content": content})
    assert socket.error()["param"] == "item.role"


def test_an_answer_can_be_cancelled(socket: Socket) -> None:
    socket.update({"type": "realtime", "max_output_tokens": 400})
    item = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "hello"}]}
    socket.send("conversation.item.create", item=item)
    socket.send("response.create")
    socket.send("response.cancel")
    events = socket.until("response.done")
    assert events[-1]["response"]["status"] in ("cancelled", "incomplete", "completed")
    socket.send("response.cancel")
    assert socket.error()["code"] == "response_cancel_not_active"


def test_what_was_said_is_written_down_when_that_is_wanted(socket: Socket, speech: Path) -> None:
    manual = {"audio": {"input": {"turn_detection": None, "transcription": {"model": "tiny"}}}}
    socket.update(manual)
    socket.speak(pcm_of(speech))
    socket.send("input_audio_buffer.commit")
    item = socket.until("conversation.item.done")[-1]["item"]
    socket.send("response.create")
    written = socket.until("conversation.item.input_audio_transcription.completed")[-1]
    assert written["item_id"] == item["id"]
    assert written["transcript"]


def test_work_begins_in_the_pauses(
    app: TestClient, backend: Backend, speech: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assistant = backend.decoder.assistant
    assert assistant is not None
    read = 0

    def counted(*arguments: Any, **more: Any) -> None:
        nonlocal read
        original(*arguments, **more)
        read += 1

    original = assistant.read
    monkeypatch.setattr(assistant, "read", counted)
    with app.websocket_connect("ws://localhost/v1/realtime") as session:
        socket = Socket(session)
        socket.update(MANUAL)
        socket.speak(pcm_of(speech, silence_s=0.6))
        until(lambda: read > 0)
        socket.send("input_audio_buffer.commit")
        socket.until("conversation.item.done")
        socket.send("response.create")
        response = socket.until("response.done")[-1]["response"]
    assert response["status"] != "failed"
    assert response["usage"]["input_token_details"]["cached_tokens"] > 0


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


def test_a_question_has_a_longest(socket: Socket, backend: Backend, speech: Path) -> None:
    socket.update(MANUAL)
    second = b"\0\0" * 24_000
    socket.speak(second * int(backend.limits.audio_seconds))
    socket.speak(second)
    assert "20 s" in socket.error()["message"]


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
