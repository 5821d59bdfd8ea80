"""``.NAME.part`` beside the target: where finished parts wait for the rest, also over an interruption.

A part is written as a draft, renamed when it is complete, and noted: a small json beside it says what it was
made from. A second run takes over the parts whose note is what it would write itself, and sweeps away all else.
The finished parts lie in a folder of their own, which becomes the target in one move.
"""

import fcntl
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from convert.errors import ConvertError

Recipe = Mapping[str, object]
"""What a part was made from, as JSON has it."""


class Workplace:
    """The folder while this process, and no other, works in it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.bundle = folder / "finished"
        """What becomes the target; by this name nobody takes it for a model."""

    def path(self, name: str) -> Path:
        """Where the finished file will be; a name that begins with a dot is only needed on the way."""
        return (self._folder if name.startswith(".") else self.bundle) / name

    def draft(self, name: str) -> Path:
        """Where it is being written."""
        return self._folder / f"{name}.draft"

    def has(self, name: str, recipe: Recipe | None) -> bool:
        """Whether an earlier run finished this part, made from the same."""
        try:
            note = json.loads(self._note(name).read_text(encoding="utf-8"))
            return recipe is not None and note == [dict(recipe), self.path(name).stat().st_size]
        except (OSError, ValueError):
            return False

    def make(self, name: str, recipe: Recipe | None, write: Callable[[Path], None]) -> None:
        """Let ``write`` make a part. Without a recipe nobody can take it over later.

        Raises ConvertError when the disk is full or cannot be written, and what ``write`` raises.
        """
        path, draft, note = self.path(name), self.draft(name), self._note(name)
        with one_line(f"cannot write {name}", "make room and run it again: the finished parts are kept"):
            note.unlink(missing_ok=True)
            path.unlink(missing_ok=True)  # made from something else: its room may be needed
            write(draft)
            with draft.open("rb") as file:
                os.fsync(file.fileno())  # a power cut must not leave holes under the final name
            draft.replace(path)
            if recipe is not None:
                note.write_text(json.dumps([dict(recipe), path.stat().st_size]), encoding="utf-8")

    def sweep(self) -> bool:
        """Remove what is not a finished part. Returns whether there is one."""
        folders = (self._folder, self.bundle)
        finished = {
            note.name.removesuffix(".json") for note in self._folder.glob("*.json") if _is_note(note, self)
        }
        for path in [path for folder in folders if folder.is_dir() for path in folder.iterdir()]:
            if path.is_file() and path.name.removesuffix(".json") not in finished:
                path.unlink(missing_ok=True)
        return bool(finished)

    def abandon(self) -> bool:
        """Leave only finished parts, or nothing at all. Returns whether there is one.

        Also for an interruption, while a thread may still be writing.
        """
        if self._folder.is_dir() and not self.sweep():
            shutil.rmtree(self._folder, ignore_errors=True)
        return self._folder.is_dir()

    def publish(self, target: Path) -> None:
        """Make the finished folder the target. Raises ConvertError."""
        require_absent(target)  # made by somebody else meanwhile; rename would replace an empty folder
        with one_line(f"cannot write {target}"):
            self.bundle.rename(target)
        shutil.rmtree(self._folder, ignore_errors=True)

    def _note(self, name: str) -> Path:
        return self._folder / f"{name}.json"


@contextmanager
def workplace(target: Path) -> Iterator[Workplace]:
    """Work beside ``target``, which must not exist; afterwards only finished parts are left there.

    Raises ConvertError, also where another process makes the same target.
    """
    require_absent(target)
    folder = target.parent / f".{target.name}.part"
    place = Workplace(folder)
    with one_line(f"cannot write beside {target}"):
        place.bundle.mkdir(parents=True, exist_ok=True)
        lock = os.open(folder, os.O_RDONLY)
    try:
        with one_line(f"cannot write beside {target}"):
            _lock(lock, target)
        place.sweep()
        try:
            yield place
        finally:
            place.abandon()
    finally:
        os.close(lock)


def require_absent(target: Path) -> None:
    """Raise ConvertError if there is anything at ``target``, be it a broken link."""
    if os.path.lexists(target):
        raise ConvertError(f"{target} exists already: remove it or choose another folder")


@contextmanager
def one_line(what: str, remedy: str = "choose another folder") -> Iterator[None]:
    """The operating system's refusals as ConvertError."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        raise ConvertError(f"{what}: {reason}; {remedy}") from error


def _lock(folder: int, target: Path) -> None:
    """Until the process ends, however it ends. Raises ConvertError when another one holds it."""
    try:
        fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise ConvertError(f"{target} is being made already: wait, or choose another folder") from error


def _is_note(note: Path, place: Workplace) -> bool:
    """Whether the note is whole and the file that it is about is there."""
    try:
        _, size = json.loads(note.read_text(encoding="utf-8"))
        return bool(place.path(note.name.removesuffix(".json")).stat().st_size == size)
    except (OSError, ValueError, TypeError):
        return False
