"""Pieces of a transcript with their times -> SRT and WebVTT."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["Segment", "srt", "vtt"]


@dataclass(frozen=True)
class Segment:
    """What is said in a part of a recording."""

    start: float
    """s"""
    end: float
    """s"""
    text: str


def srt(segments: Sequence[Segment]) -> str:
    """SubRip."""
    blocks = [
        f"{i}\n{_time(one.start, ',')} --> {_time(one.end, ',')}\n{one.text}\n"
        for i, one in enumerate(segments, start=1)
    ]
    return "\n".join(blocks)


def vtt(segments: Sequence[Segment]) -> str:
    """WebVTT."""
    escaped = [one.text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;") for one in segments]
    blocks = [
        f"{_time(one.start, '.')} --> {_time(one.end, '.')}\n{text}\n"
        for one, text in zip(segments, escaped, strict=True)
    ]
    return "\n".join(["WEBVTT\n", *blocks])


def _time(seconds: float, point: str) -> str:
    ms = round(1000 * seconds)
    return f"{ms // 3_600_000:02}:{ms // 60_000 % 60:02}:{ms // 1000 % 60:02}{point}{ms % 1000:03}"
