"""The sound cards of this machine, as PortAudio lists them."""

from __future__ import annotations

from dataclasses import dataclass

from edge_llasm.errors import SoundError
from edge_llasm.sound.portaudio import portaudio

__all__ = ["Card", "cards", "find_input", "find_output"]


@dataclass(frozen=True)
class Card:
    """One entry of PortAudio's list."""

    number: int
    """its index in the list; another one after a card was plugged in or out"""
    name: str
    system: str
    """the host API: ALSA, Core Audio, WASAPI ..."""
    inputs: int
    """channels"""
    outputs: int
    """channels"""
    rate: float
    """Hz, of its own"""
    default_input: bool
    default_output: bool


def cards() -> list[Card]:
    """All cards; an empty list where there are none. Raises SoundError without sounddevice or PortAudio."""
    library = portaudio()
    try:
        found, systems = library.query_devices(), library.query_hostapis()
        default_input, default_output = library.default.device
    except library.PortAudioError as error:
        raise SoundError(f"the sound cards cannot be listed: {error}") from error
    return [
        Card(
            number,
            card["name"],
            systems[card["hostapi"]]["name"],
            card["max_input_channels"],
            card["max_output_channels"],
            card["default_samplerate"],
            number == default_input,
            number == default_output,
        )
        for number, card in enumerate(found)
    ]


def find_input(wanted: str | None) -> Card:
    """The card with this number or name, or the only one whose name holds it; None: the default microphone.

    Raises SoundError for none and for several.
    """
    return _find(wanted, [card for card in cards() if card.inputs], "microphone", "default_input")


def find_output(wanted: str | None) -> Card:
    """The same for a loudspeaker."""
    return _find(wanted, [card for card in cards() if card.outputs], "loudspeaker", "default_output")


def _find(wanted: str | None, among: list[Card], kind: str, default: str) -> Card:
    if not among:
        raise SoundError(f"no {kind} was found: plug one in, or start the sound server (edge-llasm devices)")
    if wanted is None:
        return next((card for card in among if getattr(card, default)), among[0])
    exact = [card for card in among if wanted in (str(card.number), card.name)]
    fitting = exact[:1] or [card for card in among if wanted.casefold() in card.name.casefold()]
    if len(fitting) != 1:
        names = ", ".join(f"{card.number} {card.name}" for card in fitting or among)
        found = "several" if fitting else "no"
        raise SoundError(f'{found} {kind}s are called "{wanted}": take one of {names}')
    return fitting[0]
