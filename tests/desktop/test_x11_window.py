"""Into a real text field on a virtual screen."""

from __future__ import annotations

import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from edge_llasm.desktop.shortcut import Shortcut
from edge_llasm.errors import DesktopError
from tests.desktop.virtual import PATIENCE_S, Screen

if TYPE_CHECKING:
    from edge_llasm.desktop.x11_window import X11Window

CODE = 'def greet(name):\n\tif name == "李白":  # 你好\n\t\treturn f"Grüße, {name}: ~^`@€"\n'
POEM = (
    "床前明月光疑是地上霜举头望明月低头思故乡春眠不觉晓处处闻啼鸟夜来风雨声花落知多少白日依山尽黄河入海流"
    "欲穷千里目更上一层楼红豆生南国春来发几枝愿君多采撷此物最相思千山鸟飞绝万径人踪灭孤舟蓑笠翁独钓寒江雪"
)
PASTE = Shortcut.parse("ctrl+v")
NEVER = threading.Event()


@pytest.fixture
def window(virtual_screen: Screen) -> Iterator[X11Window]:
    from edge_llasm.desktop.x11_window import X11Window

    opened = X11Window()
    yield opened
    opened.close()


def test_code_is_typed_with_new_lines_tabs_and_chinese(virtual_screen: Screen, window: X11Window) -> None:
    editor = virtual_screen.editor()
    assert window.type(CODE, NEVER)
    editor.wait(CODE)
    assert window.type("再见", NEVER)
    editor.wait(CODE + "再见")


def test_a_window_that_is_slow_to_read_its_keys_gets_the_same(
    virtual_screen: Screen, window: X11Window
) -> None:
    editor = virtual_screen.editor("2")
    assert window.type(CODE, NEVER)
    assert window.type("再见", NEVER)
    editor.wait(CODE + "再见")


def test_a_terminal_gets_it_too(virtual_screen: Screen, window: X11Window, tmp_path: Path) -> None:
    try:
        terminal = subprocess.Popen(["xterm", "-e", f"touch {tmp_path}/open; cat > {tmp_path}/said"])
    except FileNotFoundError:
        pytest.skip("no xterm")
    with terminal:
        end = time.monotonic() + PATIENCE_S
        while not (tmp_path / "open").exists():
            assert time.monotonic() < end
            time.sleep(0.05)
        virtual_screen.xdotool("search", "--sync", "--class", "xterm", "windowfocus", "--sync")
        assert window.type(CODE.expandtabs(4), NEVER)
        virtual_screen.xdotool("key", "ctrl+d")
        terminal.wait(PATIENCE_S)
    assert (tmp_path / "said").read_text("utf-8") == CODE.expandtabs(4)


def test_caps_lock_changes_nothing_and_stays_on(virtual_screen: Screen, window: X11Window) -> None:
    editor = virtual_screen.editor()
    virtual_screen.xdotool("key", "Caps_Lock")
    assert window.type("Ab é", NEVER)
    editor.wait("Ab é")
    virtual_screen.xdotool("key", "x")
    editor.wait("Ab éX")


def test_what_the_keyboard_has_no_room_for_is_not_typed(virtual_screen: Screen, window: X11Window) -> None:
    editor = virtual_screen.editor()
    assert not window.type(POEM, NEVER)
    assert window.type("ok", NEVER)
    editor.wait("ok")


def test_it_waits_until_no_key_is_held(virtual_screen: Screen, window: X11Window) -> None:
    editor = virtual_screen.editor()
    virtual_screen.xdotool("keydown", "ctrl")
    typing = threading.Thread(target=window.type, args=("aha", NEVER))
    typing.start()
    time.sleep(0.3)
    assert typing.is_alive()
    assert editor.text == ""
    virtual_screen.xdotool("keyup", "ctrl")
    typing.join()
    editor.wait("aha")


def test_typing_ends_when_it_is_cancelled(virtual_screen: Screen, window: X11Window) -> None:
    editor = virtual_screen.editor()
    cancel = threading.Event()
    virtual_screen.xdotool("keydown", "ctrl")
    typing = threading.Thread(target=window.type, args=("aha", cancel))
    typing.start()
    cancel.set()
    typing.join()
    virtual_screen.xdotool("keyup", "ctrl")
    assert window.type("oh", NEVER)
    editor.wait("oh")


def test_the_old_clipboard_is_back_after_a_paste(virtual_screen: Screen, window: X11Window) -> None:
    editor = virtual_screen.editor()
    virtual_screen.copy("早先 kept".encode())
    window.paste(CODE + POEM, PASTE)
    editor.wait(CODE + POEM)
    assert virtual_screen.clipboard() == "早先 kept".encode()
    window.paste("!", PASTE)
    editor.wait(CODE + POEM + "!")
    assert virtual_screen.clipboard() == "早先 kept".encode()


def test_a_window_that_is_slow_to_paste_gets_the_text_and_not_the_old_clipboard(
    virtual_screen: Screen, window: X11Window
) -> None:
    editor = virtual_screen.editor("2")
    virtual_screen.copy(b"old")
    window.paste("new", PASTE)
    editor.wait("new")
    assert virtual_screen.clipboard() == b"old"


def test_a_large_picture_in_the_clipboard_is_back_too(virtual_screen: Screen, window: X11Window) -> None:
    editor = virtual_screen.editor()
    picture = bytes(range(256)) * 8000  # over a request's size: it comes in parts
    virtual_screen.copy(picture, "image/png")
    window.paste("x", PASTE)
    editor.wait("x")
    assert virtual_screen.clipboard("image/png") == picture


def test_an_empty_clipboard_is_empty_again(virtual_screen: Screen, window: X11Window) -> None:
    editor = virtual_screen.editor()
    window.paste("x", PASTE)
    editor.wait("x")
    assert virtual_screen.clipboard() == virtual_screen.clipboard("TARGETS") == b""


def test_what_no_window_fetches_stays_in_the_clipboard(virtual_screen: Screen, window: X11Window) -> None:
    virtual_screen.editor()
    virtual_screen.copy(b"old")
    with pytest.raises(DesktopError, match="no window has fetched what was pasted"):
        window.paste("new", Shortcut.parse("f5"))
    assert virtual_screen.clipboard() == b"new"


def test_what_somebody_copies_meanwhile_is_not_touched(virtual_screen: Screen, window: X11Window) -> None:
    virtual_screen.editor()
    virtual_screen.copy(b"old")
    copying = threading.Timer(1.0, virtual_screen.copy, [b"newest"])
    copying.start()
    window.paste("new", Shortcut.parse("f5"))
    copying.join()
    assert virtual_screen.clipboard() == b"newest"


def test_an_owner_that_does_not_answer_holds_nothing_up(virtual_screen: Screen, window: X11Window) -> None:
    editor = virtual_screen.editor()
    virtual_screen.copy(b"old").send_signal(signal.SIGSTOP)
    window.paste("new", PASTE)
    editor.wait("new")


def test_a_program_that_keeps_the_clipboard_changes_nothing(
    virtual_screen: Screen, window: X11Window
) -> None:
    editor = virtual_screen.editor()
    virtual_screen.copy(b"old")

    def keep() -> None:
        end = time.monotonic() + PATIENCE_S
        while virtual_screen.clipboard() != b"new" and time.monotonic() < end:
            time.sleep(0.01)
        virtual_screen.copy(b"new")

    keeping = threading.Thread(target=keep)
    keeping.start()
    window.paste("new", PASTE)
    keeping.join()
    editor.wait("new")
    assert virtual_screen.clipboard() == b"old"


def test_a_text_is_copied_to_stay(virtual_screen: Screen, window: X11Window) -> None:
    window.copy("你好")
    assert virtual_screen.clipboard() == "你好".encode()
    virtual_screen.copy(b"other")
    assert virtual_screen.clipboard() == b"other"


@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")  # python-xlib's own socket
def test_without_an_x_server_it_says_so(virtual_screen: Screen, monkeypatch: pytest.MonkeyPatch) -> None:
    from edge_llasm.desktop.x11_window import X11Window

    monkeypatch.setenv("DISPLAY", ":9999")
    with pytest.raises(DesktopError, match="the X server cannot be reached"):
        X11Window()
