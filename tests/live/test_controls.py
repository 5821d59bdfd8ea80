"""What the keys of `talk` do, and what is shown: without a terminal, by keys that are handed in."""

import base64
import io
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from rich.console import Console

from edge_llasm.assistant import Assistant
from edge_llasm.chats import Store
from edge_llasm.live.controls import Controls
from edge_llasm.live.screen import Screen
from edge_llasm.live.session import Session
from edge_llasm.sampling import Sampling
from edge_llasm.sound import Microphone
from edge_llasm.terminal import Key
from tests.sound.virtual import Room

PATIENCE_S = 120
IDLE = "(nothing is answered any more)"


class Keys:
    """In the keyboard's place: the next keys are handed in when something is shown, or nothing is answered any more."""

    def __init__(self, session: Session, shown: io.StringIO, *steps: tuple[str, list[Key]]) -> None:
        self._session, self._shown, self._steps, self._since = session, shown, list(steps), 0
        self._end = time.monotonic() + PATIENCE_S

    def read(self, seconds: float, other: object = None) -> list[Key]:
        if not self._steps:
            raise EOFError
        wanted, keys = self._steps[0]
        here = (
            self._session.state == "idle"
            if wanted == IDLE
            else wanted in self._shown.getvalue()[self._since :]
        )
        if not here:
            assert time.monotonic() < self._end, self._shown.getvalue()
            time.sleep(0.01)
            return []
        del self._steps[0]
        self._since = len(self._shown.getvalue())
        return keys


def typed(text: str) -> list[Key]:
    return [*(Key(letter, text=letter) for letter in text), Key("enter")]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "chats.sqlite") as store:
        yield store


@pytest.fixture
def shown() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def run(shown: io.StringIO, store: Store) -> Callable[..., str]:
    """Let somebody press keys, each lot when a text is shown; all that was shown."""

    def run(session: Session, *steps: tuple[str, list[Key]]) -> str:
        console = Console(file=shown, width=100, force_terminal=True, highlight=False)
        with Screen(console) as screen:
            Controls(session, screen, store, holds=False).run(Keys(session, shown, *steps))  # type: ignore[arg-type]
        return shown.getvalue()

    return run


def test_an_answer_is_repeated_and_a_new_chat_and_an_old_one_are_opened(
    assistant: Assistant, store: Store, run: Callable[..., str]
) -> None:
    with Session(assistant, None, store, transcripts=False) as session:
        text = run(
            session,
            ("for help", [Key("ctrl+r")]),
            ("there is no answer yet", [Key("?", text="?")]),
            ("ctrl+o opens an old one", typed("hello")),
            (IDLE, [Key("ctrl+r"), Key("ctrl+n")]),
            ("— a new chat —", typed("other")),
            (IDLE, [Key("ctrl+o")]),
            ("type its number", typed("1")),
            ("— chat 1 —", typed("again")),
            (IDLE, []),
        )
    assert text.count(store.exchanges(1)[0].answer.split("\n")[0][:20].rstrip()) >= 2
    assert [[one.typed for one in store.exchanges(chat.number)] for chat in store.chats()] == [
        ["hello", "again"],
        ["other"],
    ]


def test_a_question_that_is_not_answered_is_told(assistant: Assistant, run: Callable[..., str]) -> None:
    with Session(assistant, None) as session:
        text = run(session, ("for help", typed("word " * 2000)), ("ask something shorter", []))
    assert "Traceback" not in text


def test_a_long_recording_shows_its_parts_and_lost_samples_are_counted(
    assistant: Assistant, virtual_room: Room, run: Callable[..., str]
) -> None:
    with Microphone() as microphone, Session(assistant, microphone) as session:
        microphone.overruns = 2
        text = run(
            session,
            ("for help", [Key("space", text=" ")]),
            (", part 2", [Key("escape")]),  # the tiny model's window has 5 s
            ("(cancelled)", []),
        )
    assert "2 gaps in the sound" in text


def test_a_long_answer_is_copied_whole(
    assistant: Assistant, store: Store, shown: io.StringIO, run: Callable[..., str]
) -> None:
    with Session(assistant, None, store, options=Sampling(max_tokens=200, guard=None)) as session:
        run(session, ("for help", typed("hello")), (IDLE, [Key("ctrl+y")]), ("(copied)", []))
        answer = session.last_answer.strip()
    assert len(answer) > 100  # wider than the window, in base64
    (copied,) = re.findall(r"\x1b]52;c;([^\x07]*)\x07", shown.getvalue())
    assert base64.b64decode(copied, validate=True).decode() == answer
