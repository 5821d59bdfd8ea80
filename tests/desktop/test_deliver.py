"""Files and programs as targets; windows are tested in test_x11_window.py."""

import threading
import time
from pathlib import Path

import pytest

from edge_llasm.desktop.deliver import Courier, Target
from edge_llasm.desktop.shortcut import Shortcut
from edge_llasm.errors import DesktopError

PASTE = Shortcut.parse("ctrl+v")
PATIENCE_S = 60


def delivered(courier: Courier) -> list[str]:
    """The troubles, when nothing is on its way any more."""
    end = time.monotonic() + PATIENCE_S
    while courier.busy:
        assert time.monotonic() < end
        time.sleep(0.01)
    return courier.troubles()


class Recorder:
    """A window that notes what happens to it; its keyboard has no Chinese."""

    def __init__(self, held: bool = False) -> None:
        self.held, self.seen = held, list[str]()

    def wait(self, cancel: threading.Event) -> bool:
        if self.held:
            raise DesktopError("a key is held down all the time, nothing can be typed: let it go")
        return not cancel.is_set()

    def type(self, text: str, cancel: threading.Event) -> bool:
        if not text.isascii():
            return False
        self.seen.append(f"type {text}")
        return True

    def paste(self, text: str, shortcut: Shortcut) -> None:
        self.seen.append(f"paste {text} {shortcut}")

    def press(self, shortcut: Shortcut) -> None:
        self.seen.append(f"press {shortcut}")

    def copy(self, text: str) -> None:
        self.seen.append(f"copy {text}")

    def close(self) -> None:
        return


@pytest.mark.parametrize(
    ("name", "target"),
    [
        ("type", Target("type")),
        ("file:/tmp/a:b", Target("file", "/tmp/a:b")),
        ("exec:cat > x", Target("exec", "cat > x")),
    ],
)
def test_targets_are_read(name: str, target: Target) -> None:
    assert Target.parse(name) == target


@pytest.mark.parametrize("name", ["", "file", "file:", "exec: ", "type:x", "printer"])
def test_what_is_no_target_lists_those_that_are(name: str) -> None:
    with pytest.raises(DesktopError, match="take one of type, paste, clipboard, stdout, file:PATH, exec:CMD"):
        Target.parse(name)


@pytest.mark.parametrize(
    ("kind", "enter", "text", "seen"),
    [
        ("type", False, "a", ["type a"]),
        ("type", True, "a", ["type a", "press enter"]),
        ("type", True, "你", ["paste 你 ctrl+v", "press enter"]),
        ("paste", False, "a", ["paste a ctrl+v"]),
        ("clipboard", False, "a", ["copy a"]),
    ],
)
def test_a_window_is_written_into(kind: str, enter: bool, text: str, seen: list[str]) -> None:
    window = Recorder()
    courier = Courier(Target(kind), window, enter=enter, paste_key=PASTE)
    courier.carry(text)
    assert delivered(courier) == []
    courier.close()
    assert window.seen == seen


def test_a_text_that_cannot_be_written_is_put_into_the_clipboard() -> None:
    window = Recorder(held=True)
    courier = Courier(Target("type"), window, enter=True, paste_key=PASTE)
    courier.carry("a")
    (trouble,) = delivered(courier)
    courier.close()
    assert trouble.endswith("let it go; the text is in the clipboard")
    assert window.seen == ["copy a"]


def test_texts_are_appended_to_a_file(tmp_path: Path) -> None:
    file = tmp_path / "notes.txt"
    file.write_text("before\n")
    target = Target.parse(f"file:{file}")
    target.check()
    courier = Courier(target, None, enter=False, paste_key=PASTE)
    courier.carry("one\n\ttwo")
    courier.carry("你好")
    assert delivered(courier) == []
    courier.close()
    assert file.read_text("utf-8") == "before\none\n\ttwo\n你好\n"


def test_a_file_that_cannot_be_written_is_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(DesktopError, match="cannot be written"):
        Target.parse(f"file:{tmp_path}").check()


def test_a_command_gets_the_text_and_its_failure_is_told(tmp_path: Path) -> None:
    courier = Courier(Target("exec", f"cat >> {tmp_path}/got; exit 3"), None, enter=False, paste_key=PASTE)
    courier.carry("你好\n\tx")
    assert delivered(courier) == [f"`cat >> {tmp_path}/got; exit 3` ended with status 3: try it by hand"]
    courier.close()
    assert (tmp_path / "got").read_text("utf-8") == "你好\n\tx\n"


def test_a_command_that_does_not_end_is_ended_with_what_it_started(tmp_path: Path) -> None:
    command = f"touch {tmp_path}/begun; sleep 1000 & sleep 1000; touch {tmp_path}/survived"
    courier = Courier(Target("exec", command), None, enter=False, paste_key=PASTE)
    courier.carry("x")
    end = time.monotonic() + PATIENCE_S
    while not (tmp_path / "begun").exists():
        assert time.monotonic() < end
        time.sleep(0.01)
    assert courier.busy
    courier.stop()
    assert delivered(courier) == []
    courier.close()
    assert not (tmp_path / "survived").exists()
