"""Talking: a question is recorded, and worked on while it is still being spoken."""

from edge_llasm.live.listener import Listener

__all__ = ["Listener"]
