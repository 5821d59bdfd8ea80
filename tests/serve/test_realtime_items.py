"""What joins the conversation of a realtime socket without being said there."""

from pathlib import Path

from starlette.testclient import TestClient

from tests.serve.realtime_client import MANUAL, Socket, text_of
from tests.serve.running import pcm_of, slices


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


def test_a_recording_may_come_as_an_item(socket: Socket, speech: Path) -> None:
    (audio,) = slices(pcm_of(speech), seconds=10)
    item = {"type": "message", "role": "user", "content": [{"type": "input_audio", "audio": audio}]}
    socket.send("conversation.item.create", item=item)
    shown = socket.until("conversation.item.done")[-1]["item"]["content"]
    assert shown == [{"type": "input_audio", "transcript": None}]
    socket.send("response.create")
    usage = socket.until("response.done")[-1]["response"]["usage"]
    assert usage["input_token_details"]["audio_tokens"] == 16


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
