"""A realtime session's settings: what `session.update` may change."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from edge_llasm.sampling import Sampling
from edge_llasm.serve.api_errors import unsupported
from edge_llasm.serve.fields import Fields
from edge_llasm.serve.pcm import RATE
from edge_llasm.vad import SPEECH

__all__ = ["Settings", "Turns", "read_response", "read_session"]

NEUTRAL: Mapping[str, tuple[Any, ...]] = {
    "include": ([],),
    "prompt": (),
    "reasoning": (),
    "tool_choice": ("auto", "none"),
    "tools": ([],),
    "tracing": (),
}
"""What OpenAI's API has and this one has not, and the values that ask for nothing"""
SHORTEST_SILENCE_MS, LONGEST_SILENCE_MS = 200, 5_000


@dataclass(frozen=True)
class Turns:
    """How the end of a question is noticed."""

    silence_ms: int = 500
    """a pause that ends it"""
    respond: bool = True
    """then answer it"""
    interrupt: bool = True
    """speech ends the answer before"""


@dataclass(frozen=True)
class Settings:
    """Of one session."""

    options: Sampling
    system: str | None = None
    """None: the model's own"""
    turns: Turns | None = Turns()
    """None: the client commits"""
    transcribe: bool = False
    """whether each question is also written down"""

    @property
    def shown(self) -> dict[str, Any]:
        """As `session.created` and `session.updated` tell it."""
        detection = self.turns and {
            "type": "server_vad",
            "threshold": SPEECH,
            "silence_duration_ms": self.turns.silence_ms,
            "create_response": self.turns.respond,
            "interrupt_response": self.turns.interrupt,
        }
        sound = {
            "format": {"type": "audio/pcm", "rate": RATE},
            "noise_reduction": None,
            "transcription": {"model": None} if self.transcribe else None,
            "turn_detection": detection,
        }
        return {
            "type": "realtime",
            "output_modalities": ["text"],
            "instructions": self.system or "",
            "max_output_tokens": self.options.max_tokens,
            "audio": {"input": sound},
            "tools": [],
            "tool_choice": "auto",
        }


def read_session(fields: Fields, settings: Settings, names: tuple[str, ...]) -> Settings:
    """What `session.update` makes of the settings. Raises ApiError that names the parameter."""
    fields.choice("type", ("realtime",))
    fields.choice("model", names)
    settings = _shared(fields, settings)
    audio = fields.table("audio")
    if audio.has("output"):
        raise unsupported(audio.path("output"))
    sound = audio.table("input")
    form = sound.table("format")
    form.choice("type", ("audio/pcm",))
    if form.integer("rate") not in (None, RATE):
        raise form.wrong("rate", str(RATE))
    form.finish()
    settings = replace(settings, turns=_detection(sound, settings.turns))
    if sound.names("transcription"):
        wanted = sound.table("transcription")
        wanted.text("model")
        settings = replace(settings, transcribe=sound.has("transcription"))
        wanted.finish({"prompt": ("",)})
    sound.finish({"noise_reduction": ()})
    audio.finish()
    fields.finish({**NEUTRAL, "truncation": ("auto",)})
    return settings


def read_response(fields: Fields, settings: Settings) -> Settings:
    """The settings of one answer, by `response.create`. Raises ApiError that names the parameter."""
    settings = _shared(fields, settings)
    fields.finish({**NEUTRAL, "conversation": ("auto",), "metadata": ({},), "input": (), "audio": ()})
    return settings


def _shared(fields: Fields, settings: Settings) -> Settings:
    if (system := fields.text("instructions")) is not None:
        settings = replace(settings, system=system or None)
    if (modalities := fields.take("output_modalities")) is not None and modalities != ["text"]:
        raise fields.wrong("output_modalities", '["text"]')
    longest = fields.take("max_output_tokens")
    if longest is not None and longest != "inf":
        if isinstance(longest, bool) or not isinstance(longest, int) or longest < 1:
            raise fields.wrong("max_output_tokens", 'a whole number from 1 on, or "inf"')
        settings = replace(settings, options=replace(settings.options, max_tokens=longest))
    return settings


def _detection(sound: Fields, now: Turns | None) -> Turns | None:
    if not sound.names("turn_detection"):
        return now
    if not sound.has("turn_detection"):  # null: the client commits
        return None
    wanted = sound.table("turn_detection")
    if wanted.choice("type", ("server_vad", "semantic_vad")) == "semantic_vad":
        raise unsupported(wanted.path("type"), "semantic_vad is not supported")
    if wanted.number("threshold") not in (None, SPEECH):
        raise wanted.wrong("threshold", str(SPEECH))
    silence = wanted.integer("silence_duration_ms")
    if silence is not None and not SHORTEST_SILENCE_MS <= silence <= LONGEST_SILENCE_MS:
        raise wanted.wrong("silence_duration_ms", f"from {SHORTEST_SILENCE_MS} to {LONGEST_SILENCE_MS}")
    turns = Turns(
        silence_ms=Turns.silence_ms if silence is None else silence,
        respond=wanted.truth("create_response") if wanted.has("create_response") else True,
        interrupt=wanted.truth("interrupt_response") if wanted.has("interrupt_response") else True,
    )
    wanted.finish()
    return turns
