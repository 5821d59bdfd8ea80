"""Clients that hang up, in the middle of an answer and of a transcript."""

from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from edge_llasm.serve.limits import Limits
from tests.serve.load import form
from tests.serve.running import PATIENCE_S, asking, backend_for, dumps_of, fetch, hosted, until
from tests.serve.stepwise import Stepwise

CHAT, WRITTEN = "/v1/chat/completions", "/v1/audio/transcriptions"


def request(path: str, stream: bool, recording: Path) -> tuple[bytes, str]:
    """A body, and its kind."""
    if path == CHAT:
        return dumps_of(asking("hello", stream=stream, max_tokens=400)), "application/json"
    return form(recording.read_bytes(), model="tiny", stream=str(stream).lower())


@pytest.mark.parametrize("path", [CHAT, WRITTEN])
@pytest.mark.parametrize("stream", [True, False])
def test_who_hangs_up_ends_the_answer_within_a_token(
    tiny_bundle: Path, speech: Path, path: str, stream: bool
) -> None:
    backend = backend_for(tiny_bundle, Limits(), Stepwise)
    with hosted(backend) as url:
        assistant: Any = backend.decoder.assistant
        body, kind = request(path, stream, speech)
        place = urlsplit(url)
        client = HTTPConnection(str(place.hostname), place.port, timeout=PATIENCE_S)
        assistant.steps.release(3)
        client.request("POST", path, body, {"Content-Type": kind})
        if stream:
            assert client.getresponse().readline().startswith(b"data: ")
        until(lambda: assistant.written == 3)
        client.close()
        until(lambda: not backend.decoder.busy)
        assert assistant.written <= 4
        status, page = fetch(url + "/metrics")
        assert status == 200
        assert b"edge_llasm_cancelled_total 1.0" in page
