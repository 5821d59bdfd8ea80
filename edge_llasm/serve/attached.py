"""Sound inside a request: base64 or a `data:` URL -> the bytes of a file. Nothing is ever fetched."""

from __future__ import annotations

import binascii
import re

from edge_llasm.serve.api_errors import bad_request
from edge_llasm.serve.fields import Fields

__all__ = ["FORMATS", "attached_audio"]

FORMATS = ("wav", "mp3", "flac", "ogg", "opus", "webm", "m4a", "mp4", "aac")
"""OpenAI's API has the first two; all are recognized by their content"""
DATA_URL = re.compile(r"data:(?:audio|video|application)/[\w.+-]+(?:;[\w.+-]+=[\w.+\"-]+)*;base64,", re.ASCII)


def attached_audio(part: Fields) -> bytes:
    """The file in an `input_audio` or `audio_url` part. Raises ApiError."""
    if part.take("type") == "audio_url":
        inner = part.table("audio_url")
        key, data = "url", inner.text("url")
    else:
        inner = part.table("input_audio")
        key, data = "data", inner.text("data")
        if inner.choice("format", FORMATS) is None and not (data or "").startswith("data:"):
            raise inner.wrong("format", f"one of {', '.join(FORMATS)}")
    inner.finish()
    part.finish()
    if not data:
        raise inner.wrong(key, "the recording, in base64")
    where = inner.path(key)
    if re.match(r"[a-zA-Z][a-zA-Z0-9+.-]*://", data):
        raise bad_request(
            f"{where} is an address, and this server fetches nothing: send the recording itself, in base64",
            where,
            "remote_url",
        )
    if data.startswith("data:"):
        if (head := DATA_URL.match(data)) is None:
            raise bad_request(f"{where} must be data:audio/TYPE;base64,…", where, "invalid_value")
        data = data[head.end() :]
    elif key == "url":
        raise bad_request(f"{where} must be a data: URL", where, "invalid_value")
    try:
        file = binascii.a2b_base64(data, strict_mode=True)
    except (binascii.Error, ValueError) as error:
        raise bad_request(f"{where} is not base64 ({error})", where, "invalid_base64") from error
    if not file:
        raise bad_request(f"{where} holds no recording", where, "invalid_audio")
    return file
