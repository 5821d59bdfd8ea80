"""Errors as OpenAI's API tells them: a status, and `{"error": {"message", "type", "param", "code"}}`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from starlette.responses import Response

from edge_llasm.errors import AudioError, EdgeLlasmError, GrammarError, NoSpeech, PromptTooLong

__all__ = ["ApiError", "JsonResponse", "bad_request", "dumps", "translated", "unsupported"]


class ApiError(Exception):
    """A request that is refused, or that failed."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        kind: str = "invalid_request_error",
        param: str | None = None,
        code: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status, self.message, self.kind, self.param, self.code = status, message, kind, param, code
        self.headers = dict(headers or {})

    @property
    def body(self) -> dict[str, Any]:
        error = {"message": self.message, "type": self.kind, "param": self.param, "code": self.code}
        return {"error": error}

    @property
    def response(self) -> Response:
        return JsonResponse(self.body, self.status, self.headers)


class JsonResponse(Response):
    """JSON in UTF-8; what is no character, such as half of one in a client's text, becomes a question mark."""

    media_type = "application/json"

    def __init__(self, content: object, status: int = 200, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(dumps(content), status, headers)


def dumps(content: object) -> bytes:
    """JSON on one line, UTF-8."""
    return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


def bad_request(message: str, param: str | None = None, code: str | None = None) -> ApiError:
    """400, for a request that is wrong in itself."""
    return ApiError(400, message, param=param, code=code)


def unsupported(param: str, message: str = "is not supported") -> ApiError:
    """400, for what the API knows and this server cannot do."""
    return ApiError(400, f"{param} {message}: leave it out", param=param, code="unsupported_parameter")


def translated(error: EdgeLlasmError, param: str | None = None) -> ApiError:
    """What the assistant raised, as the API says it; only what the client caused says why."""
    match error:
        case NoSpeech():
            return bad_request(str(error), param, "no_speech")
        case AudioError():
            return bad_request(str(error), param, "invalid_audio")
        case PromptTooLong():
            return bad_request(str(error), param or "messages", "context_length_exceeded")
        case GrammarError():
            return bad_request(str(error), "response_format", "invalid_schema")
    return ApiError(500, "the model failed on this request", kind="server_error", code="model_error")
