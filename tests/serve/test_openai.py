"""The official client, unchanged, against the real command with nano."""

import base64
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("openai", reason="the official client is not installed")

import openai
from openai import OpenAI
from pydantic import BaseModel

from tests.serve.running import PATIENCE_S, Command, audio_part, pcm_of, slices

pytestmark = pytest.mark.filterwarnings(  # how the client itself opens its socket
    "ignore:connect\\(\\) must be used as a context manager:DeprecationWarning"
)
SUM, FUNCTION, POET = "35 + 48 = 83", "```python\ndef parse_date():\n    pass\n```", "Tang dynasty"


@pytest.fixture(scope="module")
def client(nano: Command) -> Iterator[OpenAI]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("no_proxy", "*")
        with OpenAI(base_url=nano.url + "/v1", api_key="none", max_retries=0, timeout=PATIENCE_S) as client:
            yield client


def test_a_spoken_question_is_answered(client: OpenAI, demo: dict[str, Path]) -> None:
    answer = client.chat.completions.create(
        model="nano", messages=[{"role": "user", "content": [audio_part(demo["3"])]}]
    )
    assert answer.choices[0].message.content == SUM
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage is not None
    assert answer.usage.prompt_tokens_details is not None
    assert answer.usage.prompt_tokens_details.audio_tokens == 48


def test_an_answer_streams(client: OpenAI, demo: dict[str, Path]) -> None:
    stream = client.chat.completions.create(
        model="nano",
        messages=[{"role": "user", "content": [audio_part(demo["1"])]}],
        stream=True,
        stream_options={"include_usage": True},
    )
    chunks = list(stream)
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == FUNCTION
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.completion_tokens > 5


def test_a_chat_goes_on_with_its_earlier_recordings(client: OpenAI, demo: dict[str, Path]) -> None:
    messages = [{"role": "user", "content": [audio_part(demo["1"])]}]
    first = client.chat.completions.create(model="nano", messages=messages)
    messages += [
        {"role": "assistant", "content": first.choices[0].message.content},
        {"role": "user", "content": [audio_part(demo["4"])]},
    ]
    second = client.chat.completions.create(model="nano", messages=messages)
    assert POET in (second.choices[0].message.content or "")
    assert first.usage is not None
    assert second.usage is not None
    assert second.usage.prompt_tokens_details is not None
    assert (second.usage.prompt_tokens_details.cached_tokens or 0) >= first.usage.prompt_tokens


class Command_(BaseModel):
    """What a spoken command may be."""

    action: str
    line: int | None
    sure: bool


@pytest.mark.parametrize("number", ["1", "2", "3", "4"])
@pytest.mark.parametrize("temperature", [0, 1.5])
def test_a_spoken_command_becomes_json_of_the_schema(
    client: OpenAI, demo: dict[str, Path], number: str, temperature: float
) -> None:
    schema = Command_.model_json_schema()
    schema["properties"]["action"]["maxLength"] = 12
    answer = client.chat.completions.create(
        model="nano",
        messages=[{"role": "user", "content": [audio_part(demo[number])]}],
        temperature=temperature,
        seed=int(number),
        response_format={
            "type": "json_schema",
            "json_schema": {"name": "command", "strict": True, "schema": schema},
        },
    )
    assert answer.choices[0].finish_reason == "stop"
    Command_.model_validate_json(answer.choices[0].message.content or "")


def test_the_clients_own_parsing_works(client: OpenAI, demo: dict[str, Path]) -> None:
    class Answer(BaseModel):
        number: int

    parsed = client.chat.completions.parse(
        model="nano", messages=[{"role": "user", "content": [audio_part(demo["3"])]}], response_format=Answer
    )
    assert parsed.choices[0].message.parsed is not None
    assert isinstance(parsed.choices[0].message.parsed.number, int)


def test_a_recording_is_transcribed(client: OpenAI, demo: dict[str, Path]) -> None:
    with demo["2"].open("rb") as stream:
        written = client.audio.transcriptions.create(model="whisper-1", file=stream, language="zh")
    assert written.text == "把 total 打印出来"


def test_a_transcript_streams(client: OpenAI, demo: dict[str, Path]) -> None:
    with demo["1"].open("rb") as stream:
        *deltas, done = client.audio.transcriptions.create(model="nano", file=stream, stream=True)
    assert done.type == "transcript.text.done"
    assert done.text == "define a function called parse date"
    assert "".join(one.delta for one in deltas if one.type == "transcript.text.delta") == done.text


def test_a_transcript_has_times(client: OpenAI, demo: dict[str, Path]) -> None:
    with demo["1"].open("rb") as stream:
        written = client.audio.transcriptions.create(
            model="nano", file=stream, response_format="verbose_json", timestamp_granularities=["segment"]
        )
    assert written.segments is not None
    assert 0 <= written.segments[0].start < written.segments[0].end <= float(written.duration)


def test_the_model_is_listed(client: OpenAI) -> None:
    assert [model.id for model in client.models.list()] == ["nano"]
    assert client.models.retrieve("nano").id == "nano"


def test_errors_are_the_clients_own(client: OpenAI, demo: dict[str, Path]) -> None:
    asked = [{"role": "user", "content": "hello"}]
    with pytest.raises(openai.BadRequestError) as refused:
        client.chat.completions.create(model="nano", messages=asked, n=2)
    assert refused.value.param == "n"
    assert refused.value.code == "unsupported_parameter"
    with pytest.raises(openai.BadRequestError) as refused:
        client.chat.completions.create(
            model="nano",
            messages=asked,
            tools=[{"type": "function", "function": {"name": "x", "parameters": {}}}],
        )
    assert refused.value.param == "tools"
    with pytest.raises(openai.NotFoundError) as missing:
        client.chat.completions.create(model="gpt-5", messages=asked)
    assert missing.value.code == "model_not_found"
    with pytest.raises(openai.BadRequestError), demo["1"].open("rb") as stream:
        client.audio.transcriptions.create(model="nano", file=stream, language="fr")
    with pytest.raises(openai.NotFoundError):
        client.embeddings.create(model="nano", input="x")


def test_a_spoken_turn_over_the_realtime_socket(client: OpenAI, demo: dict[str, Path]) -> None:
    with client.realtime.connect(model="nano") as connection:
        assert connection.recv().type == "session.created"
        connection.session.update(
            session={
                "type": "realtime",
                "output_modalities": ["text"],
                "audio": {"input": {"turn_detection": None}},
            }
        )
        for audio in slices(pcm_of(demo["3"])):
            connection.input_audio_buffer.append(audio=audio)
        connection.input_audio_buffer.commit()
        connection.response.create()
        text = ""
        for event in connection:
            if event.type == "response.output_text.delta":
                text += event.delta
            elif event.type == "response.done":
                assert event.response.status == "completed"
                assert event.response.usage is not None
                break
            assert event.type != "error", event
    assert text == SUM


def test_speech_over_the_realtime_socket_ends_by_a_pause(client: OpenAI, demo: dict[str, Path]) -> None:
    with client.realtime.connect(model="nano") as connection:
        for audio in slices(pcm_of(demo["4"], silence_s=1.5)):
            connection.input_audio_buffer.append(audio=audio)
        kinds, text = [], ""
        for event in connection:
            kinds.append(event.type)
            if event.type == "response.output_text.done":
                text = event.text
            if event.type == "response.done":
                break
    assert POET in text
    order = ["session.created", "input_audio_buffer.speech_started", "input_audio_buffer.speech_stopped",
             "input_audio_buffer.committed", "response.created", "response.done"]  # fmt: skip
    assert [kind for kind in kinds if kind in order] == order


def test_a_data_url_is_a_recording_too(client: OpenAI, demo: dict[str, Path]) -> None:
    data = base64.b64encode(demo["3"].read_bytes()).decode()
    part = {"type": "audio_url", "audio_url": {"url": f"data:audio/ogg;base64,{data}"}}
    answer = client.chat.completions.create(
        model="nano",
        messages=[{"role": "user", "content": [part]}],  # type: ignore[list-item, misc]
    )
    assert answer.choices[0].message.content == SUM
