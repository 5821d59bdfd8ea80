"""`talk` on a real pseudo-terminal: what a person sees, and what the terminal is afterwards."""

import base64
import os
import pty
import re
import select
import shutil
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager
from fcntl import ioctl
from pathlib import Path
from struct import pack

import pytest

from edge_llasm.chats import Store
from edge_llasm.cli import run
from tests.sound.virtual import Room, missing, room

COMMAND = [sys.executable, "-m", "edge_llasm", "talk", "--model", "tiny", "--device", "cpu"]
ESCAPES = re.compile(rb"\x1b\[[\d;?<>]*[A-Za-z]|\x1b\].*?\x07")


class Screen:
    """A person before a terminal, with the kitty protocol or without."""

    def __init__(self, end: int, process: subprocess.Popen[bytes], *, kitty: bool) -> None:
        self._end, self.process, self.raw = end, process, b""
        self._answer = "\x1b[?0u\x1b[?62c" if kitty else "\x1b[?62c"

    @property
    def text(self) -> str:
        return ESCAPES.sub(b"", self.raw).decode("utf-8", "replace")

    def wait(self, wanted: str | re.Pattern[str], seconds: float = 60, since: int = 0) -> None:
        """Until something is shown, past the first `since` characters."""
        pattern = re.compile(re.escape(wanted)) if isinstance(wanted, str) else wanted
        end = time.monotonic() + seconds
        while not pattern.search(self.text, since):
            assert self.process.poll() is None, self.text
            assert time.monotonic() < end, self.text
            self.look(0.1)

    def look(self, seconds: float) -> None:
        if select.select([self._end], [], [], seconds)[0]:
            try:
                data = os.read(self._end, 65_536)
            except OSError:
                data = b""
            self.raw += data
            if b"\x1b[c" in data:
                self.press(self._answer)

    def press(self, keys: str) -> None:
        os.write(self._end, keys.encode())

    def leave(self) -> int:
        self.press("\x03")
        end = time.monotonic() + 20
        while self.process.poll() is None and time.monotonic() < end:
            self.look(0.1)
        return self.process.wait(1)


@contextmanager
def talking(*options: str, columns: int = 80, kitty: bool = False) -> Iterator[Screen]:
    person, program = pty.openpty()
    ioctl(program, termios.TIOCSWINSZ, pack("HHHH", 24, columns, 0, 0))
    before = termios.tcgetattr(program)
    with subprocess.Popen([*COMMAND, *options], stdin=program, stdout=program, stderr=program) as process:
        screen = Screen(person, process, kitty=kitty)
        try:
            screen.wait("? for help")
            yield screen
        finally:
            process.kill()
    assert termios.tcgetattr(program) == before
    os.close(person)
    os.close(program)


@pytest.fixture
def somewhere(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Room]:
    if lacking := missing():
        pytest.skip(lacking)
    with room(tmp_path_factory.mktemp("room")) as there:
        yield there


def test_a_typed_chat_is_answered_kept_and_opened_again(home: Path) -> None:
    with talking() as screen:
        screen.press("hello 你好\r")
        screen.wait("you    hello 你好")
        screen.wait("tokens · tiny on cpu")
        assert screen.leave() == 0
    with Store(home / "chats.sqlite") as store:
        (exchange,) = store.exchanges(1)
    assert exchange.typed == "hello 你好"
    with talking("--chat", "1") as screen:
        screen.press("more\r")
        screen.wait("tokens · tiny on cpu")
        screen.press("\x0f")
        screen.wait("1  hello 你好")
        assert screen.leave() == 0
    with Store(home / "chats.sqlite") as store:
        assert [one.typed for one in store.exchanges(1)] == ["hello 你好", "more"]


def test_a_spoken_question_is_answered(home: Path, somewhere: Room, speech: Path) -> None:
    with talking("--no-history") as screen:
        screen.press(" ")
        screen.wait("● ")
        somewhere.play(speech).communicate()
        screen.press(" ")
        screen.wait("s of speech)")
        screen.wait("heard  ")
        since = len(screen.text)
        screen.press(" ")
        screen.wait("● ", since=since)
        screen.press("\x1b")
        screen.wait("(cancelled)")
        assert screen.leave() == 0
    assert not (home / "chats.sqlite").exists()


def test_where_the_terminal_tells_the_key_is_held(somewhere: Room, speech: Path) -> None:
    with talking("--no-history", kitty=True) as screen:
        assert "hold or tap space to talk" in screen.text
        screen.press("\x1b[32;1:1u")
        screen.wait("● ")
        screen.press("\x1b[32;1:2u")  # the terminal repeats a key that is held
        somewhere.play(speech).communicate()
        screen.press("\x1b[32;1:3u")
        screen.wait("heard  ")
        since = len(screen.text)
        screen.press("\x1b[32;1:1u\x1b[32;1:3u")  # only tapped: it goes on
        screen.wait(re.compile("● [1-9]"), since=since)
        assert "no speech" not in screen.text
        screen.press("\x1b[32;1:1u")
        screen.wait("no speech was found", since=since)
        screen.press("\x1b[99;5u")
        assert screen.leave() == 0


def test_hands_free_without_its_microphone_goes_on_by_key(somewhere: Room, speech: Path) -> None:
    with talking("--no-history", "--hands-free") as screen:
        screen.wait("listening")
        somewhere.control("unload-module", "module-null-sink")
        screen.wait("tap space to talk")
        screen.press("hello\r")
        screen.wait("tokens · tiny on cpu")
        assert screen.leave() == 0


def test_a_private_microphone_says_when_it_hears(somewhere: Room, speech: Path) -> None:
    with talking("--no-history", "--private") as screen:
        assert somewhere.control("list", "short", "source-outputs") == ""
        assert b"\x07" not in screen.raw
        screen.press(" ")
        screen.wait("● ")
        assert b"\x07" in screen.raw
        somewhere.play(speech).communicate()
        screen.press(" ")
        screen.wait("heard  ")
        assert somewhere.control("list", "short", "source-outputs") == ""
        assert screen.leave() == 0


def test_an_unplugged_microphone_is_told_and_what_it_heard_is_asked(somewhere: Room, speech: Path) -> None:
    with talking("--no-history") as screen:
        screen.press(" ")
        screen.wait("● ")
        somewhere.play(speech).communicate()
        somewhere.control("unload-module", "module-null-sink")
        screen.wait("is gone; what it heard is asked")
        screen.wait("heard  ")
        assert "ALSA" not in screen.text
        assert screen.leave() == 0


def test_the_last_answer_is_copied_by_the_terminal() -> None:
    with talking("--no-history") as screen:
        screen.press("\x19")
        screen.wait("there is nothing to copy")
        screen.press("hello\r")
        screen.wait("tokens · tiny on cpu")
        screen.press("\x19")
        screen.wait("(copied)")
        assert b"\x1b]52;c;" in screen.raw
        assert screen.leave() == 0


def test_only_the_code_of_an_answer_is_copied() -> None:
    with talking("--no-history", "--model", "nano") as screen:
        screen.press("define a function called parse date\r")
        screen.wait("tokens · nano on cpu")
        screen.press("\x0b")
        screen.wait("(copied)")
        (copied,) = re.findall(rb"\x1b\]52;c;([A-Za-z0-9+/=]+)\x07", screen.raw)
        assert base64.b64decode(copied).startswith(b"def parse_date(")
        assert screen.leave() == 0


def test_only_the_live_lines_are_redrawn() -> None:
    with talking("--no-history", columns=50) as screen:
        screen.press("hello\r")
        screen.wait("tokens · tiny on cpu")
        written = len(screen.raw)
        for _ in range(10):
            screen.look(0.1)
        assert len(screen.raw) == written  # nothing happens, nothing is written
        assert b"\x1b[2J" not in screen.raw
        assert screen.leave() == 0


def test_an_answer_is_read_aloud_and_escape_stops_it(home: Path, somewhere: Room) -> None:
    if shutil.which("espeak-ng") is None:
        pytest.skip("no voice without espeak-ng")
    somewhere.furnish()
    with somewhere.tap() as tap, talking("--speak") as screen:
        screen.press("hello\r")
        while not tap.loud_at:
            screen.look(0.05)
            assert screen.process.poll() is None, screen.text
        screen.wait("♪ escape stops it")
        since = len(screen.text)
        screen.press("\x1b")
        screen.wait("tap space to talk", since=since)
        assert screen.leave() == 0
    with Store(home / "chats.sqlite") as store:
        assert store.exchanges(1)[0].unheard > 0


def test_a_voice_that_is_not_there_is_told_in_one_line(home: Path, somewhere: Room) -> None:
    person, program = pty.openpty()
    command = [*COMMAND, "--speak", "--voice-en", "none.onnx"]
    done = subprocess.run(command, stdin=program, stdout=program, stderr=subprocess.PIPE, text=True)
    os.close(person)
    os.close(program)
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert "none.onnx is not there" in done.stderr or "[speak]" in done.stderr


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGHUP])
def test_a_program_that_is_ended_gives_the_terminal_back(ending: signal.Signals) -> None:
    with talking("--no-history") as screen:
        screen.process.send_signal(ending)
        while screen.process.poll() is None:
            screen.look(0.1)
        assert screen.process.returncode == 130


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ([], "talk needs a terminal"),
        (["--chat", "1", "--no-history"], "exclude each other"),
        (["--private", "--hands-free"], "exclude each other"),
    ],
)
def test_what_cannot_be_is_told(options: list[str], told: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["talk", *options]) == 2
    assert told in capsys.readouterr().err
