"""A local socket by which a window manager's own shortcuts start and end a recording. Only this user can reach it."""

from __future__ import annotations

import os
import socket
import stat
import warnings
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

from edge_llasm.errors import DesktopError, EdgeLlasmError

__all__ = ["ACTIONS", "Remote", "ask", "socket_file"]

ACTIONS = "toggle", "start", "stop", "cancel"
LONGEST = 1000
"""Bytes of a request or an answer"""
PATIENCE_S = 15.0
"""For the other end, which is on this machine"""
YES, NO = "yes ", "no "
"""An answer begins so: what is done now follows, or what went wrong"""


def socket_file() -> Path:
    """In the user's folder for what lasts no longer than the session."""
    import platformdirs

    with warnings.catch_warnings(
        action="ignore"
    ):  # without XDG_RUNTIME_DIR it takes a folder in /tmp, and says so
        return Path(platformdirs.user_runtime_dir("edge-llasm", appauthor=False)) / "hotkey.sock"


def ask(action: str, file: Path | None = None) -> str:
    """Have the running program do one of ACTIONS; what it does now. Raises DesktopError."""
    file = file or socket_file()
    try:
        with _socket() as connection:
            connection.connect(str(file))
            connection.sendall(f"{action}\n".encode())
            answer = _line(connection)
    except (FileNotFoundError, ConnectionRefusedError) as error:
        raise DesktopError("nothing listens: start `edge-llasm hotkey` first") from error
    except (OSError, UnicodeDecodeError) as error:
        raise DesktopError(f"`edge-llasm hotkey` does not answer ({error}): start it again") from error
    if not answer.startswith(YES):
        raise DesktopError(answer.removeprefix(NO) or "`edge-llasm hotkey` has ended: start it again")
    return answer.removeprefix(YES)


class Remote:
    """The listening end. One for each user: a lock that ends with the process tells a stale socket from one in use."""

    def __init__(self, file: Path | None = None) -> None:
        """Listen. Raises DesktopError when another process does, or when it cannot be done here."""
        self.file = file or socket_file()
        try:
            self.file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._lock = self._locked()
            try:
                self._socket = self._bound()
            except BaseException:
                os.close(self._lock)
                raise
        except OSError as error:
            raise DesktopError(f"{self.file} cannot be listened at ({error}): set XDG_RUNTIME_DIR") from error

    def fileno(self) -> int:
        """Readable when somebody asks."""
        return self._socket.fileno()

    def attend(self, act: Callable[[str], str]) -> None:
        """Answer whoever asks now: `act` gets one of ACTIONS and returns what is done; its errors are told to them."""
        while True:
            try:
                connection, _ = self._socket.accept()
            except BlockingIOError:
                return
            with connection:
                connection.settimeout(PATIENCE_S)
                try:
                    action = _line(connection)
                    connection.sendall(_answer(action, act).encode()[:LONGEST])
                except (OSError, UnicodeDecodeError):
                    continue  # they went away, or are none of ours

    def close(self) -> None:
        """Take the socket away; closing twice is fine."""
        if self._socket.fileno() < 0:
            return
        self.file.unlink(missing_ok=True)
        self._socket.close()
        os.close(self._lock)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _locked(self) -> int:
        import fcntl

        folder = self.file.parent
        if folder.stat().st_uid != os.getuid() or stat.S_IMODE(folder.stat().st_mode) & 0o022:
            raise DesktopError(f"{folder} is open to other users: set XDG_RUNTIME_DIR to a folder of yours")
        lock = os.open(self.file.with_suffix(".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(lock)
            raise DesktopError("edge-llasm hotkey is running already: end that one first") from error
        return lock

    def _bound(self) -> socket.socket:
        self.file.unlink(missing_ok=True)  # nobody holds the lock: it was left behind
        listening = _socket()
        before = os.umask(0o177)
        try:
            listening.bind(str(self.file))
        except OSError:
            listening.close()
            raise
        finally:
            os.umask(before)
        listening.listen()
        listening.setblocking(False)
        return listening


def _answer(action: str, act: Callable[[str], str]) -> str:
    if action not in ACTIONS:
        return f"{NO}there is no such action: {', '.join(ACTIONS)}\n"
    try:
        return f"{YES}{act(action)}\n"
    except EdgeLlasmError as error:
        return f"{NO}{error}\n"


def _socket() -> socket.socket:
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    made.settimeout(PATIENCE_S)
    return made


def _line(connection: socket.socket) -> str:
    said = b""
    while b"\n" not in said and len(said) < LONGEST and (more := connection.recv(LONGEST)):
        said += more
    return said.partition(b"\n")[0].decode()
