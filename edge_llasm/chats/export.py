"""A chat as a text for people, or as data for programs."""

import base64
import json
from datetime import datetime

from edge_llasm.chats.store import Chat, Exchange

__all__ = ["as_json", "as_markdown", "when"]


UNHEARD = "*[not heard from here:]*"


def when(seconds: float) -> str:
    """Since the epoch -> local time, to the minute."""
    return datetime.fromtimestamp(seconds).strftime("%Y-%m-%d %H:%M")


def as_markdown(chat: Chat, exchanges: list[Exchange]) -> str:
    """A heading for the chat; each question as a quotation, and the answer as it was written."""
    parts = [f"# {chat.title}", f"{chat.model}, {when(chat.began)}"]
    for exchange in exchanges:
        parts.append("\n".join(f"> {line}" for line in exchange.said.split("\n")))
        parts.append(_marked(exchange).strip() or "*no answer*")
        if exchange.finish_reason not in ("stop", "length", "repetition"):
            parts.append(f"*{exchange.finish_reason}*")
    return "\n\n".join(parts) + "\n"


def _marked(exchange: Exchange) -> str:
    """The answer, with a mark where it was cut off while it was read aloud."""
    heard = len(exchange.answer) - exchange.unheard
    if not exchange.unheard:
        return exchange.answer
    return f"{exchange.answer[:heard].rstrip()} {UNHEARD} {exchange.answer[heard:].lstrip()}"


def as_json(chat: Chat, exchanges: list[Exchange], recordings: dict[int, bytes]) -> str:
    """Everything but the embeddings; times are seconds since the epoch, recordings are FLAC in base64."""
    turns = [
        {
            "asked": exchange.asked,
            "typed": exchange.typed,
            "speech_seconds": exchange.seconds,
            "transcript": exchange.transcript,
            "recording": base64.b64encode(recordings[exchange.number]).decode()
            if exchange.number in recordings
            else None,
            "answer": exchange.answer,
            "finish_reason": exchange.finish_reason,
            "unheard_characters": exchange.unheard,
        }
        for exchange in exchanges
    ]
    return json.dumps(
        {"chat": chat.number, "model": chat.model, "began": chat.began, "turns": turns},
        ensure_ascii=False,
        indent=2,
    )
