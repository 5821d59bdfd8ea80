"""A key that is heard wherever the focus is, pressed on a virtual screen."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from edge_llasm.desktop.keys import Move
from edge_llasm.desktop.shortcut import Shortcut
from edge_llasm.errors import DesktopError
from tests.desktop.virtual import PATIENCE_S, Screen

if TYPE_CHECKING:
    from edge_llasm.desktop.x11_keys import X11Keys

DOWN, UP, CANCEL = Move("talk", True), Move("talk", False), Move("cancel", True)
ESC = Shortcut("esc")


@contextmanager
def listening(name: str) -> Iterator[X11Keys]:
    from edge_llasm.desktop.x11_keys import X11Keys

    keys = X11Keys(Shortcut.parse(name), ESC)
    try:
        yield keys
    finally:
        keys.close()


def moves(keys: X11Keys, wanted: int) -> list[Move]:
    """What is heard until so many moves have come."""
    heard: list[Move] = []
    end = time.monotonic() + PATIENCE_S
    while len(heard) < wanted:
        assert time.monotonic() < end, heard
        heard += keys.read()
        time.sleep(0.02)
    return heard


def test_a_key_is_heard_down_and_up_once_however_long_it_repeats(virtual_screen: Screen) -> None:
    editor = virtual_screen.editor()
    with listening("ctrl+a") as keys:
        virtual_screen.xdotool(
            "keydown", "ctrl", "keydown", "a", "sleep", "1.5", "keyup", "a", "keyup", "ctrl"
        )
        virtual_screen.xdotool("key", "a")
        editor.wait("a")
        assert moves(keys, 2) == [DOWN, UP]
    virtual_screen.xdotool("keydown", "b", "sleep", "1.5", "keyup", "b")
    while editor.text.count("b") < 3:  # so keys do repeat here
        time.sleep(0.02)


@pytest.mark.parametrize("lock", ["Caps_Lock", "Num_Lock"])
def test_locks_change_nothing_and_the_window_does_not_see_the_key(virtual_screen: Screen, lock: str) -> None:
    editor = virtual_screen.editor()
    with listening("ctrl+alt+d") as keys:
        virtual_screen.xdotool("key", lock)
        virtual_screen.xdotool("key", "ctrl+alt+d")
        assert moves(keys, 2) == [DOWN, UP]
        virtual_screen.xdotool("key", "1")
        editor.wait("1")


def test_the_cancel_key_is_everybodys_until_there_is_something_to_cancel(virtual_screen: Screen) -> None:
    with listening("F9") as keys:
        assert keys.read() == []
        virtual_screen.xdotool("key", "Escape", "key", "F9")
        assert moves(keys, 2) == [DOWN, UP]
        keys.want_cancel(True)
        virtual_screen.xdotool("key", "Escape", "key", "F9")
        assert moves(keys, 3) == [CANCEL, DOWN, UP]
        virtual_screen.xdotool("keydown", "F9", "key", "Escape", "keyup", "F9")
        assert moves(keys, 3) == [DOWN, CANCEL, UP]
        keys.want_cancel(False)
        virtual_screen.xdotool("key", "Escape", "key", "F9")
        assert moves(keys, 2) == [DOWN, UP]


def test_a_key_that_another_program_has_is_refused(virtual_screen: Screen) -> None:
    with listening("F9"):
        with pytest.raises(DesktopError, match="F9 belongs to another program already"), listening("F9"):
            pass
        with listening("ctrl+F9"):
            pass
    with listening("F9"):
        pass


def test_a_key_that_the_keyboard_does_not_have_is_told(virtual_screen: Screen) -> None:
    with pytest.raises(DesktopError, match="this keyboard has no key 你"), listening("ctrl+你"):
        pass
