"""Transcriptions, in every form, with the tiny model behind the application."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from starlette.testclient import TestClient

from edge_llasm.audio import SAMPLE_RATE, load_audio
from edge_llasm.serve.subtitles import Segment, srt, vtt
from tests.serve.running import events_of

PATH = "/v1/audio/transcriptions"


def post(app: TestClient, file: Path, **fields: Any) -> Any:
    with file.open("rb") as stream:
        return app.post(PATH, files={"file": (file.name, stream)}, data={"model": "tiny", **fields})


@pytest.fixture(scope="module")
def long(speech: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Somebody speaks twice, with a pause between that makes it two pieces: the window is 5 s."""
    said, pause = load_audio(speech), np.zeros(3 * SAMPLE_RATE, np.float32)
    file = tmp_path_factory.mktemp("long") / "long.flac"
    soundfile.write(file, np.concatenate([said, pause, said]), SAMPLE_RATE)
    return file


def test_what_was_said_is_written_down(app: TestClient, speech: Path) -> None:
    answered = post(app, speech)
    assert answered.status_code == 200
    body = answered.json()
    assert body["text"]
    assert body["usage"]["input_token_details"]["audio_tokens"] == 16
    assert body["usage"]["total_tokens"] == body["usage"]["input_tokens"] + body["usage"]["output_tokens"]
    text = post(app, speech, response_format="text")
    assert text.headers["content-type"].startswith("text/plain")
    assert text.text == body["text"] + "\n"


def test_pieces_have_their_times(app: TestClient, long: Path) -> None:
    body = post(app, long, response_format="verbose_json", language="en").json()
    said = len(load_audio(long)) / SAMPLE_RATE
    assert body["duration"] == pytest.approx(said, abs=0.01)
    assert body["language"] == "en"
    first, second = body["segments"]
    assert [first["id"], second["id"]] == [0, 1]
    assert 0 <= first["start"] < 1 < first["end"] < 5.1 < second["end"] <= said
    assert first["end"] <= second["start"]
    assert body["text"].replace(" ", "") == (first["text"] + second["text"]).replace(" ", "")


def test_subtitles_hold_the_same(app: TestClient, long: Path) -> None:
    segments = post(app, long, response_format="verbose_json").json()["segments"]
    wanted = [Segment(one["start"], one["end"], one["text"]) for one in segments]
    assert post(app, long, response_format="srt").text == srt(wanted)
    answered = post(app, long, response_format="vtt")
    assert answered.text == vtt(wanted)
    assert answered.headers["content-type"].startswith("text/vtt")


def test_subtitles_are_written_as_the_formats_want() -> None:
    segments = [Segment(0, 1.5, "one"), Segment(3661.0004, 3662, "a <b> & c")]
    assert srt(segments) == (
        "1\n00:00:00,000 --> 00:00:01,500\none\n\n2\n01:01:01,000 --> 01:01:02,000\na <b> & c\n"
    )
    assert vtt(segments) == (
        "WEBVTT\n\n00:00:00.000 --> 00:00:01.500\none\n\n01:01:01.000 --> 01:01:02.000\na &lt;b&gt; &amp; c\n"
    )


def test_the_stream_says_the_same(app: TestClient, long: Path) -> None:
    text = post(app, long).json()["text"]
    *deltas, done = events_of(post(app, long, stream="true").content)
    assert {delta["type"] for delta in deltas} == {"transcript.text.delta"}
    assert "".join(delta["delta"] for delta in deltas) == done["text"] == text
    assert done["type"] == "transcript.text.done"


@pytest.mark.parametrize(
    ("key", "value", "param"),
    [
        ("language", "fr", "language"),
        ("language", "english", "language"),
        ("response_format", "xml", "response_format"),
        ("prompt", "Names: Li Bai", "prompt"),
        ("temperature", "hot", "temperature"),
        ("temperature", "nan", "temperature"),
        ("temperature", "-1", "temperature"),
        ("include[]", "logprobs", "include"),
        ("timestamp_granularities[]", "word", "timestamp_granularities"),
        ("timestamp_granularities[]", "segment", "timestamp_granularities"),
        ("chunking_strategy", "manual", "chunking_strategy"),
        ("stream", "maybe", "stream"),
        ("nonsense", "1", "nonsense"),
        ("model", "whisper-9", "model"),
    ],
)
def test_what_cannot_be_honoured_is_refused_by_name(
    app: TestClient, speech: Path, key: str, value: str, param: str
) -> None:
    refused = post(app, speech, **{key: value})
    assert refused.status_code == (404 if key == "model" else 400)
    assert refused.json()["error"]["param"] == param


def test_subtitles_cannot_be_streamed(app: TestClient, speech: Path) -> None:
    refused = post(app, speech, stream="true", response_format="srt")
    assert refused.json()["error"]["param"] == "stream"


@pytest.mark.parametrize("key", ["language", "prompt", "chunking_strategy", "temperature"])
def test_empty_and_true_fields_are_let_pass(app: TestClient, speech: Path, key: str) -> None:
    value = {"language": "zh-CN", "prompt": "", "chunking_strategy": "auto", "temperature": "0"}[key]
    assert post(app, speech, **{key: value}).status_code == 200


def test_the_name_that_other_programs_have_built_in_is_understood(app: TestClient, speech: Path) -> None:
    assert post(app, speech, model="whisper-1").status_code == 200


def test_segments_may_be_asked_for_by_name(app: TestClient, speech: Path) -> None:
    fields = {"response_format": "verbose_json", "timestamp_granularities[]": "segment"}
    assert post(app, speech, **fields).status_code == 200


def test_a_form_without_a_recording_is_refused(app: TestClient, silence: Path) -> None:
    for request in (
        {"data": {"model": "tiny"}},
        {"files": {"file": ("a.wav", b"")}, "data": {"model": "tiny"}},
        {"data": {"model": "tiny", "file": "text"}},
        {"content": b"--x\r\n", "headers": {"Content-Type": "multipart/form-data; boundary=x"}},
        {"content": b"--", "headers": {"Content-Type": "multipart/form-data"}},
        {"json": {"model": "tiny"}},
        {"files": [("file", b"a"), ("file", b"b")], "data": {"model": "tiny"}},
        {"files": {"other": b"a"}, "data": {"model": "tiny"}},
    ):
        refused = app.post(PATH, **request)  # type: ignore[arg-type]
        assert refused.status_code in (400, 404), refused.text
        assert refused.json()["error"]["type"] == "invalid_request_error"
    assert post(app, silence).json()["error"]["code"] == "no_speech"
    assert post(app, silence, stream="true").status_code == 400


def test_a_path_in_a_files_name_is_only_a_name(app: TestClient, speech: Path) -> None:
    with speech.open("rb") as stream:
        files = {"file": ("../../etc/passwd", stream)}
        assert app.post(PATH, files=files, data={"model": "tiny"}).status_code == 200
