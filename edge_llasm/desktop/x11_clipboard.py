"""The clipboard of an X server, owned: its contents are handed over to each window that asks.

So we know when a window has fetched what was pasted into it, and take the text back neither sooner nor much later.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from queue import SimpleQueue
from select import select
from time import monotonic, sleep
from typing import Any

from Xlib import X, Xatom
from Xlib.error import ConnectionClosedError
from Xlib.protocol.event import SelectionNotify

from edge_llasm.desktop.x11 import opened
from edge_llasm.desktop.x11_contents import Contents, Format, read, text_contents
from edge_llasm.errors import DesktopError

__all__ = ["X11Clipboard"]

SECRET = "x-kde-passwordManagerHint"
"""Programs that keep a history of the clipboard leave out what has this form"""
FETCH_S = 10.0
"""For the window that was pasted into to ask"""
SETTLE_S = 0.25
"""After it asked last, and before it is told to"""
OWNED_S = 10.0
"""For the server, at most"""


class X11Clipboard:
    """Owns the clipboard, on a thread of its own, for as long as nobody else takes it."""

    def __init__(self) -> None:
        """Connect. Raises DesktopError."""
        self._display = opened()
        self._display.set_error_handler(lambda error, request: None)  # whoever asked has gone meanwhile
        self._clipboard = self._display.get_atom("CLIPBOARD")
        self._most: int = self._display.display.info.max_request_length * 4 - 100  # bytes in one request
        self._window: Any = None
        self._contents: Contents = {}
        # (window, property) -> what is not fetched yet
        self._parts: dict[tuple[int, int], tuple[Any, Format]] = {}
        self._fetched = 0.0  # when somebody asked last for the contents themselves
        self._wanted: SimpleQueue[tuple[Contents, threading.Event] | None] = SimpleQueue()
        self._wake, self._waker = os.pipe()
        self._thread = threading.Thread(target=self._serve, name="edge-llasm-clipboard", daemon=True)
        self._thread.start()

    @property
    def owned(self) -> bool:
        """Whether what we put there is still there."""
        return self._window is not None

    def put(self, text: str) -> None:
        """A text, until somebody copies something else or this program ends. Raises DesktopError."""
        self._own(text_contents(text))

    def paste(self, text: str, press: Callable[[], None]) -> None:
        """Have a text in the clipboard while `press` makes a window fetch it; then the old contents are back.

        Not if somebody has copied something else meanwhile. Raises DesktopError when no window asks for it, and
        leaves it there.
        """
        before = read()
        self._own(text_contents(text) | {SECRET: Format("UTF8_STRING", 8, b"secret")})
        sleep(SETTLE_S)  # whoever keeps a history of the clipboard asks now
        pressed = monotonic()
        press()
        while self.owned and (self._fetched < pressed or monotonic() < self._fetched + SETTLE_S):
            if self._fetched < pressed and monotonic() > pressed + FETCH_S:
                self.put(text)
                raise DesktopError(
                    "no window has fetched what was pasted: perhaps another --paste-key does it"
                )
            sleep(SETTLE_S / 10)
        if not self.owned:
            sleep(SETTLE_S)
        if self.owned or read().get("UTF8_STRING") == Format("UTF8_STRING", 8, text.encode()):
            self._own(before)  # the latter: a program that keeps the clipboard took the text over

    def close(self) -> None:
        """Give the clipboard up."""
        self._wanted.put(None)
        os.write(self._waker, b"x")
        self._thread.join()
        os.close(self._wake)
        os.close(self._waker)
        self._display.close()

    def _own(self, contents: Contents) -> None:
        """Own the clipboard with these contents; with none it is nobody's."""
        done = threading.Event()
        self._wanted.put((contents, done))
        os.write(self._waker, b"x")
        if not done.wait(OWNED_S):
            raise DesktopError("the clipboard cannot be owned: the X server does not answer")

    def _serve(self) -> None:
        try:
            self._attend_all()
        except ConnectionClosedError:
            self._window = None  # the server is gone, and its clipboard with it

    def _attend_all(self) -> None:
        while True:
            while self._display.pending_events():
                self._attend(self._display.next_event())
            if self._wake in select([self._display.fileno(), self._wake], [], [])[0]:
                os.read(self._wake, 1)
                wanted = self._wanted.get()
                if wanted is None:
                    return
                self._take(wanted[0])
                wanted[1].set()

    def _take(self, contents: Contents) -> None:
        if self._window is not None:
            self._window.destroy()  # who asks now finds no owner, until there is a new one
        self._window, self._contents = None, contents
        if contents:
            self._window = self._display.screen().root.create_window(0, 0, 1, 1, 0, X.CopyFromParent)
            self._window.set_selection_owner(self._clipboard, X.CurrentTime)
        self._display.sync()

    def _attend(self, event: Any) -> None:
        if event.type == X.SelectionRequest:
            self._hand_over(event)
        elif event.type == X.SelectionClear and self._window is not None and event.window == self._window:
            self._window.destroy()
            self._window, self._contents = None, {}
        elif event.type == X.PropertyNotify and event.state == X.PropertyDelete:
            self._go_on((event.window.id, event.atom))

    def _hand_over(self, event: Any) -> None:
        target, where = self._display.get_atom_name(event.target), event.property or event.target
        form = self._contents.get(target)
        if target == "TARGETS":
            atoms = [self._display.get_atom(name) for name in ("TARGETS", *self._contents)]
            event.requestor.change_property(where, Xatom.ATOM, 32, atoms)
        elif form is None:
            where = X.NONE
        elif isinstance(form.data, bytes) and len(form.data) > self._most:
            event.requestor.change_attributes(event_mask=X.PropertyChangeMask)
            event.requestor.change_property(where, self._display.get_atom("INCR"), 32, [len(form.data)])
            self._parts[event.requestor.id, where] = event.requestor, form
        else:
            event.requestor.change_property(where, self._display.get_atom(form.kind), form.bits, form.data)
        if form is not None and target != SECRET:
            self._fetched = monotonic()
        answer = SelectionNotify(
            time=event.time,
            requestor=event.requestor,
            selection=event.selection,
            target=event.target,
            property=where,
        )
        event.requestor.send_event(answer)
        self._display.flush()

    def _go_on(self, key: tuple[int, int]) -> None:
        """The next part of what is too large for one request; the last one is empty."""
        if key not in self._parts:
            return
        window, form = self._parts.pop(key)
        assert isinstance(form.data, bytes)
        part, rest = form.data[: self._most], form.data[self._most :]
        window.change_property(key[1], self._display.get_atom(form.kind), 8, part)
        if part:
            self._parts[key] = window, Format(form.kind, 8, rest)
        self._fetched = monotonic()
        self._display.flush()
