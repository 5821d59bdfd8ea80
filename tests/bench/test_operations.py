from edge_llasm.bench.operations import operations
from edge_llasm.whisper_file import WhisperHeader


def test_the_operations_of_whisper_small_are_counted_right() -> None:
    d, n = 768, 1500
    small = WhisperHeader(d + 1, n, d, 12, 12, 448, d, 12, 12, 80, 1)
    layer = 12 * d * d * n + 2 * n * n * d  # four projections, two of four times the width; scores and sums
    keys_and_values = 12 * 2 * d * d * n
    without_queries = 2 * (3 * 80 * d * 2 * n + 3 * d * d * n + 12 * layer + keys_and_values)
    assert operations(small, n, 0) == without_queries
    assert operations(small, n, 64) > without_queries
