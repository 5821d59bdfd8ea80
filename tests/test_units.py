import pytest

from edge_llasm.units import readable


@pytest.mark.parametrize(
    ("size", "shown"),
    [(5_230_000_000, "5.2 GB"), (25_300_000, "25.3 MB"), (312_000, "0.3 MB"), (1_500, "1.5 kB")],
)
def test_sizes_are_readable(size: int, shown: str) -> None:
    assert readable(size) == shown
