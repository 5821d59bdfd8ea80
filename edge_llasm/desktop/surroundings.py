"""Which desktop this is, and what of it can be reached."""

from __future__ import annotations

import os
import sys
from typing import Literal

from edge_llasm.desktop.keys import Keys
from edge_llasm.desktop.shortcut import Shortcut
from edge_llasm.desktop.window import Window
from edge_llasm.errors import DesktopError

__all__ = ["Desktop", "desktop", "open_keys", "open_window"]

Desktop = Literal["x11", "wayland", "native", "none"]

BIND = "bind `edge-llasm hotkey toggle` to a key in your desktop's settings"


def desktop() -> Desktop:
    """native: macOS; none: no display that this process knows of."""
    if sys.platform == "darwin":
        return "native"
    if os.environ.get("WAYLAND_DISPLAY") or os.environ.get("XDG_SESSION_TYPE") == "wayland":
        return "wayland"
    return "x11" if os.environ.get("DISPLAY") else "none"


def open_keys(talk: Shortcut, cancel: Shortcut) -> Keys:
    """Hear two keys from any application. Raises DesktopError: what is missing, and what does it all the same."""
    match desktop():
        case "x11":
            from edge_llasm.desktop.x11_keys import X11Keys

            return X11Keys(talk, cancel)
        case "native":
            from edge_llasm.desktop.native import NativeKeys

            return NativeKeys(talk, cancel)
        case "wayland":
            raise DesktopError(f"Wayland lets no program hear the keys of other windows: {BIND}")
        case "none":
            raise DesktopError(f"no display (DISPLAY is not set), so no key can be heard: {BIND}")


def open_window(keys: Keys | None, *, writes: bool) -> Window:
    """The focused window; `writes`: keys are to be pressed there, and not only its clipboard filled.

    Raises DesktopError.
    """
    match desktop():
        case "x11":
            from edge_llasm.desktop.x11_window import X11Window

            return X11Window()
        case "native":
            from edge_llasm.desktop.native import NativeKeys, NativeWindow

            return NativeWindow(keys if isinstance(keys, NativeKeys) else None)
        case "wayland":
            from edge_llasm.desktop.wayland import WaylandWindow

            return WaylandWindow(writes=writes)
        case "none":
            raise DesktopError("no display (DISPLAY is not set): take --to stdout, file:PATH or exec:CMD")
