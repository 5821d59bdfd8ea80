"""`hotkey` as its users have it: a key on a virtual screen, a recording to a virtual microphone, an editor."""

import os
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from edge_llasm.chats import Store
from edge_llasm.cli import run
from tests.desktop.compositor import Terminal
from tests.desktop.conftest import virtual_screen, wayland
from tests.desktop.virtual import Screen
from tests.sound.conftest import virtual_room
from tests.sound.virtual import Room

__all__ = ["virtual_room", "virtual_screen", "wayland"]

COMMAND = [sys.executable, "-m", "edge_llasm", "hotkey", "--device", "cpu"]
DEMO = Path(__file__).parents[2] / "models" / "nano" / "demo"
"""By voices that nano was not trained on"""
FUNCTION, SUM, LI_BAI = (
    DEMO / name for name in ("1-define-a-function.ogg", "3-a-sum.ogg", "4-li-bai-in-english.ogg")
)
READY = "hold or tap F9 to talk"
HEARD = "edge-llasm: heard: "
PATIENCE_S = 120


class Program:
    """`edge-llasm hotkey`, started in a terminal that nobody looks at."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process, self.told, self.said = process, "", ""
        self._readers = [threading.Thread(target=self._read, args=(name,)) for name in ("stderr", "stdout")]
        for reader in self._readers:
            reader.start()

    def wait(self, wanted: str, times: int = 1) -> None:
        """Until it has told something, so many times."""
        end = time.monotonic() + PATIENCE_S
        while self.told.count(wanted) < times:
            assert self.process.poll() is None, self.told
            assert time.monotonic() < end, self.told
            time.sleep(0.02)

    def end(self, sent: signal.Signals = signal.SIGINT) -> int:
        self.process.send_signal(sent)
        status = self.process.wait(PATIENCE_S)
        for reader in self._readers:
            reader.join()
        return status

    def _read(self, name: str) -> None:
        stream = getattr(self.process, name)
        while text := os.read(stream.fileno(), 1000).decode():
            if name == "stderr":
                self.told += text
            else:
                self.said += text
        stream.close()


@contextmanager
def listening(*options: str, model: str = "nano", ready: str = READY) -> Iterator[Program]:
    process = subprocess.Popen(
        [*COMMAND, "--model", model, *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    program = Program(process)
    try:
        program.wait(ready)
        yield program
    finally:
        if process.poll() is None:
            assert program.end() == 130, program.told
    assert "Traceback" not in program.told
    assert "unexpected" not in program.told


def answers(home: Path) -> list[str]:
    """What was answered, as it is kept: hearing is tested elsewhere."""
    with Store(home / "chats.sqlite") as store:
        return [exchange.answer.strip() for exchange in store.exchanges(1)]


def hold(screen: Screen, room: Room, program: Program, clip: Path) -> None:
    """Hold the key, say something, let it go."""
    before = program.told.count("recording\n")
    screen.xdotool("keydown", "F9")
    program.wait("recording\n", before + 1)
    room.play(clip).communicate()
    screen.xdotool("keyup", "F9")
    program.wait("answered, ", before + 1)


def tap(screen: Screen, room: Room, program: Program, clip: Path) -> None:
    """Tap the key, say something, tap it again."""
    before = program.told.count("recording\n")
    screen.xdotool("key", "F9")
    program.wait("recording\n", before + 1)
    room.play(clip).communicate()
    screen.xdotool("key", "F9")
    program.wait("answered, ", before + 1)


def test_answers_are_typed_where_the_cursor_is(
    virtual_screen: Screen, virtual_room: Room, home: Path
) -> None:
    editor = virtual_screen.editor()
    virtual_screen.copy("早先".encode())
    with listening() as program:
        hold(virtual_screen, virtual_room, program, SUM)
        (sum_,) = answers(home)
        editor.wait(sum_)
        program.wait(HEARD)
        virtual_screen.xdotool("key", "Return")
        tap(virtual_screen, virtual_room, program, LI_BAI)
        _, poet = answers(home)
        editor.wait(f"{sum_}\n{poet}")
        program.wait(HEARD, 2)
    assert virtual_screen.clipboard() == "早先".encode()


def test_code_is_pasted_without_its_fence_and_the_clipboard_is_as_it_was(
    virtual_screen: Screen, virtual_room: Room, home: Path
) -> None:
    editor = virtual_screen.editor()
    virtual_screen.copy("早先\tkept\n".encode())
    with listening("--code", "--enter") as program:
        hold(virtual_screen, virtual_room, program, FUNCTION)
        (answer,) = answers(home)
        code = answer.removeprefix("```python\n").removesuffix("\n```") + "\n"
        assert "\n    " in code
        editor.wait(code)
        hold(virtual_screen, virtual_room, program, SUM)
        program.wait("there is no code block in the answer: nothing is delivered")
        assert editor.text == code
        assert virtual_screen.clipboard() == "早先\tkept\n".encode()


def test_what_is_said_in_chinese_is_written_down(
    virtual_screen: Screen, virtual_room: Room, home: Path
) -> None:
    editor = virtual_screen.editor()
    with listening("--transcribe", "--enter") as program:
        hold(virtual_screen, virtual_room, program, SUM)
        editor.wait_for(r"\S*[一二三四五六七八九十]+\S*\n")
        tap(virtual_screen, virtual_room, program, SUM)
        editor.wait_for(r"(\S*[一二三四五六七八九十]+\S*\n){2}")
    assert not (home / "chats.sqlite").exists()


def test_the_cancel_key_forgets_what_is_recorded(
    virtual_screen: Screen, virtual_room: Room, speech: Path, home: Path
) -> None:
    editor = virtual_screen.editor()
    with listening(model="tiny") as program:
        virtual_screen.xdotool("keydown", "F9")
        program.wait("recording\n")
        virtual_room.play(speech).communicate()
        virtual_screen.xdotool("key", "Escape", "keyup", "F9")
        program.wait("cancelled\n")
        virtual_screen.xdotool("key", "F9")
        program.wait("recording\n", 2)
        virtual_screen.xdotool("key", "Escape")
        program.wait("cancelled\n", 2)
        virtual_screen.xdotool("key", "x")
        editor.wait("x")
    assert "of speech" not in program.told


def test_silence_is_told_and_nothing_is_typed(virtual_screen: Screen, virtual_room: Room) -> None:
    editor = virtual_screen.editor()
    with listening(model="tiny") as program:
        virtual_screen.xdotool("keydown", "F9", "sleep", "1", "keyup", "F9")
        program.wait("no speech was found")
        assert editor.text == ""


def ask(action: str) -> tuple[int, str, str]:
    """Another process asks the one that listens."""
    done = subprocess.run(
        [sys.executable, "-m", "edge_llasm", "hotkey", action],
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
    )
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize(
    ("variable", "told"),
    [
        (
            "DISPLAY",
            "no display (DISPLAY is not set), so no key can be heard: bind `edge-llasm hotkey toggle`",
        ),
        (
            "WAYLAND_DISPLAY",
            "Wayland lets no program hear the keys of other windows: bind `edge-llasm hotkey toggle`",
        ),
    ],
)
def test_without_keys_it_says_why_and_is_told_by_a_socket(
    variable: str, told: str, virtual_room: Room, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, home: Path
) -> None:
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "XDG_SESSION_TYPE"):
        monkeypatch.delenv(name, raising=False)
    if variable != "DISPLAY":
        monkeypatch.setenv(variable, "wayland-9")
    file = tmp_path / "answers.txt"
    with listening("--to", f"file:{file}", ready=told) as program:
        (socket,) = Path(os.environ["XDG_RUNTIME_DIR"]).rglob("hotkey.sock")
        assert stat.S_IMODE(socket.stat().st_mode) == 0o600
        assert ask("start") == (0, "recording\n", "")
        assert ask("start") == (0, "recording\n", "")
        virtual_room.play(SUM).communicate()
        assert ask("stop") == (0, "answering\n", "")
        program.wait("answered")
        assert ask("toggle") == (0, "recording\n", "")
        virtual_room.play(FUNCTION).communicate()
        assert ask("toggle") == (0, "answering\n", "")
        program.wait("answered", 2)
        assert ask("toggle") == (0, "recording\n", "")
        assert ask("cancel") == (0, "idle\n", "")
        assert ask("stop") == (0, "idle\n", "")
    first, second = answers(home)
    assert file.read_text("utf-8") == f"{first}\n{second}\n"
    assert not socket.exists()
    assert ask("toggle") == (1, "", "edge-llasm: nothing listens: start `edge-llasm hotkey` first\n")


def test_on_wayland_the_socket_starts_it_and_the_answer_is_typed(
    wayland: Terminal, virtual_room: Room, home: Path
) -> None:
    with listening("--enter", ready="Wayland lets no program hear the keys of other windows") as program:
        ask("start")
        virtual_room.play(SUM).communicate()
        ask("stop")
        program.wait("answered")
        (answer,) = answers(home)
        wayland.wait(f"{answer}\n")


def test_a_second_one_is_refused(virtual_room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "XDG_SESSION_TYPE"):
        monkeypatch.delenv(name, raising=False)
    with listening("--to", "stdout", model="tiny", ready="no display"):
        second = subprocess.run(
            [*COMMAND, "--to", "stdout"], capture_output=True, text=True, timeout=PATIENCE_S
        )
        assert second.returncode == 1
        assert second.stderr == "edge-llasm: edge-llasm hotkey is running already: end that one first\n"
        assert ask("stop") == (0, "idle\n", "")


def test_answers_are_streamed_to_standard_output(
    virtual_room: Room, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "XDG_SESSION_TYPE"):
        monkeypatch.delenv(name, raising=False)
    with listening("--to", "stdout", ready="no display") as program:
        ask("start")
        virtual_room.play(SUM).communicate()
        ask("stop")
        program.wait(HEARD)
        assert program.end(signal.SIGTERM) == 130
    (answer,) = answers(home)
    assert program.said.strip() == answer


def test_a_key_that_is_taken_leaves_the_socket(virtual_screen: Screen, virtual_room: Room) -> None:
    from edge_llasm.desktop.shortcut import Shortcut
    from edge_llasm.desktop.x11_keys import X11Keys

    other = X11Keys(Shortcut.parse("F9"), Shortcut.parse("esc"))
    with listening(model="tiny", ready="F9 belongs to another program already"):
        assert ask("start") == (0, "recording\n", "")
    other.close()


@pytest.mark.parametrize(
    ("options", "status", "told"),
    [
        (["--key", "a"], 2, "a also writes: take a key that does not, or hold one with it (ctrl+alt+a)"),
        (["--key", "f99"], 1, '"f99" is no key; the nearest is f9'),
        (["--to", "printer"], 1, "take one of type, paste, clipboard, stdout, file:PATH, exec:CMD"),
        (["--to", "file:/no/such/folder/x"], 1, "/no/such/folder/x cannot be written"),
        (["--transcribe", "--code"], 2, "--transcribe writes down what is said"),
        (["--chat", "1", "--no-history"], 2, "exclude each other"),
        (["toggle", "--code"], 2, "--code is for the `edge-llasm hotkey` that listens, not for toggle"),
        (["explode"], 2, "'explode' is not one of"),
        (["--to", "type"], 1, "no display (DISPLAY is not set): take --to stdout, file:PATH or exec:CMD"),
    ],
)
def test_what_cannot_be_is_told(
    options: list[str],
    status: int,
    told: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "XDG_SESSION_TYPE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_RUNTIME_DIR", "/tmp")
    assert run(["hotkey", *options]) == status
    assert told in " ".join(capsys.readouterr().err.split())
