"""pynput's way, on a virtual screen: what macOS adds to it is not tested here."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from importlib.util import find_spec

import pytest

from edge_llasm.desktop.keys import Move
from edge_llasm.desktop.shortcut import Shortcut
from edge_llasm.errors import DesktopError
from tests.desktop.virtual import PATIENCE_S, Screen

if find_spec("pynput") is None or find_spec("copykitten") is None:
    pytest.skip("no pynput or no copykitten", allow_module_level=True)

from edge_llasm.desktop.native import NativeKeys, NativeWindow

pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
"""pynput's thread outlives the virtual screen"""

DOWN, UP, CANCEL = Move("talk", True), Move("talk", False), Move("cancel", True)
NEVER = threading.Event()


@pytest.fixture
def keys(virtual_screen: Screen) -> Iterator[NativeKeys]:
    opened = NativeKeys(Shortcut.parse("ctrl+f9"), Shortcut("esc"))
    yield opened
    opened.close()


def moves(keys: NativeKeys, wanted: int) -> list[Move]:
    heard: list[Move] = []
    end = time.monotonic() + PATIENCE_S
    while len(heard) < wanted:
        assert time.monotonic() < end, heard
        heard += keys.read()
        time.sleep(0.02)
    return heard


def test_a_key_is_heard_with_its_modifiers_and_once(virtual_screen: Screen, keys: NativeKeys) -> None:
    assert keys.read() == []
    virtual_screen.xdotool("key", "F9", "key", "Escape")
    virtual_screen.xdotool("keydown", "ctrl", "keydown", "F9", "sleep", "1", "keyup", "F9", "keyup", "ctrl")
    assert moves(keys, 2) == [DOWN, UP]
    keys.want_cancel(True)
    virtual_screen.xdotool("key", "Escape")
    assert moves(keys, 1) == [CANCEL]


def test_text_arrives_and_the_clipboard_is_back(virtual_screen: Screen, keys: NativeKeys) -> None:
    editor = virtual_screen.editor()
    virtual_screen.copy("早先".encode())
    window = NativeWindow(keys)
    assert window.wait(NEVER)
    window.paste("x\n\t你好", Shortcut.parse("ctrl+v"))
    editor.wait("x\n\t你好")
    assert virtual_screen.clipboard() == "早先".encode()
    window.type("\n\tab", NEVER)
    editor.wait("x\n\t你好\n\tab")
    window.close()


def test_it_waits_until_no_key_is_held(virtual_screen: Screen, keys: NativeKeys) -> None:
    virtual_screen.xdotool("keydown", "shift")
    waiting = threading.Thread(target=NativeWindow(keys).wait, args=(NEVER,))
    waiting.start()
    time.sleep(0.3)
    assert waiting.is_alive()
    virtual_screen.xdotool("keyup", "shift")
    waiting.join(PATIENCE_S)
    assert not waiting.is_alive()


def test_a_key_that_is_not_there_is_told(virtual_screen: Screen) -> None:
    assert os.environ["DISPLAY"]
    with pytest.raises(DesktopError, match="this keyboard has no key"):
        NativeKeys(Shortcut("f99"), Shortcut("esc"))
