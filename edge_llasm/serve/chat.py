"""A chat completion's request: what OpenAI's API calls messages -> turns, and how they are to be answered."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from edge_llasm.bundle import Bundle
from edge_llasm.composer import default_sampling
from edge_llasm.json_grammar import JSON_OBJECT, json_grammar
from edge_llasm.prompt import TEMPLATES, Spoken, Turn
from edge_llasm.sampling import Sampling
from edge_llasm.serve.api_errors import ApiError, bad_request, unsupported
from edge_llasm.serve.attached import attached_audio
from edge_llasm.serve.fields import Fields
from edge_llasm.serve.limits import Limits

__all__ = ["Asked", "ChatRequest", "check_model", "parse_chat"]

NEUTRAL: Mapping[str, Sequence[Any]] = {
    "audio": (),
    "frequency_penalty": (0, 0.0),
    "function_call": ("none",),
    "functions": ([],),
    "logit_bias": ({},),
    "logprobs": (False,),
    "metadata": ({},),
    "modalities": (["text"],),
    "moderation": (),
    "n": (1,),
    "parallel_tool_calls": (True, False),
    "prediction": (),
    "presence_penalty": (0, 0.0),
    "prompt_cache_retention": (),
    "reasoning_effort": ("none",),
    "service_tier": ("auto", "default"),
    "store": (False,),
    "tool_choice": ("none", "auto"),
    "tools": ([],),
    "top_logprobs": (0,),
    "verbosity": (),
    "web_search_options": (),
}
"""What OpenAI's API has and this one has not, and the values that ask for nothing"""
MAX_STOPS = 4
MAX_STOP = 256
"""Characters"""
MAX_MESSAGES = 1_000


@dataclass(frozen=True)
class Asked:
    """A turn whose recordings are not heard yet."""

    user: tuple[str | bytes, ...]
    """texts and the files of recordings, in order"""
    answer: str | None = None

    def heard(self, hear: Callable[[bytes], Spoken]) -> Turn:
        return Turn(tuple(hear(part) if isinstance(part, bytes) else part for part in self.user), self.answer)


@dataclass(frozen=True)
class ChatRequest:
    """A checked request."""

    turns: tuple[Asked, ...]
    """the last one is unanswered"""
    system: str | None
    """None: the model's own"""
    options: Sampling
    stop: tuple[str, ...]
    drop: bool
    """whether turns that do not fit the context may be forgotten, the oldest first"""
    stream: bool
    include_usage: bool
    user: str
    """whom the client asks for; "" if it does not say"""


def parse_chat(body: object, bundle: Bundle, names: Sequence[str], limits: Limits) -> ChatRequest:
    """Check a body, as `json.loads` gives it. Raises ApiError that names the parameter, GrammarError."""
    fields = Fields(body)
    check_model(fields, names)
    system, turns = _conversation(fields.take("messages"), limits)
    if system is not None and not (
        TEMPLATES[bundle.template].system_before or TEMPLATES[bundle.template].system_inside
    ):
        raise unsupported("messages", "has a system text, for which this model has no place")
    options, stop = _sampling(fields, bundle), _stop(fields)
    stream = fields.truth("stream")
    stream_options = fields.table("stream_options")
    include_usage = stream_options.truth("include_usage")
    stream_options.finish({"include_obfuscation": (False,)})
    if fields.has("stream_options") and not stream:
        raise bad_request("stream_options needs stream", "stream_options", "invalid_value")
    truncation = fields.choice("truncation", ("disabled", "auto"))
    user = fields.text("safety_identifier") or fields.text("user") or ""
    fields.text("user")
    fields.text("prompt_cache_key")  # a hint: what can be reused is found by its content
    fields.finish(NEUTRAL)
    return ChatRequest(turns, system, options, stop, truncation == "auto", stream, include_usage, user)


def check_model(fields: Fields, names: Sequence[str]) -> None:
    """Raises ApiError for a model that is not the one that is served."""
    name = fields.text("model")
    if name is None:
        raise fields.wrong("model", f"given: {names[0]}")
    if name not in names:
        raise ApiError(
            404, f"there is no model {name!r} here, only {names[0]}", param="model", code="model_not_found"
        )


def _conversation(messages: object, limits: Limits) -> tuple[str | None, tuple[Asked, ...]]:
    if not isinstance(messages, list) or not messages:
        raise bad_request("messages must be a list with something in it", "messages", "invalid_value")
    if len(messages) > MAX_MESSAGES:
        raise bad_request(f"messages holds more than {MAX_MESSAGES}", "messages", "invalid_value")
    system: str | None = None
    turns: list[Asked] = []
    said: list[str | bytes] = []  # by the user, not answered yet
    for i, one in enumerate(messages):
        message = Fields(one, f"messages[{i}]")
        role = message.choice("role", ("system", "developer", "user", "assistant", "tool", "function"))
        if role in ("tool", "function"):
            raise unsupported(message.path("role"), f"{role!r} is not supported")
        if role is None:
            raise message.wrong("role", "system, developer, user or assistant")
        parts = _parts(message, audio=role == "user")
        message.finish({"tool_calls": ([],), "function_call": (), "audio": (), "refusal": (), "name": ()})
        if role == "user":
            said += parts
        elif role == "assistant":
            if not said:
                raise bad_request(
                    f"{message.path('role')}: an assistant's message must follow a user's",
                    message.path("role"),
                    "invalid_value",
                )
            turns.append(Asked(tuple(said), "\n".join(map(str, parts))))
            said = []
        elif not said and not turns:
            system = "\n".join([*([] if system is None else [system]), *map(str, parts)])
        else:
            raise unsupported(message.path("role"), f"{role!r} is only supported before the first question")
    if not said:
        raise bad_request("the last message must be a user's", "messages", "invalid_value")
    turns.append(Asked(tuple(said)))
    for turn in turns:
        if not any(isinstance(part, bytes) or part.strip() for part in turn.user):
            raise bad_request(
                "a user's message is empty: it needs text or audio", "messages", "invalid_value"
            )
    if sum(isinstance(part, bytes) for turn in turns for part in turn.user) > limits.recordings:
        raise bad_request(f"messages holds more than {limits.recordings} recordings", "messages")
    return system, tuple(turns)


def _parts(message: Fields, audio: bool) -> list[str | bytes]:
    content = message.take("content")
    if isinstance(content, str):
        return [content]
    if not isinstance(content, list) or not content:
        raise message.wrong("content", "a string, or a list with something in it")
    parts: list[str | bytes] = []
    for i, one in enumerate(content):
        part = Fields(one, message.path(f"content[{i}]"))
        kind = part.text("type")
        if kind == "text":
            text = part.text("text")
            if text is None:
                raise part.wrong("text", "a string")
            part.finish()
            parts.append(text)
        elif kind in ("input_audio", "audio_url") and audio:
            parts.append(attached_audio(part))
        else:
            known = "text, input_audio" if audio else "text"
            raise unsupported(part.path("type"), f"is {kind!r}, and only {known} can be read here")
    return parts


def _sampling(fields: Fields, bundle: Bundle) -> Sampling:
    options = default_sampling(bundle)
    for key in ("temperature", "top_p", "min_p"):
        if (value := fields.number(key)) is not None:
            options = _with(options, key, value)
    if (seed := fields.integer("seed")) is not None:
        options = _with(options, "seed", seed)
    longest = fields.integer("max_completion_tokens")
    older = fields.integer("max_tokens")
    if longest is not None and older is not None and longest != older:
        raise fields.wrong("max_tokens", "the same as max_completion_tokens, or absent")
    for key, most in (("max_tokens", older), ("max_completion_tokens", longest)):
        if most is not None and most < 1:
            raise fields.wrong(key, "at least 1")
        if most is not None:
            options = replace(options, max_tokens=most)
    if (schema := _schema(fields)) is not None:
        options = replace(options, grammar=json_grammar(schema), guard=None)  # JSON may repeat itself
    return options


def _with(options: Sampling, key: str, value: float) -> Sampling:
    try:
        return replace(options, **{key: value})  # type: ignore[arg-type]
    except ValueError as error:
        raise bad_request(str(error), key, "invalid_value") from error


def _schema(fields: Fields) -> Mapping[str, Any] | None:
    """What the answer must be; None: free text."""
    if not fields.has("response_format"):
        return None
    form = fields.table("response_format")
    kind = form.choice("type", ("text", "json_object", "json_schema"))
    if kind is None:
        raise form.wrong("type", "text, json_object or json_schema")
    schema: Mapping[str, Any] | None = JSON_OBJECT if kind == "json_object" else None
    if kind == "json_schema":
        wrapped = form.table("json_schema")
        wrapped.text("name"), wrapped.text("description"), wrapped.truth("strict")
        schema = wrapped.take("schema")
        if not isinstance(schema, dict):
            raise wrapped.wrong("schema", "a JSON schema")
        wrapped.finish()
    form.finish()
    return schema


def _stop(fields: Fields) -> tuple[str, ...]:
    value = fields.take("stop")
    stops = [value] if isinstance(value, str) else value or []
    if not isinstance(stops, list) or len(stops) > MAX_STOPS:
        raise fields.wrong("stop", f"a string, or a list of at most {MAX_STOPS}")
    if not all(isinstance(one, str) and 0 < len(one) <= MAX_STOP for one in stops):
        raise fields.wrong("stop", f"strings of 1 to {MAX_STOP} characters")
    return tuple(stops)
