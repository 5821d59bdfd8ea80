"""Answers over the realtime socket, event by event."""

from pathlib import Path

import pytest

from tests.serve.realtime_client import MANUAL, Socket, text_of
from tests.serve.running import pcm_of


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


def test_the_chat_is_remembered(socket: Socket) -> None:
    prompts = []
    for _ in range(2):
        item = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "hello"}]}
        socket.send("conversation.item.create", item=item)
        socket.send("response.create")
        prompts.append(socket.until("response.done")[-1]["response"]["usage"])
    assert prompts[1]["input_tokens"] > prompts[0]["input_tokens"]
    assert prompts[1]["input_token_details"]["cached_tokens"] >= prompts[0]["input_tokens"]


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
