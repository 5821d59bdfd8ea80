"""`conversation.item.create`: what was typed or recorded elsewhere, and earlier answers, join the conversation."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from edge_llasm.serve.api_errors import bad_request
from edge_llasm.serve.conversation import Conversation
from edge_llasm.serve.fields import Fields
from edge_llasm.serve.pcm import PcmSource, pcm_from
from edge_llasm.serve.realtime_events import Events
from edge_llasm.serve.realtime_shape import message, new_id

__all__ = ["create_item"]

Samples = npt.NDArray[np.float32]  # (n_samples,) f32, 16 kHz


async def create_item(chat: Conversation, events: Events, event: Fields) -> None:
    """Raises ApiError, and then the conversation is what it was."""
    item = event.table("item")
    event.finish({"previous_item_id": ()})
    item.choice("type", ("message",))
    name = item.text("id") or new_id("item")
    if item.choice("role", ("user", "assistant")) == "assistant":
        shown = _answer(chat, item, name)
    else:
        shown = _question(chat, item, name)
    await events.add(shown)


def _question(chat: Conversation, item: Fields, name: str) -> dict[str, Any]:
    """Parts of the next question."""
    parts: list[str | Samples] = []
    shown: list[dict[str, Any]] = []
    for i, one in enumerate(item.items("content")):
        part = Fields(one, item.path(f"content[{i}]"))
        if part.choice("type", ("input_text", "input_audio")) == "input_audio":
            data = pcm_from(part.text("audio"))
            source = PcmSource()
            source.feed(data)
            parts.append(source.end())
            shown.append({"type": "input_audio", "transcript": None})
        else:
            text = part.text("text")
            if not text or not text.strip():
                raise part.wrong("text", "something")
            parts.append(text)
            shown.append({"type": "input_text", "text": text})
        part.finish()
    if not parts:
        raise item.wrong("content", "a list with something in it")
    item.finish({"object": ("realtime.item",), "status": ("completed",)})
    chat.said = (*chat.said, *parts)
    return message(name, "user", "completed", shown)


def _answer(chat: Conversation, item: Fields, name: str) -> dict[str, Any]:
    """An earlier answer, so that a chat can go on over another socket."""
    text = ""
    for i, one in enumerate(item.items("content")):
        part = Fields(one, item.path(f"content[{i}]"))
        part.choice("type", ("output_text", "text"))
        text += part.text("text") or ""
        part.finish()
    item.finish({"object": ("realtime.item",), "status": ("completed", "incomplete")})
    said = tuple(part for part in chat.said if isinstance(part, str))
    if not text or not said or len(said) < len(chat.said):
        raise bad_request("an assistant's item must have text, and follow a user's text", item.path("role"))
    chat.said = ()
    chat.remember(said, text)
    return message(name, "assistant", "completed", [{"type": "output_text", "text": text}])
