"""How much there is to compute, by a model's definition: what is left out or done twice does not change it."""

from edge_llasm.whisper_file import WhisperHeader

__all__ = ["operations"]


def operations(shape: WhisperHeader, positions: int, n_queries: int) -> float:
    """Of the tower's matrix products, for one piece: a multiplication and an addition for each weight and row."""
    d = shape.n_audio_state
    convolutions = 3 * d * (2 * shape.n_mels + d) * positions  # the first one has twice as many rows
    encoder = shape.n_audio_layer * (12 * d * d + 2 * positions * d) * positions
    asking = (14 * d * d + 2 * (positions + n_queries) * d) * n_queries
    decoder = shape.n_text_layer * (asking + 2 * d * d * positions)
    return 2.0 * (convolutions + encoder + decoder)
