"""A file that was found right is not read again, and every change of it is noticed."""

import os
import time
from dataclasses import replace
from pathlib import Path

import pytest

from edge_llasm import checked
from edge_llasm.checked import KEPT, Checked, FileState, checked_file

LONG_AGO = FileState(size=3, modified=1, changed=2, inode=4, disk=5)


def test_only_a_file_in_the_same_state_is_known(tmp_path: Path) -> None:
    known = Checked(tmp_path / "folder" / "checked.json")
    assert known.sha256(Path("a"), LONG_AGO) is None
    known.note(Path("a"), LONG_AGO, "digest")
    assert Checked(tmp_path / "folder" / "checked.json").sha256(Path("a"), LONG_AGO) == "digest"
    assert known.sha256(Path("b"), LONG_AGO) is None
    for field in ("size", "modified", "changed", "inode", "disk"):
        assert known.sha256(Path("a"), replace(LONG_AGO, **{field: 9})) is None  # type: ignore[arg-type]


def test_a_file_that_has_just_changed_is_not_noted(tmp_path: Path) -> None:
    known, now = Checked(tmp_path / "checked.json"), time.time_ns()
    for state in (replace(LONG_AGO, modified=now), replace(LONG_AGO, changed=now)):
        known.note(Path("a"), state, "digest")
        assert known.sha256(Path("a"), state) is None


def test_a_date_that_was_set_back_does_not_hide_a_change(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"abc")
    before = file.stat()
    time.sleep(0.02)  # a tick of the file system's clock
    file.write_bytes(b"xyz")
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    after = file.stat()
    assert (after.st_size, after.st_mtime_ns, after.st_ino) == (3, before.st_mtime_ns, before.st_ino)
    assert FileState.of(after) != FileState.of(before)


@pytest.mark.parametrize(
    "content", ["", "nonsense", "[]", '{"a": 1}', '{"a": []}', '{"a": [1, 2, 3, 4, 5, null]}']
)
def test_a_damaged_memory_knows_nothing_and_is_mended(tmp_path: Path, content: str) -> None:
    file = tmp_path / "checked.json"
    file.write_text(content.replace("a", os.path.realpath("a")), "utf-8")
    known = Checked(file)
    assert known.sha256(Path("a"), LONG_AGO) is None
    known.note(Path("a"), LONG_AGO, "digest")
    assert known.sha256(Path("a"), LONG_AGO) == "digest"


def test_where_nothing_can_be_written_nothing_is_known(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    known = Checked(tmp_path / "file" / "checked.json")
    known.note(Path("a"), LONG_AGO, "digest")
    assert known.sha256(Path("a"), LONG_AGO) is None


def test_the_newest_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checked, "KEPT", 2)
    known = Checked(tmp_path / "checked.json")
    for name in "abac":
        known.note(Path(name), LONG_AGO, name)
    assert [known.sha256(Path(name), LONG_AGO) for name in "abc"] == ["a", None, "c"]
    assert KEPT > 2


def test_it_lies_in_the_user_s_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGE_LLASM_HOME", str(tmp_path))
    assert checked_file() == tmp_path / "checked.json"
    monkeypatch.delenv("EDGE_LLASM_HOME")
    assert checked_file().parent.name == "edge-llasm"
