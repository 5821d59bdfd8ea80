"""Messages and responses as the realtime socket's events show them."""

from __future__ import annotations

from secrets import token_hex
from typing import Any

from edge_llasm.model import Chunk
from edge_llasm.serve.api_errors import ApiError
from edge_llasm.serve.completions import timings_of

__all__ = ["Answer", "message", "new_id"]


class Answer:
    """An answer as its events show it."""

    def __init__(self, model: str) -> None:
        self._model = model
        self.id, self.item_id = new_id("resp"), new_id("item")
        self.text = ""
        self.seconds = self.heard_ms = 0.0
        self.last: Chunk | None = None
        self.at = {"response_id": self.id, "output_index": 0}
        self.inside = {**self.at, "item_id": self.item_id, "content_index": 0}

    @property
    def ended(self) -> str | None:
        return None if self.last is None else self.last.finish_reason

    @property
    def part(self) -> dict[str, str]:
        return {"type": "output_text", "text": self.text}

    def item(self, status: str) -> dict[str, Any]:
        return message(self.item_id, "assistant", status, [self.part] if self.text else [])

    def shown(self, status: str, error: ApiError | None = None) -> dict[str, Any]:
        details: dict[str, Any] | None = None
        if error is not None:
            details = {"type": "failed", "error": error.body["error"]}
        elif status == "incomplete":
            details = {"type": "incomplete", "reason": "max_output_tokens"}
        elif status == "cancelled":
            details = {"type": "cancelled", "reason": "client_cancelled"}
        over = status != "in_progress" and error is None
        response: dict[str, Any] = {
            "object": "realtime.response",
            "id": self.id,
            "status": status,
            "status_details": details,
            "output_modalities": ["text"],
            "output": [self.item("completed" if status == "completed" else "incomplete")] if over else [],
            "usage": None,
        }
        if self.last is not None and self.last.timings is not None:
            timings = self.last.timings
            response["usage"] = {
                "total_tokens": timings.prompt_tokens + timings.generated_tokens,
                "input_tokens": timings.prompt_tokens,
                "output_tokens": timings.generated_tokens,
                "input_token_details": {
                    "audio_tokens": timings.audio_tokens,
                    "cached_tokens": timings.cached_tokens,
                    "text_tokens": timings.prompt_tokens - timings.audio_tokens,
                },
                "output_token_details": {"audio_tokens": 0, "text_tokens": timings.generated_tokens},
            }
            response["timings"] = timings_of(self.last, self.seconds, self.heard_ms)
        return response


def message(item: str, role: str, status: str, content: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "id": item,
        "object": "realtime.item",
        "type": "message",
        "status": status,
        "role": role,
        "content": content,
    }


def new_id(kind: str) -> str:
    return f"{kind}_{token_hex(8)}"
