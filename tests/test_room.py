import mmap
import sys
from pathlib import Path

import pytest

from edge_llasm.room import free_memory, let_go_of


def test_the_free_memory_is_read_where_the_system_says_it(tmp_path: Path) -> None:
    (tmp_path / "meminfo").write_text("MemTotal:  24000 kB\nMemAvailable:   12000 kB\n")
    assert free_memory(tmp_path / "meminfo") == 12_288_000
    assert free_memory(tmp_path / "none") is None
    (tmp_path / "meminfo").write_text("MemTotal:  24000 kB\n")
    assert free_memory(tmp_path / "meminfo") is None


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells where a file is mapped")
def test_the_pages_of_a_mapped_file_are_let_go_and_come_back_by_themselves(tmp_path: Path) -> None:
    file, n_bytes = tmp_path / "a name with spaces.bin", 16 << 20
    file.write_bytes(bytes(range(256)) * (n_bytes // 256))
    with file.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        before = mapped_bytes()
        content = bytes(mapped)
        assert mapped_bytes() - before > 0.9 * n_bytes
        let_go_of(file)
        assert mapped_bytes() - before < 0.1 * n_bytes
        assert bytes(mapped) == content


def test_where_the_system_tells_no_maps_nothing_happens(tmp_path: Path) -> None:
    let_go_of(tmp_path, maps=tmp_path / "no proc")


def mapped_bytes() -> int:
    """In memory, of files that this process has mapped."""
    (line,) = [
        line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("RssFile")
    ]
    return 1024 * int(line.split()[1])
