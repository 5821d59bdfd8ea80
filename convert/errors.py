"""What a conversion can be refused for; a branch of the runtime's error tree."""

from edge_llasm.errors import EdgeLlasmError

__all__ = ["ConvertError"]


class ConvertError(EdgeLlasmError):
    """A checkpoint cannot be converted: missing or unreadable parts, or an architecture that the engines differ from."""
