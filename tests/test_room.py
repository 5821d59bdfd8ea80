from pathlib import Path

from edge_llasm.room import free_memory


def test_the_free_memory_is_read_where_the_system_says_it(tmp_path: Path) -> None:
    (tmp_path / "meminfo").write_text("MemTotal:  24000 kB\nMemAvailable:   12000 kB\n")
    assert free_memory(tmp_path / "meminfo") == 12_288_000
    assert free_memory(tmp_path / "none") is None
    (tmp_path / "meminfo").write_text("MemTotal:  24000 kB\n")
    assert free_memory(tmp_path / "meminfo") is None
