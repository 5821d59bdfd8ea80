"""Answers read aloud while they are being written."""

from edge_llasm.voice.clauses import Clause, Clauses
from edge_llasm.voice.find import find_voices
from edge_llasm.voice.speaker import Reading, Speaker
from edge_llasm.voice.voices import Voice, Voices

__all__ = ["Clause", "Clauses", "Reading", "Speaker", "Voice", "Voices", "find_voices"]
