"""A terminal as a keyboard whose keys go down and up, where it can tell."""

from edge_llasm.terminal.keyboard import Keyboard
from edge_llasm.terminal.keys import Key, KeyParser

__all__ = ["Key", "KeyParser", "Keyboard"]
