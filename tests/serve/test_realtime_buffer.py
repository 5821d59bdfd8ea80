"""Sound that comes over the realtime socket: sliced anyhow, asked in a pause or by hand."""

from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from edge_llasm.serve.backend import Backend
from tests.serve.realtime_client import MANUAL, Socket, text_of
from tests.serve.running import pcm_of, slices, until


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


def test_a_question_has_a_longest(socket: Socket, backend: Backend, speech: Path) -> None:
    socket.update(MANUAL)
    second = b"\0\0" * 24_000
    socket.speak(second * int(backend.limits.audio_seconds))
    socket.speak(second)
    assert "20 s" in socket.error()["message"]
