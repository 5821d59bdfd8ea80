"""What a conversion can be refused for; a branch of the runtime's error tree."""

from edge_llasm.errors import EdgeLlasmError

__all__ = ["ConvertError"]


class ConvertError(EdgeLlasmError):
    """A checkpoint cannot be converted: a part is missing, unreadable, or not what the engines compute."""
