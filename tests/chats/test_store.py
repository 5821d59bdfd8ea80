"""What is kept survives, whatever becomes of the program that kept it."""

import json
import random
import signal
import sqlite3
import stat
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from edge_llasm.chats import Store
from edge_llasm.chats.export import as_json, as_markdown
from edge_llasm.errors import ChatsError
from edge_llasm.prompt import Spoken
from edge_llasm.segments import Embeddings

WRITER = """
import sys
from pathlib import Path
from edge_llasm.chats import Store
with Store(Path(sys.argv[1])) as store:
    chat = store.begin_chat("nano")
    for n in range(10_000):
        turn = store.begin_turn(chat, [f"question {n}"], 0.0)
        for length in range(1, 4):
            store.grow(turn, "word " * length)
        store.end_turn(turn, f"answer {n}", "stop")
        print(n, flush=True)
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "home" / "chats.sqlite"


def heard(seed: int, rows: int = 3) -> Embeddings:
    return Embeddings(np.random.default_rng(seed).standard_normal((rows, 8)).astype(np.float32))


def test_a_chat_comes_back_as_the_model_took_it(file: Path) -> None:
    asked = [
        (("what is tea",), 0.0, "A drink."),
        ((Spoken((heard(1), heard(2, 5))),), 12.0, "你好。"),
        (("look:", Spoken((heard(3),)), "and this?"), 1.5, "```python\npass\n```"),
    ]
    with Store(file) as store:
        chat = store.begin_chat("nano")
        for user, seconds, answer in asked:
            store.end_turn(store.begin_turn(chat, user, seconds), answer, "stop")
    with Store(file) as store:
        assert [(turn.user, turn.answer) for turn in store.turns(chat)] == [(u, a) for u, _, a in asked]
        exchanges = store.exchanges(chat)
        assert [exchange.said for exchange in exchanges] == [
            "what is tea",
            "(12.0 s of speech)",
            "(1.5 s of speech)\nlook:\nand this?",
        ]
        store.transcribed(exchanges[1].number, "你好")
        assert store.exchanges(chat)[1].said == "你好"


def test_what_was_not_heard_is_kept_and_marked(file: Path) -> None:
    with Store(file) as store:
        chat = store.begin_chat("nano")
        turn = store.begin_turn(chat, ["what is tea"], 0.0)
        store.grow(turn, "A drink. ", 9)
        assert store.exchanges(chat)[0].unheard == 9
        store.end_turn(turn, "A drink. It is hot.", "stop", 19)
        store.heard(turn, 10)
        (exchange,) = store.exchanges(chat)
        assert "A drink. *[not heard from here:]* It is hot." in as_markdown(store.chat(chat), [exchange])
        assert json.loads(as_json(store.chat(chat), [exchange], {}))["turns"][0]["unheard_characters"] == 10


def test_chats_are_listed_with_the_beginning_of_the_first_question(file: Path) -> None:
    with Store(file) as store:
        store.begin_chat("nano")  # nobody asked anything in it
        for question in ("hello\nthere", "x" * 100):
            store.begin_turn(store.begin_chat("nano"), [question], 0.0)
        assert [(chat.number, chat.turns, chat.title) for chat in store.chats()] == [
            (2, 1, "hello"),
            (3, 1, "x" * 59 + "…"),
        ]


def test_nobody_else_may_read_it(file: Path) -> None:
    with Store(file) as store:
        store.begin_turn(store.begin_chat("nano"), ["a secret"], 0.0)
        for one in file.parent.iterdir():
            assert stat.S_IMODE(one.stat().st_mode) == 0o600


def test_what_is_deleted_is_gone_from_the_disk(file: Path) -> None:
    with Store(file) as store:
        gone, kept = store.begin_chat("nano"), store.begin_chat("nano")
        turn = store.begin_turn(gone, ["my secret question"], 0.0, b"")
        store.end_turn(turn, "my secret answer", "stop")
        store.begin_turn(kept, ["harmless"], 0.0)
        store.delete(gone)
        assert [chat.number for chat in store.chats()] == [kept]
        with pytest.raises(ChatsError, match=f"there is no chat {gone}: edge-llasm chats"):
            store.delete(gone)
        everything = b"".join(one.read_bytes() for one in file.parent.iterdir())
    assert b"harmless" in everything
    assert b"secret" not in everything


@pytest.mark.parametrize("kills", [10, pytest.param(200, marks=pytest.mark.slow)])
def test_no_finished_turn_is_lost_when_the_program_is_killed(file: Path, kills: int) -> None:
    rng = random.Random(4)
    finished = 0
    for _ in range(kills):
        with subprocess.Popen([sys.executable, "-c", WRITER, str(file)], stdout=subprocess.PIPE) as writer:
            assert writer.stdout is not None
            writer.stdout.readline()
            time.sleep(rng.uniform(0, 0.05))
            writer.send_signal(signal.SIGKILL)
            finished += 1 + len(writer.stdout.read().splitlines())
    with Store(file) as store:
        assert sqlite3.connect(file).execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        exchanges = [exchange for chat in store.chats() for exchange in store.exchanges(chat.number)]
    ended = [exchange for exchange in exchanges if exchange.finish_reason == "stop"]
    cut_off = [exchange for exchange in exchanges if exchange.finish_reason == "cut off"]
    assert len(ended) >= finished
    assert all(one.answer == one.typed.replace("question", "answer") for one in ended)
    assert len(cut_off) <= kills
    assert all(one.answer in ("", "word ", "word word ", "word word word ") for one in cut_off)


def test_two_programs_may_start_at_once(file: Path) -> None:
    starter = WRITER.split("    for n")[0]
    started = [subprocess.Popen([sys.executable, "-c", starter, str(file)]) for _ in range(4)]
    assert [process.wait() for process in started] == [0, 0, 0, 0]
    assert sqlite3.connect(file).execute("SELECT count(*) FROM chat").fetchone() == (4,)


def test_a_file_of_a_newer_version_is_refused(file: Path) -> None:
    Store(file).close()
    with sqlite3.connect(file) as newer:
        newer.execute("PRAGMA user_version = 99")
    with pytest.raises(ChatsError, match="written by a newer edge-llasm"):
        Store(file)


def test_a_file_that_is_no_database_is_refused_and_left_alone(file: Path) -> None:
    file.parent.mkdir(parents=True)
    file.write_text("dear diary " * 100)
    with pytest.raises(ChatsError, match=r"chats\.sqlite cannot be opened \(file is not a database\)"):
        Store(file)
    assert file.read_text() == "dear diary " * 100
