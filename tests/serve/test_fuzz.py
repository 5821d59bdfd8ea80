"""Requests with anything anywhere: an answer or a refusal in OpenAI's shape, and never a failure of the server."""

import copy
import random
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from tests.serve.running import asking, audio_part, dumps_of

VALUES: list[Any] = [
    None, True, False, 0, -1, 1, 1.5, 10**30, -1e308, "", "x", "user", "nano", "\x00", "\ud83d", "ü" * 5000, "data:,",
    "data:audio/wav;base64,", "http://127.0.0.1/", "file:///etc/passwd", [], [[]], {}, {"type": "text"}, ["x"], [None],
    {"": None}, {"$ref": "#"}, {"type": "object"}, [{"role": "user", "content": "x"}], "AAAA", "text", "json_object",
]  # fmt: skip
KEYS = [
    "",
    "n",
    "stop",
    "type",
    "role",
    "content",
    "text",
    "seed",
    "top_p",
    "stream",
    "schema",
    "tools",
    "name",
    "$ref",
]


def places(value: Any) -> list[tuple[Any, Any]]:
    """Each part of a value: what holds it, and under which key."""
    if isinstance(value, dict):
        keys: Any = list(value)
    elif isinstance(value, list):
        keys = range(len(value))
    else:
        return []
    return [(value, key) for key in keys] + [place for key in keys for place in places(value[key])]


def spoiled(chance: random.Random, value: Any) -> Any:
    value = copy.deepcopy(value)
    for _ in range(chance.randint(1, 3)):
        if not (found := places(value)):
            break
        holder, key = chance.choice(found)
        match chance.randrange(4):
            case 0 | 1:
                holder[key] = copy.deepcopy(chance.choice(VALUES))
            case 2:
                del holder[key]
            case 3 if isinstance(holder, dict):
                holder[chance.choice(KEYS)] = copy.deepcopy(chance.choice(VALUES))
    return value


@pytest.mark.parametrize("seed", range(8))
def test_chats(app: TestClient, speech: Path, seed: int) -> None:
    chance = random.Random(seed)
    schema = {
        "type": "object",
        "properties": {"a": {"type": "array", "items": {"enum": [1, "x"]}}},
        "required": ["a"],
    }
    request = asking(
        "x", audio_part(speech), temperature=1, top_p=0.9, seed=1, max_tokens=3, stop=["a"], stream=False,
        stream_options=None, response_format={"type": "json_schema", "json_schema": {"name": "x", "schema": schema}},
    )  # fmt: skip
    request["messages"][:0] = [
        {"role": "system", "content": "s"},
        {"role": "user", "content": "u"},
        {"role": "assistant", "content": [{"type": "text", "text": "a"}]},
    ]
    statuses = set()
    for _ in range(40):
        body = spoiled(chance, request)
        if isinstance(body.get("max_tokens"), int):
            body["max_tokens"] = min(3, body["max_tokens"])
        kind = {"Content-Type": "application/json"}
        answer = app.post("/v1/chat/completions", content=dumps_of(body), headers=kind)
        statuses.add(answer.status_code)
        assert answer.status_code in (200, 400, 404), (body, answer.text)
        if answer.status_code != 200:
            error = answer.json()["error"]
            assert set(error) == {"message", "type", "param", "code"}
            assert error["message"] and "\n" not in error["message"]
    assert 400 in statuses


@pytest.mark.parametrize("seed", range(4))
def test_realtime_events(app: TestClient, speech: Path, seed: int) -> None:
    chance = random.Random(seed)
    sound = {"format": {"type": "audio/pcm", "rate": 24000}, "turn_detection": {"type": "server_vad"}}
    events: list[dict[str, Any]] = [
        {
            "type": "session.update",
            "session": {"type": "realtime", "instructions": "i", "audio": {"input": sound}},
        },
        {"type": "input_audio_buffer.append", "audio": "AAAAAAAA"},
        {"type": "input_audio_buffer.commit"},
        {"type": "input_audio_buffer.clear"},
        {
            "type": "conversation.item.create",
            "item": {"role": "user", "content": [{"type": "input_text", "text": "x"}]},
        },
        {"type": "response.create", "response": {"max_output_tokens": 2}},
        {"type": "response.cancel"},
    ]
    with app.websocket_connect("ws://localhost/v1/realtime") as session:
        for _ in range(60):
            session.send_json(spoiled(chance, chance.choice(events)))
        session.send_bytes(b"\0\1")
        session.send_json({"type": "session.update", "session": {"instructions": "the end"}})
        while True:
            event = session.receive_json()
            if event["type"] == "error":
                assert event["error"]["type"] == "invalid_request_error", event
            if event["type"] == "session.updated" and event["session"]["instructions"] == "the end":
                break


def test_forms(app: TestClient, speech: Path) -> None:
    chance = random.Random(0)
    fields = ["model", "language", "prompt", "response_format", "temperature", "stream", "include[]", "x"]
    values = [
        "",
        "tiny",
        "en",
        "json",
        "vtt",
        "true",
        "0",
        "-1",
        "1e999",
        "nan",
        "\x00",
        "ü" * 2000,
        "a\r\nb: c",
    ]
    for _ in range(60):
        data = {chance.choice(fields): chance.choice(values) for _ in range(chance.randrange(5))}
        files = {
            chance.choice(["file", "audio"]): (
                chance.choice(["a.wav", "", "\u0000", "../x"]),
                speech.read_bytes(),
            )
        }
        answer = app.post("/v1/audio/transcriptions", data={"model": "tiny", **data}, files=files)
        assert answer.status_code in (200, 400, 404), (data, answer.text)


@pytest.mark.parametrize(
    "path", ["/v1/models/%00", "/v1/models/" + "a" * 5000, "/..%2f..%2fetc/passwd", "//etc/passwd"]
)
def test_paths(app: TestClient, path: str) -> None:
    assert app.get(path).status_code in (400, 404)
