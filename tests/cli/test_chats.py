import base64
import json
from pathlib import Path

import numpy as np
import pytest

from edge_llasm.chats import Store
from edge_llasm.cli import run
from edge_llasm.prompt import Spoken
from edge_llasm.segments import Embeddings


@pytest.fixture
def chat(home: Path) -> int:
    spoken = Spoken((Embeddings(np.ones((2, 4), np.float32)),))
    with Store(home / "chats.sqlite") as store:
        chat = store.begin_chat("nano")
        first = store.begin_turn(chat, [spoken], 1.9, b"fLaC")
        store.transcribed(first, "写一个函数")
        store.end_turn(first, "```python\npass\n```", "stop")
        store.grow(store.begin_turn(chat, ["and then?"], 0.0), "We")
        return chat


def test_chats_are_listed(chat: int, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["chats"]) == 0
    number, _, _, model, turns, title = capsys.readouterr().out.split()
    assert (number, model, turns, title) == (str(chat), "nano", "2", "写一个函数")


def test_no_chat_is_no_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["chats"]) == 0
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "no chat is kept in" in shown.err


def test_a_chat_is_shown_as_markdown(chat: int, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["chats", "show", str(chat)]) == 0
    heading, about, *turns = capsys.readouterr().out.split("\n\n")
    assert heading == "# 写一个函数"
    assert about.startswith("nano, 20")
    assert turns == ["> 写一个函数", "```python\npass\n```", "> and then?", "We", "*cut off*\n"]


def test_a_chat_is_exported_as_json(chat: int, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["chats", "export", str(chat), "--format", "json"]) == 0
    first, second = json.loads(capsys.readouterr().out)["turns"]
    assert (first["transcript"], first["speech_seconds"], first["finish_reason"]) == (
        "写一个函数",
        1.9,
        "stop",
    )
    assert base64.b64decode(first["recording"]) == b"fLaC"
    assert (second["typed"], second["answer"], second["finish_reason"]) == ("and then?", "We", "cut off")
    assert second["recording"] is None


def test_a_chat_is_deleted_only_when_that_is_meant(
    chat: int, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["chats", "delete", str(chat)]) == 2
    assert "give --yes" in capsys.readouterr().err
    assert run(["chats", "delete", str(chat), "--yes"]) == 0
    with Store(home / "chats.sqlite") as store:
        assert store.chats() == []


@pytest.mark.parametrize("command", ["show", "export", "delete"])
def test_an_unknown_chat_is_told(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["chats", command, "7"]) == 1
    assert capsys.readouterr().err == "edge-llasm: there is no chat 7: edge-llasm chats lists them\n"
