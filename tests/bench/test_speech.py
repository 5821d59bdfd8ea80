from pathlib import Path

from edge_llasm.bench.speech import bench_speech, operations
from edge_llasm.bundle import Bundle
from edge_llasm.whisper_file import WhisperHeader


def test_every_engine_hears_the_clip_and_the_full_window(tiny_bundle: Path) -> None:
    rows = bench_speech(Bundle.load(tiny_bundle), 0.5, rounds=2)
    assert [(row.engine, row.type, row.window_seconds) for row in rows] == [
        ("whisper.cpp", "f16", 0.5),
        ("whisper.cpp", "f16", 5.0),
        ("onnx", "q8_0", 0.5),
        ("onnx", "q8_0", 5.0),
    ]
    assert all(len(row.took.seconds) == 2 and min(row.took.seconds) > 0 for row in rows)
    assert rows[0].operations == rows[2].operations < rows[1].operations


def test_a_clip_over_the_window_is_the_window(tiny_bundle: Path) -> None:
    assert {row.window_seconds for row in bench_speech(Bundle.load(tiny_bundle), 60, rounds=1)} == {5.0}


def test_the_operations_of_whisper_small_are_counted_right() -> None:
    d, n = 768, 1500
    small = WhisperHeader(d + 1, n, d, 12, 12, 448, d, 12, 12, 80, 1)
    layer = 12 * d * d * n + 2 * n * n * d  # four projections, two of four times the width; scores and sums
    keys_and_values = 12 * 2 * d * d * n
    without_queries = 2 * (3 * 80 * d * 2 * n + 3 * d * d * n + 12 * layer + keys_and_values)
    assert operations(small, n, 0) == without_queries
    assert operations(small, n, 64) > without_queries
