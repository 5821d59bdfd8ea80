"""Microphones and loudspeakers, through sounddevice and PortAudio: nothing else in the package needs either."""

from edge_llasm.sound.cards import Card, cards, find_input
from edge_llasm.sound.loudspeaker import Loudspeaker
from edge_llasm.sound.microphone import Microphone

__all__ = ["Card", "Loudspeaker", "Microphone", "cards", "find_input"]
