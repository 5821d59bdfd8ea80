"""What becomes of a question: told by a session, shown by a screen."""

from dataclasses import dataclass

from edge_llasm.timings import Timings

__all__ = ["Asked", "Ended", "Event", "Failed", "Lost", "Unread", "Written", "WrittenDown"]


@dataclass(frozen=True)
class Asked:
    """A question is on its way."""

    seconds: float
    """of the recording; 0 = none"""
    typed: str


@dataclass(frozen=True)
class Lost:
    """The microphone went away in the middle; what it heard until then is asked."""

    microphone: str


@dataclass(frozen=True)
class Written:
    """The answer goes on."""

    text: str


@dataclass(frozen=True)
class Ended:
    """The answer is over."""

    finish_reason: str
    timings: Timings
    felt_ms: float
    """from the key's release, or the line's end, to the first text"""


@dataclass(frozen=True)
class WrittenDown:
    """What was said, for the reader, after the answer."""

    transcript: str


@dataclass(frozen=True)
class Unread:
    """The answer is there, and is not read aloud any further."""

    message: str


@dataclass(frozen=True)
class Failed:
    """The question was not answered."""

    message: str


Event = Asked | Lost | Written | Ended | WrittenDown | Unread | Failed
