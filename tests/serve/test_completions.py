"""Chat completions, with the tiny model behind the application."""

import threading
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from edge_llasm.assistant import Assistant
from edge_llasm.serve.backend import Backend
from edge_llasm.serve.limits import Limits
from tests.serve.running import (
    DIRECT,
    asking,
    audio_part,
    backend_for,
    dumps_of,
    events_of,
    fetch,
    hosted,
    until,
)
from tests.serve.stepwise import Stepwise

PATH = "/v1/chat/completions"


def answer(app: TestClient, **request: Any) -> dict[str, Any]:
    response = app.post(PATH, json=request)
    assert response.status_code == 200, response.text
    return dict(response.json())


def content(answered: dict[str, Any]) -> str:
    return str(answered["choices"][0]["message"]["content"])


def test_a_spoken_question_is_answered_and_counted(app: TestClient, speech: Path) -> None:
    answered = answer(app, **asking("before", audio_part(speech), "after"))
    assert answered["object"] == "chat.completion"
    assert answered["model"] == "tiny"
    assert content(answered)
    assert answered["choices"][0]["finish_reason"] in ("stop", "length")
    usage, timings = answered["usage"], answered["timings"]
    assert usage["prompt_tokens_details"]["audio_tokens"] == 16
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]
    assert timings["audio_seconds"] == pytest.approx(1.9, abs=0.1)
    assert timings["first_token_ms"] <= timings["total_ms"]


def test_the_place_of_a_recording_matters(app: TestClient, speech: Path) -> None:
    part = audio_part(speech)
    answers = [answer(app, **asking(*parts)) for parts in ((part, "x y"), ("x y", part), ("x", part, "y"))]
    assert len({content(one) for one in answers}) == 3


def test_a_chat_that_goes_on_is_neither_heard_nor_read_again(
    app: TestClient, backend: Backend, speech: Path
) -> None:
    request = asking(audio_part(speech), audio_part(speech), "go on")
    first = answer(app, **request)
    found = backend.recordings.found
    request["messages"] += [
        {"role": "assistant", "content": content(first)},
        {"role": "user", "content": "and then?"},
    ]
    second = answer(app, **request)
    assert backend.recordings.found > found
    assert second["timings"]["speech_ms"] < first["timings"]["speech_ms"] or first["timings"]["speech_ms"] < 1
    cached = second["usage"]["prompt_tokens_details"]["cached_tokens"]
    assert cached >= first["usage"]["prompt_tokens"]


def test_chats_that_take_turns_keep_their_caches(app: TestClient) -> None:
    names = ["first " * 12, "second " * 12, "third " * 12]
    for name in names:
        answer(app, **asking(name))
    for name in names:
        answered = answer(app, **asking(name))
        usage = answered["usage"]
        assert usage["prompt_tokens"] - usage["prompt_tokens_details"]["cached_tokens"] == 1


def test_the_stream_says_the_same_as_the_whole(app: TestClient, speech: Path) -> None:
    request = asking(audio_part(speech))
    whole = answer(app, **request)
    response = app.post(PATH, json={**request, "stream": True, "stream_options": {"include_usage": True}})
    assert response.headers["content-type"].startswith("text/event-stream")
    events = events_of(response.content)
    *chunks, usage = events
    assert chunks[0]["choices"][0]["delta"] == {"role": "assistant", "content": ""}
    assert "".join(chunk["choices"][0]["delta"].get("content", "") for chunk in chunks) == content(whole)
    reasons = [chunk["choices"][0]["finish_reason"] for chunk in chunks]
    assert reasons == [None] * (len(chunks) - 1) + [whole["choices"][0]["finish_reason"]]
    assert usage["choices"] == []
    assert usage["usage"]["completion_tokens"] == whole["usage"]["completion_tokens"]
    assert {chunk["id"] for chunk in events} == {events[0]["id"]}
    assert all(chunk["usage"] is None for chunk in chunks)
    without = events_of(app.post(PATH, json={**request, "stream": True}).content)
    assert all("usage" not in chunk for chunk in without)


def test_stop_strings_and_lengths_are_kept(app: TestClient) -> None:
    whole = answer(app, **asking("hello", max_tokens=20))
    assert whole["choices"][0]["finish_reason"] == "length"
    assert whole["usage"]["completion_tokens"] == 20
    text = content(whole)
    stop = text[len(text) // 2 : len(text) // 2 + 3]
    cut = answer(app, **asking("hello", max_tokens=20, stop=stop))
    assert content(cut) == text[: text.index(stop)]
    assert cut["choices"][0]["finish_reason"] == "stop"


def test_a_seed_repeats_and_another_does_not(app: TestClient) -> None:
    said = [content(answer(app, **asking("hi", temperature=2, min_p=0, top_p=1, seed=s))) for s in (1, 1, 2)]
    assert said[0] == said[1] != said[2]


def test_a_system_text_changes_the_answer(app: TestClient) -> None:
    request = asking("hello")
    without = content(answer(app, **request))
    request["messages"].insert(0, {"role": "system", "content": "Speak like a pirate."})
    assert content(answer(app, **request)) != without


def test_a_chat_that_does_not_fit_is_refused_unless_it_may_be_cut(app: TestClient) -> None:
    request = asking("hello")
    for _ in range(20):
        request["messages"] += [
            {"role": "assistant", "content": "good day " * 5},
            {"role": "user", "content": "how are you " * 5},
        ]
    refused = app.post(PATH, json=request)
    assert refused.status_code == 400
    assert refused.json()["error"]["code"] == "context_length_exceeded"
    assert refused.json()["error"]["param"] == "messages"
    assert content(answer(app, **request, truncation="auto"))


def test_an_error_in_a_stream_has_its_status(app: TestClient, tmp_path: Path) -> None:
    broken = {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}}
    refused = app.post(PATH, json=asking(broken, stream=True))
    assert refused.status_code == 400
    assert refused.json()["error"]["code"] == "invalid_audio"


def test_silence_is_told(app: TestClient, silence: Path) -> None:
    for stream in (False, True):
        refused = app.post(PATH, json=asking(audio_part(silence), stream=stream))
        assert refused.status_code == 400
        assert refused.json()["error"]["code"] == "no_speech"


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"", "application/json"),
        (b"{", "application/json"),
        (b"[" * 100_000, "application/json"),
        (b'{"temperature": NaN}', "application/json"),
        (b"\xff\xfe", "application/json"),
        (b'{"seed": ' + b"9" * 5000 + b"}", "application/json"),
        (b"{}", "text/plain"),
        (b"{}", "application/x-www-form-urlencoded"),
    ],
)
def test_a_body_that_is_no_json_is_refused(app: TestClient, body: bytes, kind: str) -> None:
    refused = app.post(PATH, content=body, headers={"Content-Type": kind})
    assert refused.status_code == 400
    assert refused.json()["error"]["type"] == "invalid_request_error"


def test_half_characters_do_no_harm(app: TestClient) -> None:
    body = dumps_of(asking("\ud83d x", model="tiny"))
    assert app.post(PATH, content=body, headers={"Content-Type": "application/json"}).status_code == 200
    body = dumps_of(asking("x", model="\udc00"))
    refused = app.post(PATH, content=body, headers={"Content-Type": "application/json"})
    assert refused.status_code == 404
    refused.json()


def test_unknown_paths_and_methods_are_told_in_the_same_shape(app: TestClient) -> None:
    assert app.get(PATH).json()["error"]["message"] == "Method Not Allowed"
    assert app.get("/v1/embeddings").status_code == 404
    assert app.get("/v1/embeddings").json()["error"]["type"] == "invalid_request_error"


def test_the_model_is_listed(app: TestClient) -> None:
    listed = app.get("/v1/models").json()
    assert [one["id"] for one in listed["data"]] == ["tiny"]
    assert app.get("/v1/models/tiny").json() == listed["data"][0]
    assert app.get("/v1/models/other").status_code == 404


def test_what_happened_is_counted(app: TestClient, speech: Path) -> None:
    answer(app, **asking(audio_part(speech)))
    page = app.get("/metrics")
    assert page.headers["content-type"].startswith("text/plain")
    figures = dict(line.rsplit(" ", 1) for line in page.text.splitlines() if not line.startswith("#"))
    assert float(figures[f'edge_llasm_requests_total{{path="{PATH}",status="200"}}']) >= 1
    assert float(figures['edge_llasm_tokens_total{kind="generated"}']) > 0
    assert float(figures["edge_llasm_audio_seconds_total"]) > 1
    assert float(figures["edge_llasm_queue_seconds_count"]) >= 1
    assert float(figures["edge_llasm_queue_length"]) == 0


def test_before_the_model_is_there_health_and_questions_say_so(tiny_bundle: Path) -> None:
    gate = threading.Event()

    def late(assistant: Assistant) -> Assistant:
        gate.wait(60)
        return assistant

    from edge_llasm.serve.app import create_app

    backend = backend_for(tiny_bundle, Limits(), late)
    with TestClient(create_app(backend), base_url="http://localhost") as client:
        assert client.get("/health").status_code == 503
        assert client.get("/health").json() == {"status": "loading", "loaded": False}
        refused = client.post(PATH, json=asking("hello"))
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
        gate.set()
        until(lambda: client.get("/health").status_code == 200)
        assert client.post(PATH, json=asking("hello")).status_code == 200


def test_a_full_queue_says_when_to_come_back(tiny_bundle: Path) -> None:
    backend = backend_for(tiny_bundle, Limits(queue=1), Stepwise)
    with hosted(backend) as url:
        assistant: Any = backend.decoder.assistant
        body = dumps_of(asking("hello"))
        kind = {"Content-Type": "application/json"}
        answers: list[tuple[int, bytes]] = []
        threads = [
            threading.Thread(target=lambda: answers.append(fetch(url + PATH, body, kind))) for _ in range(2)
        ]
        threads[0].start()
        until(lambda: backend.decoder.busy)
        threads[1].start()
        until(lambda: backend.decoder.queued == 1)
        request = urllib.request.Request(url + PATH, body, kind)
        with pytest.raises(urllib.error.HTTPError) as refused:
            DIRECT.open(request)
        with refused.value as response:
            assert response.code == 429
            assert int(response.headers["Retry-After"]) >= 1
        assistant.steps.release(1000)
        for thread in threads:
            thread.join()
        assert [status for status, _ in answers] == [200, 200]


@pytest.mark.parametrize("told_by", ["user", "User-Agent"])
def test_who_asks_much_at_once_does_not_come_before_who_asks_little(tiny_bundle: Path, told_by: str) -> None:
    backend = backend_for(tiny_bundle, Limits(), Stepwise)
    with hosted(backend) as url:
        assistant: Any = backend.decoder.assistant

        def ask(client: str, question: str) -> None:
            named = {"user": client} if told_by == "user" else {}
            headers = {"Content-Type": "application/json"}
            if told_by == "User-Agent":
                headers["User-Agent"] = client
            fetch(url + PATH, dumps_of(asking(question, max_tokens=1, **named)), headers)

        threads = []
        for i, client in enumerate(["greedy"] * 4 + ["modest"]):
            threads.append(threading.Thread(target=ask, args=(client, f"{client} {i}")))
            threads[-1].start()
            until(lambda i=i: backend.decoder.busy and backend.decoder.queued == i)  # type: ignore[misc]
        assistant.steps.release(1000)
        for thread in threads:
            thread.join()
    order = [question for (question,) in assistant.asked]
    assert order == ["greedy 0", "greedy 1", "modest 4", "greedy 2", "greedy 3"]
