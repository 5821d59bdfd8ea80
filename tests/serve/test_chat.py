"""Every parameter is honoured, or refused by its name."""

import base64
from pathlib import Path
from typing import Any

import pytest

from edge_llasm.bundle import Bundle
from edge_llasm.composer import default_sampling
from edge_llasm.errors import GrammarError
from edge_llasm.prompt import TEMPLATES, Template
from edge_llasm.serve.api_errors import ApiError
from edge_llasm.serve.chat import ChatRequest, parse_chat
from edge_llasm.serve.limits import Limits

LIMITS = Limits(recordings=3)
SOUND = {"type": "input_audio", "input_audio": {"data": base64.b64encode(b"sound").decode(), "format": "wav"}}
HELLO = [{"role": "user", "content": "hello"}]


@pytest.fixture(scope="module")
def bundle(tiny_bundle: Path) -> Bundle:
    return Bundle.load(tiny_bundle)


def parsed(bundle: Bundle, messages: Any = HELLO, **more: Any) -> ChatRequest:
    return parse_chat({"model": "tiny", "messages": messages, **more}, bundle, ("tiny",), LIMITS)


def said(*content: Any, role: str = "user") -> dict[str, Any]:
    return {"role": role, "content": list(content)}


def text(words: str) -> dict[str, str]:
    return {"type": "text", "text": words}


def test_parts_keep_their_order_in_every_turn(bundle: Bundle) -> None:
    messages = [
        {"role": "system", "content": "Be brief."},
        said(text("before"), SOUND, text("between"), SOUND),
        said(text("an answer"), role="assistant"),
        said(SOUND),
        {"role": "user", "content": "after"},
    ]
    chat = parsed(bundle, messages)
    assert chat.system == "Be brief."
    assert [turn.user for turn in chat.turns] == [
        ("before", b"sound", "between", b"sound"),
        (b"sound", "after"),
    ]
    assert [turn.answer for turn in chat.turns] == ["an answer", None]


def test_system_texts_before_the_first_question_are_one(bundle: Bundle) -> None:
    messages = [{"role": "system", "content": "Be brief."}, said(text("Be kind."), role="developer"), *HELLO]
    assert parsed(bundle, messages).system == "Be brief.\nBe kind."


def test_what_is_not_said_is_the_models_own(bundle: Bundle) -> None:
    chat = parsed(bundle)
    assert chat.options == default_sampling(bundle)
    assert (chat.system, chat.stop, chat.stream, chat.include_usage, chat.drop) == (
        None,
        (),
        False,
        False,
        False,
    )


def test_what_is_said_is_taken(bundle: Bundle) -> None:
    chat = parsed(
        bundle,
        temperature=1,
        top_p=0.5,
        min_p=0.1,
        seed=7,
        max_completion_tokens=9,
        max_tokens=9,
        stop=["a", "b"],
        stream=True,
        stream_options={"include_usage": True},
        truncation="auto",
        user="somebody",
    )
    options = chat.options
    assert (options.temperature, options.top_p, options.min_p) == (1, 0.5, 0.1)
    assert (options.seed, options.max_tokens) == (7, 9)
    assert (chat.stop, chat.stream, chat.include_usage, chat.drop) == (("a", "b"), True, True, True)
    assert chat.user == "somebody"
    assert parsed(bundle, stop="x").stop == ("x",)


def test_a_schema_becomes_a_grammar_and_repetition_is_allowed(bundle: Bundle) -> None:
    wanted = {
        "type": "json_schema",
        "json_schema": {"name": "x", "strict": True, "schema": {"type": "integer"}},
    }
    options = parsed(bundle, response_format=wanted).options
    assert options.grammar is not None
    assert options.guard is None
    assert parsed(bundle, response_format={"type": "json_object"}).options.grammar is not None
    assert parsed(bundle, response_format={"type": "text"}).options.grammar is None
    wanted["json_schema"] = {"name": "x", "schema": {"type": "string", "pattern": "a"}}
    with pytest.raises(GrammarError):
        parsed(bundle, response_format=wanted)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("n", 1), ("tools", []), ("tools", None), ("tool_choice", "none"), ("logprobs", False), ("logit_bias", {}),
        ("frequency_penalty", 0), ("presence_penalty", 0.0), ("modalities", ["text"]), ("store", False),
        ("service_tier", "auto"), ("temperature", None), ("stop", None), ("parallel_tool_calls", True),
        ("prompt_cache_key", "x"), ("max_tokens", None), ("stream_options", None),
    ],
)  # fmt: skip
def test_what_asks_for_nothing_is_let_pass(bundle: Bundle, key: str, value: Any) -> None:
    assert parsed(bundle, **{key: value}).options == default_sampling(bundle)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("n", 2), ("n", True), ("tools", [{"type": "function"}]), ("tool_choice", "required"), ("logprobs", True),
        ("top_logprobs", 3), ("logit_bias", {"1": 1}), ("frequency_penalty", 0.5), ("presence_penalty", -1),
        ("modalities", ["text", "audio"]), ("audio", {"voice": "x"}), ("store", True), ("metadata", {"a": "b"}),
        ("service_tier", "priority"), ("functions", [{}]), ("prediction", {}), ("reasoning_effort", "high"),
        ("web_search_options", {}), ("top_k", 5), ("repeat_penalty", 1.1), ("verbosity", "low"), ("nonsense", 1),
        ("temperature", "hot"), ("temperature", -1), ("temperature", 11), ("temperature", True), ("top_p", 0),
        ("top_p", 1.1), ("min_p", -0.1), ("seed", 1.5), ("seed", -1), ("seed", 2**32), ("max_tokens", 0),
        ("max_tokens", "9"), ("max_completion_tokens", -1), ("stop", 3), ("stop", [""]), ("stop", ["a"] * 5),
        ("stop", ["a" * 257]), ("stream", "yes"), ("stream_options", {"include_usage": True}), ("truncation", "left"),
        ("temperature", 10**400), ("user", 3),
    ],
)  # fmt: skip
def test_what_cannot_be_honoured_is_refused_by_name(bundle: Bundle, key: str, value: Any) -> None:
    with pytest.raises(ApiError) as raised:
        parsed(bundle, **{key: value})
    assert raised.value.status == 400
    assert raised.value.param == key
    assert raised.value.kind == "invalid_request_error"


def test_two_longest_answers_must_agree(bundle: Bundle) -> None:
    with pytest.raises(ApiError, match="max_completion_tokens"):
        parsed(bundle, max_tokens=3, max_completion_tokens=4)


@pytest.mark.parametrize(
    ("wanted", "param"),
    [
        ({"type": "xml"}, "response_format.type"),
        ({}, "response_format.type"),
        ("json", "response_format"),
        ({"type": "json_schema"}, "response_format.json_schema.schema"),
        ({"type": "json_schema", "json_schema": {"name": "x"}}, "response_format.json_schema.schema"),
        ({"type": "json_object", "schema": {}}, "response_format.schema"),
    ],
)
def test_a_response_format_that_is_none_is_refused(bundle: Bundle, wanted: Any, param: str) -> None:
    with pytest.raises(ApiError) as raised:
        parsed(bundle, response_format=wanted)
    assert raised.value.param == param


def audio(data: Any, form: Any = "wav", **more: Any) -> dict[str, Any]:
    return said({"type": "input_audio", "input_audio": {"data": data, "format": form, **more}})


ASSISTANT = {"role": "assistant", "content": "x"}
IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}


@pytest.mark.parametrize(
    ("messages", "param"),
    [
        (None, "messages"),
        ([], "messages"),
        ("hello", "messages"),
        (["hello"], "messages[0]"),
        ([{"content": "x"}], "messages[0].role"),
        ([{"role": "tool", "content": "x"}], "messages[0].role"),
        ([{"role": "robot", "content": "x"}], "messages[0].role"),
        ([{"role": "user"}], "messages[0].content"),
        ([{"role": "user", "content": 3}], "messages[0].content"),
        ([said()], "messages[0].content"),
        ([{"role": "user", "content": "  "}], "messages"),
        ([{"role": "user", "content": "x", "name": "me"}], "messages[0].name"),
        ([ASSISTANT, *HELLO], "messages[0].role"),
        ([*HELLO, ASSISTANT], "messages"),
        ([*HELLO, {**ASSISTANT, "tool_calls": [{}]}, *HELLO], "messages[1].tool_calls"),
        ([*HELLO, ASSISTANT, {"role": "system", "content": "x"}, *HELLO], "messages[2].role"),
        ([said(text("a"), IMAGE)], "messages[0].content[1].type"),
        ([said({"type": "file", "file": {}})], "messages[0].content[0].type"),
        ([said({"type": "text"})], "messages[0].content[0].text"),
        ([said(SOUND, role="system"), *HELLO], "messages[0].content[0].type"),
        ([audio("https://example.org/a.wav")], "messages[0].content[0].input_audio.data"),
        ([audio("file:///etc/passwd")], "messages[0].content[0].input_audio.data"),
        ([audio("/etc/passwd")], "messages[0].content[0].input_audio.data"),
        ([audio("!!!!")], "messages[0].content[0].input_audio.data"),
        ([audio("")], "messages[0].content[0].input_audio.data"),
        ([audio(None)], "messages[0].content[0].input_audio.data"),
        ([audio(7)], "messages[0].content[0].input_audio.data"),
        ([audio("é")], "messages[0].content[0].input_audio.data"),
        ([audio("AAAA", "pcm16")], "messages[0].content[0].input_audio.format"),
        ([audio("AAAA", None)], "messages[0].content[0].input_audio.format"),
        ([audio("AAAA", language="en")], "messages[0].content[0].input_audio.language"),
        ([audio("data:text/html,hello")], "messages[0].content[0].input_audio.data"),
        ([said(*[SOUND] * 4)], "messages"),
        (
            [said({"type": "audio_url", "audio_url": {"url": "http://x/y.wav"}})],
            "messages[0].content[0].audio_url.url",
        ),
        ([said({"type": "audio_url", "audio_url": {"url": "AAAA"}})], "messages[0].content[0].audio_url.url"),
    ],
)
def test_messages_that_cannot_be_read_are_refused_by_their_place(
    bundle: Bundle, messages: Any, param: str
) -> None:
    with pytest.raises(ApiError) as raised:
        parsed(bundle, messages)
    assert raised.value.status == 400
    assert raised.value.param == param


@pytest.mark.parametrize(
    "part",
    [
        {"type": "audio_url", "audio_url": {"url": "data:audio/webm;codecs=opus;base64,c291bmQ="}},
        {"type": "input_audio", "input_audio": {"data": "data:audio/wav;base64,c291bmQ="}},
        {"type": "input_audio", "input_audio": {"data": "c291bmQ=", "format": "m4a"}},
    ],
)
def test_recordings_come_in_base64_or_as_data_urls(bundle: Bundle, part: dict[str, Any]) -> None:
    assert parsed(bundle, [said(part)]).turns[0].user == (b"sound",)


@pytest.mark.parametrize("body", [None, [], "x", 3, {}, {"messages": HELLO}, {"model": 3, "messages": HELLO}])
def test_a_body_that_is_no_request_is_refused(bundle: Bundle, body: Any) -> None:
    with pytest.raises(ApiError):
        parse_chat(body, bundle, ("tiny",), LIMITS)


def test_another_model_is_not_there(bundle: Bundle) -> None:
    with pytest.raises(ApiError) as raised:
        parsed(bundle, model="gpt-5")
    assert (raised.value.status, raised.value.code) == (404, "model_not_found")


def test_a_template_without_a_place_for_a_system_text_says_so(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(TEMPLATES, bundle.template, Template("", "", "", "Q:", "A:", "", False, False))
    with pytest.raises(ApiError) as raised:
        parsed(bundle, [{"role": "system", "content": "x"}, *HELLO])
    assert raised.value.param == "messages"
