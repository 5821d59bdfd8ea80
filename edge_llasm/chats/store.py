"""chats.sqlite: a turn is there from the beginning of its answer on, whatever becomes of the program.

A turn's row is written before its answer and grows with it, so that a kill leaves a turn that was cut off.
A spoken question is kept as the embeddings that the model heard: with them a chat goes on
exactly where it was. The recording itself is kept only when that was asked for.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
import numpy.typing as npt

from edge_llasm.errors import ChatsError
from edge_llasm.installed import models_folder
from edge_llasm.prompt import Spoken, Turn
from edge_llasm.segments import Embeddings

__all__ = ["Chat", "Exchange", "Store", "chats_file"]

MIGRATIONS = (
    """
    CREATE TABLE chat (id INTEGER PRIMARY KEY, model TEXT NOT NULL, began REAL NOT NULL);
    CREATE TABLE turn (
        id INTEGER PRIMARY KEY,
        chat INTEGER NOT NULL REFERENCES chat (id) ON DELETE CASCADE,
        asked REAL NOT NULL,
        seconds REAL NOT NULL,
        transcript TEXT NOT NULL DEFAULT '',
        answer TEXT NOT NULL DEFAULT '',
        finish_reason TEXT NOT NULL DEFAULT 'cut off',
        unheard INTEGER NOT NULL DEFAULT 0
    );
    CREATE INDEX turn_of_chat ON turn (chat, id);
    CREATE TABLE part (
        turn INTEGER NOT NULL REFERENCES turn (id) ON DELETE CASCADE,
        part INTEGER NOT NULL,
        piece INTEGER NOT NULL,
        text TEXT,
        rows INTEGER,
        embeddings BLOB,
        recording BLOB,
        PRIMARY KEY (turn, part, piece)
    ) WITHOUT ROWID;
    """,
)
"""The n-th leads from version n of the file (PRAGMA user_version) to n + 1. They are never changed, only added to."""
PATIENCE_S = 5.0
"""For another process that is writing"""
TITLE_LENGTH = 60
"""Characters"""


@dataclass(frozen=True)
class Exchange:
    """One turn as it is kept."""

    number: int
    asked: float
    """seconds since the epoch"""
    typed: str
    """what was typed; "" = only spoken"""
    seconds: float
    """of speech"""
    transcript: str
    """of the speech, made afterwards for the reader: the model never saw it; "" = none"""
    answer: str
    finish_reason: str
    """stop | length | repetition | cancelled; "cut off": the program ended before the answer did"""
    unheard: int
    """characters at the answer's end that were to be read aloud and were not"""

    @property
    def said(self) -> str:
        """The question for a reader."""
        spoken = self.transcript or (f"({self.seconds:.1f} s of speech)" if self.seconds else "")
        return "\n".join(part for part in (spoken, self.typed) if part)


@dataclass(frozen=True)
class Chat:
    """A chat's head."""

    number: int
    model: str
    began: float
    """seconds since the epoch"""
    turns: int
    title: str
    """the beginning of the first question"""


def chats_file() -> Path:
    """In the user's data folder, or in $EDGE_LLASM_HOME."""
    return models_folder().parent / "chats.sqlite"


class Store:
    """The file, open. Several threads may use it, which wait for each other, and other processes too."""

    def __init__(self, file: Path) -> None:
        """Open it, made if it is not there, brought to this version if it is older. Raises ChatsError."""
        self.file = file
        self._lock = threading.RLock()
        with self._told("opened"):
            file.parent.mkdir(parents=True, exist_ok=True)
            if not file.exists():
                os.close(os.open(file, os.O_CREAT | os.O_WRONLY, 0o600))  # nobody else's business
            self._sql = sqlite3.connect(file, PATIENCE_S, isolation_level=None, check_same_thread=False)
            self._sql.execute("PRAGMA journal_mode = WAL")
            self._sql.execute("PRAGMA synchronous = NORMAL")
            self._sql.execute("PRAGMA foreign_keys = ON")
            self._migrate()

    def close(self) -> None:
        self._sql.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def begin_chat(self, model: str) -> int:
        """A new chat; its number."""
        return self._insert("INSERT INTO chat (model, began) VALUES (?, ?)", model, time.time())

    def begin_turn(
        self, chat: int, user: Sequence[str | Spoken], seconds: float, recording: bytes | None = None
    ) -> int:
        """A question of `seconds` of speech, before its answer; the turn's number."""
        with self._told("written"), self._sql:
            self._sql.execute("BEGIN IMMEDIATE")
            turn = self._insert(
                "INSERT INTO turn (chat, asked, seconds) VALUES (?, ?, ?)", chat, time.time(), seconds
            )
            for part, content in enumerate(user):
                if isinstance(content, str):
                    self._insert_part(turn, part, 0, content, None, None, None)
                    continue
                for number, piece in enumerate(content.pieces):
                    kept = recording if number == 0 else None
                    self._insert_part(turn, part, number, None, len(piece), piece.values.tobytes(), kept)
            return turn

    def _insert_part(self, *row: object) -> None:
        self._sql.execute("INSERT INTO part VALUES (?, ?, ?, ?, ?, ?, ?)", row)

    def grow(self, turn: int, answer: str, unheard: int = 0) -> None:
        """The answer so far."""
        self._write("UPDATE turn SET answer = ?, unheard = ? WHERE id = ?", answer, unheard, turn)

    def end_turn(self, turn: int, answer: str, finish_reason: str, unheard: int = 0) -> None:
        """The whole answer, and how it ended."""
        self._write(
            "UPDATE turn SET answer = ?, finish_reason = ?, unheard = ? WHERE id = ?",
            answer, finish_reason, unheard, turn,
        )  # fmt: skip

    def heard(self, turn: int, unheard: int) -> None:
        """How much at the answer's end was to be read aloud, and was not."""
        self._write("UPDATE turn SET unheard = ? WHERE id = ?", unheard, turn)

    def transcribed(self, turn: int, transcript: str) -> None:
        """What was said, for a reader."""
        self._write("UPDATE turn SET transcript = ? WHERE id = ?", transcript, turn)

    def chats(self) -> list[Chat]:
        """Those with at least one turn, the newest last."""
        rows = self._read(
            "SELECT chat.id, model, began, count(turn.id), min(turn.id) FROM chat JOIN turn ON turn.chat = chat.id "
            "GROUP BY chat.id ORDER BY chat.id"
        )
        return [
            Chat(number, model, began, turns, self._title(number)) for number, model, began, turns, _ in rows
        ]

    def chat(self, number: int) -> Chat:
        """Raises ChatsError when there is none."""
        found = next((chat for chat in self.chats() if chat.number == number), None)
        if found is None:
            raise ChatsError(f"there is no chat {number}: edge-llasm chats lists them")
        return found

    def exchanges(self, chat: int) -> list[Exchange]:
        """Its turns, oldest first."""
        rows = self._read(
            "SELECT id, asked, (SELECT group_concat(text, char(10)) FROM part WHERE turn = turn.id), "
            "seconds, transcript, answer, finish_reason, unheard FROM turn WHERE chat = ? ORDER BY id",
            chat,
        )
        return [Exchange(number, asked, typed or "", *rest) for number, asked, typed, *rest in rows]

    def turns(self, chat: int) -> list[Turn]:
        """The same as the model takes them: what it heard and what it answered, without the unanswered."""
        turns = []
        for number, answer in self._read(
            "SELECT id, answer FROM turn WHERE chat = ? AND answer != '' ORDER BY id", chat
        ):
            user: list[str | Spoken] = []
            blocks: dict[int, list[Embeddings]] = {}
            for part, text, rows, values in self._read(
                "SELECT part, text, rows, embeddings FROM part WHERE turn = ? ORDER BY part, piece", number
            ):
                if text is not None:
                    user.append(text)
                    continue
                if part not in blocks:
                    blocks[part] = []
                    user.append(Spoken(()))
                blocks[part].append(Embeddings(_matrix(values, rows)))
                user[-1] = Spoken(tuple(blocks[part]))
            turns.append(Turn(tuple(user), answer))
        return turns

    def recordings(self, chat: int) -> Iterator[tuple[int, bytes]]:
        """(turn, recording) of those that were kept."""
        yield from self._read(
            "SELECT turn, recording FROM part JOIN turn ON turn.id = turn "
            "WHERE chat = ? AND recording NOT NULL ORDER BY turn",
            chat,
        )

    def delete(self, chat: int) -> None:
        """With all that was said in it; its pages are overwritten. Raises ChatsError when there is none."""
        self.chat(chat)
        with self._told("written"):
            self._sql.execute("PRAGMA secure_delete = ON")
            self._sql.execute("DELETE FROM chat WHERE id = ?", (chat,))
            self._sql.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            self.cache_file(chat).unlink(missing_ok=True)

    def cache_file(self, chat: int) -> Path:
        """Where the chat may be as the language model keeps it (caches.py)."""
        return self.file.parent / "caches" / f"{chat}.cache"

    def _title(self, chat: int) -> str:
        first = self.exchanges(chat)[0].said.split("\n")[0]
        return first if len(first) <= TITLE_LENGTH else first[: TITLE_LENGTH - 1] + "…"

    def _migrate(self) -> None:
        with self._sql:
            self._sql.execute("BEGIN IMMEDIATE")  # two programs that start at once: one migrates, one waits
            (version,) = self._sql.execute("PRAGMA user_version").fetchone()
            if version > len(MIGRATIONS):
                raise ChatsError(f"{self.file} was written by a newer edge-llasm: install that one")
            for statement in ";".join(MIGRATIONS[version:]).split(";"):
                self._sql.execute(statement)
            self._sql.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")

    def _insert(self, statement: str, *values: object) -> int:
        with self._told("written"):
            number = self._sql.execute(statement, values).lastrowid
        assert number is not None
        return number

    def _write(self, statement: str, *values: object) -> None:
        with self._told("written"):
            self._sql.execute(statement, values)

    def _read(self, statement: str, *values: object) -> list[tuple]:  # type: ignore[type-arg]
        with self._told("read"):
            return self._sql.execute(statement, values).fetchall()

    @contextmanager
    def _told(self, done: str) -> Iterator[None]:
        try:
            with self._lock:
                yield
        except (sqlite3.Error, OSError) as error:
            raise ChatsError(
                f"{self.file} cannot be {done} ({error}): mend it or move it away, or use --no-history"
            ) from error


def _matrix(values: bytes, rows: int) -> npt.NDArray[np.float32]:
    return np.frombuffer(values, np.float32).reshape(rows, -1)
