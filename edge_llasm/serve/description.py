"""What the API takes and gives, in the words of OpenAPI 3.1; programs make clients of it, tests take it at its word.

Only what is honoured stands there. OpenAI's other parameters may be absent, null, or have a value that asks for
nothing; the order of a chat's messages, and what is in a recording, no schema can tell.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from edge_llasm.sampling import MAX_SEED
from edge_llasm.serve.attached import FORMATS as SOUNDS
from edge_llasm.serve.backend import Backend
from edge_llasm.serve.chat import MAX_MESSAGES, MAX_STOP, MAX_STOPS
from edge_llasm.serve.transcriptions import FORMATS, HARD_WIRED

__all__ = ["describe"]

Schema = dict[str, Any]
TEXT: Schema = {"type": "string"}
COUNT: Schema = {"type": "integer", "minimum": 0}
NUMBER: Schema = {"type": "number", "minimum": 0}
NOTHING: Schema = {"type": "null"}
EVENT: Schema = {"type": "object", "properties": {"data": TEXT}, "required": ["data"]}
"""Of a stream"""
SAID: Schema = {"type": "string", "pattern": r"\S"}
TRUTH: Schema = {"type": "boolean"}


def describe(backend: Backend, version: str, *, token: bool) -> Schema:
    """The document; `token`: whether one is demanded."""
    paths = {
        "/v1/chat/completions": {"post": _chat(backend)},
        "/v1/audio/transcriptions": {"post": _transcription(backend)},
        "/v1/models": {"get": _get("The one model there is", _listed(backend))},
        "/v1/models/{name}": {"get": _get("It alone", _model(backend), name=True)},
        "/health": {
            "get": _get(
                "Whether questions are answered", _object({"status": TEXT, "loaded": {"type": "boolean"}})
            )
        },
        "/metrics": {"get": _get("For Prometheus", TEXT, kind="text/plain")},
        "/openapi.json": {"get": _get("This description", {"type": "object"})},
    }
    document: Schema = {
        "openapi": "3.1.0",
        "info": {
            "title": "edge-llasm",
            "version": version,
            "description": "OpenAI's API for a model that hears. WS /v1/realtime is not described here.",
        },
        "paths": paths,
    }
    if token:
        document["components"] = {"securitySchemes": {"token": {"type": "http", "scheme": "bearer"}}}
        document["security"] = [{"token": []}]
    return document


def _chat(backend: Backend) -> Schema:
    sound = _one(
        _object(
            {
                "type": {"const": "input_audio"},
                "input_audio": _object({"data": SAID, "format": {"enum": list(SOUNDS)}}),
            }
        ),
        _object(
            {"type": {"const": "audio_url"}, "audio_url": _object({"url": {**TEXT, "pattern": "^data:"}})}
        ),
    )
    text = _object({"type": {"const": "text"}, "text": TEXT})
    messages = _one(
        _message(["system", "developer", "assistant"], TEXT, text),
        _message(["user"], SAID, _one(text, *sound["anyOf"])),
    )
    most = {"type": "integer", "minimum": 1}
    stop = {**TEXT, "minLength": 1, "maxLength": MAX_STOP}
    schema = _object({"schema": {"type": "object"}}, {"name": TEXT, "description": TEXT, "strict": TRUTH})
    asked = _object(
        {
            "model": {"enum": list(backend.names)},
            "messages": {"type": "array", "minItems": 1, "maxItems": MAX_MESSAGES, "items": messages},
        },
        {
            "stream": TRUTH,
            "temperature": {"type": "number", "minimum": 0, "maximum": 10},
            "top_p": {"type": "number", "exclusiveMinimum": 0, "maximum": 1},
            "min_p": {"type": "number", "minimum": 0, "maximum": 1},
            "seed": {"type": "integer", "minimum": 0, "maximum": MAX_SEED},
            "max_tokens": most,
            "max_completion_tokens": most,
            "stop": _one(stop, {"type": "array", "maxItems": MAX_STOPS, "items": stop}),
            "response_format": _one(
                _object({"type": {"enum": ["text", "json_object"]}}),
                _object({"type": {"const": "json_schema"}, "json_schema": schema}),
            ),
            "stream_options": _object({}, {"include_usage": TRUTH}),
            "truncation": {"enum": ["disabled", "auto"]},
            "user": TEXT,
            "safety_identifier": TEXT,
            "prompt_cache_key": TEXT,
        },
    )
    example = {"model": backend.names[0], "messages": [{"role": "user", "content": "hello"}]}
    body = {"application/json": {"schema": asked, "example": example}}
    message = _object({"role": {"const": "assistant"}, "content": TEXT, "refusal": NOTHING})
    reason = {"enum": ["stop", "length"]}
    choice = _object(
        {"index": {"const": 0}, "message": message, "logprobs": NOTHING, "finish_reason": reason}
    )
    usage = _object(
        {
            "prompt_tokens": COUNT,
            "completion_tokens": COUNT,
            "total_tokens": COUNT,
            "prompt_tokens_details": _object({"audio_tokens": COUNT, "cached_tokens": COUNT}),
            "completion_tokens_details": _object({"audio_tokens": COUNT, "reasoning_tokens": COUNT}),
        }
    )
    answer = _object(
        {
            "id": TEXT,
            "object": {"const": "chat.completion"},
            "created": COUNT,
            "model": TEXT,
            "choices": {"type": "array", "minItems": 1, "maxItems": 1, "items": choice},
            "usage": usage,
            "timings": _timings(),
        }
    )
    return {
        "summary": "Answer a chat, spoken and typed",
        "requestBody": {"required": True, "content": body},
        "responses": _responses({"application/json": answer, "text/event-stream": EVENT}),
    }


def _transcription(backend: Backend) -> Schema:
    tags = sorted({tag.partition("-")[0].lower() for tag in backend.bundle.languages})
    asked = _object(
        {
            "file": {"type": "string", "format": "binary", "minLength": 1},
            "model": {"enum": [*backend.names, HARD_WIRED]},
        },
        {
            "language": {"enum": tags},
            "response_format": {"enum": list(FORMATS)},
            "temperature": {"type": "number", "minimum": 0, "maximum": 10},
            "stream": {"enum": ["true", "false"]},
            "timestamp_granularities[]": {"enum": ["segment"]},
        },
        nullable=False,
    )
    tokens = _object(
        {
            "type": {"const": "tokens"},
            "input_tokens": COUNT,
            "input_token_details": _object({"audio_tokens": COUNT, "text_tokens": COUNT}),
            "output_tokens": COUNT,
            "total_tokens": COUNT,
        }
    )
    segment = _object({"id": COUNT, "start": NUMBER, "end": NUMBER, "text": TEXT})
    seconds = _object({"type": {"const": "duration"}, "seconds": NUMBER})
    written = _one(
        _object({"text": TEXT, "usage": tokens, "timings": _timings()}),
        _object(
            {
                "task": {"const": "transcribe"},
                "language": TEXT,
                "duration": NUMBER,
                "text": TEXT,
                "segments": {"type": "array", "items": segment},
                "usage": seconds,
                "timings": _timings(),
            }
        ),
    )
    kinds = {"application/json": written, "text/plain": TEXT, "text/vtt": TEXT, "text/event-stream": EVENT}
    return {
        "summary": "Write down what is said in a recording",
        "requestBody": {"required": True, "content": {"multipart/form-data": {"schema": asked}}},
        "responses": _responses(kinds),
    }


def _message(roles: list[str], text: Schema, part: Schema) -> Schema:
    parts = {"type": "array", "minItems": 1, "items": part}
    return _object({"role": {"enum": roles}, "content": _one(text, parts)})


def _listed(backend: Backend) -> Schema:
    models = {"type": "array", "items": _model(backend)}
    return _object({"object": {"const": "list"}, "data": models})


def _model(backend: Backend) -> Schema:
    return _object(
        {
            "id": {"enum": list(backend.names)},
            "object": {"const": "model"},
            "created": COUNT,
            "owned_by": TEXT,
        }
    )


def _timings() -> Schema:
    milliseconds = ("queue_ms", "speech_ms", "prefill_ms", "first_token_ms", "total_ms")
    ended = {"enum": ["stop", "length", "repetition"]}
    figures = dict.fromkeys((*milliseconds, "audio_seconds", "tokens_per_second"), NUMBER)
    return _object({**figures, "ended_by": ended})


def _get(summary: str, schema: Schema, *, kind: str = "application/json", name: bool = False) -> Schema:
    parameter = {"name": "name", "in": "path", "required": True, "schema": TEXT}
    return {
        "summary": summary,
        **({"parameters": [parameter]} if name else {}),
        "responses": _responses({kind: schema}),
    }


def _responses(answers: Mapping[str, Schema]) -> Schema:
    error = _object(
        {
            "message": TEXT,
            "type": TEXT,
            "param": {"type": ["string", "null"]},
            "code": {"type": ["string", "null"]},
        }
    )
    refused = {
        "description": "A refusal, and why",
        "content": {"application/json": {"schema": _object({"error": error})}},
    }
    content = {kind: {"schema": schema} for kind, schema in answers.items()}
    return {"200": {"description": "The answer", "content": content}, "4XX": refused, "5XX": refused}


def _object(
    needed: Mapping[str, Schema], free: Mapping[str, Schema] | None = None, *, nullable: bool = True
) -> Schema:
    """An object of these properties, and no others; `nullable`: what may be absent may be null as well."""
    if nullable:
        free = {key: _one(schema, NOTHING) for key, schema in (free or {}).items()}
    return {
        "type": "object",
        "properties": {**needed, **(free or {})},
        "required": list(needed),
        "additionalProperties": NOTHING if nullable else False,
    }


def _one(*schemas: Schema) -> Schema:
    return {"anyOf": list(schemas)}
