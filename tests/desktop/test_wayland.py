"""Into a real terminal on a virtual Wayland desktop."""

import subprocess
import threading
from pathlib import Path

import pytest

from edge_llasm.desktop.shortcut import Shortcut
from edge_llasm.desktop.wayland import WaylandWindow
from edge_llasm.errors import DesktopError
from tests.desktop.compositor import Terminal

CODE = "def greet(name):\n    return f'你好 {name}: ~^`@€'\n"
NEVER = threading.Event()
PASTE, ENTER = Shortcut.parse("ctrl+shift+v"), Shortcut("enter")


def copy(data: bytes, kind: str) -> None:
    """Another program puts something into the clipboard."""
    command = ["wl-copy", "--type", kind]
    subprocess.run(command, input=data, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)


def clipboard(*options: str) -> bytes:
    return subprocess.run(["wl-paste", "--no-newline", *options], capture_output=True, check=False).stdout


def test_text_is_typed_and_pasted_and_the_old_clipboard_is_back(wayland: Terminal) -> None:
    window = WaylandWindow()
    assert window.wait(NEVER)
    assert window.type(CODE, NEVER)
    wayland.wait(CODE)
    for _ in range(5):
        assert window.type("x y", NEVER)
        window.press(ENTER)
    code = CODE + "x y\n" * 5
    wayland.wait(code)
    copy("早先".encode(), "text/plain;charset=utf-8")
    window.paste("再见", PASTE)
    window.press(ENTER)
    wayland.wait(code + "再见\n")
    assert clipboard() == "早先".encode()
    picture = bytes(range(256)) * 4000
    copy(picture, "image/png")
    window.paste("!", PASTE)
    window.press(ENTER)
    wayland.wait(code + "再见\n!\n")
    assert clipboard("--type", "image/png") == picture
    window.copy("你好")
    assert clipboard() == "你好".encode()
    window.close()


def test_what_is_missing_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(
        DesktopError, match="typing on Wayland needs wtype: install it, or take --to clipboard"
    ):
        WaylandWindow()
    with pytest.raises(DesktopError, match="needs wl-copy: install wl-clipboard, or take --to type"):
        WaylandWindow(writes=False).copy("x")


def test_a_desktop_that_refuses_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "wtype"
    program.write_text(
        "#!/bin/sh\necho 'Compositor does not support the virtual keyboard protocol' >&2\nexit 1\n"
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    with pytest.raises(DesktopError, match="wtype cannot type here .Compositor does not support"):
        WaylandWindow().type("x", NEVER)
