"""The system prompt is read once for all processes: the next one's first question begins after it."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from edge_llasm.assistant import Assistant
from edge_llasm.cli import run
from edge_llasm.head_file import forget_heads, head_file, heads_folder
from edge_llasm.kv_cache import KvCache
from edge_llasm.llama_setup import DEFAULTS, REPACK, Setup
from edge_llasm.prompt import Turn
from edge_llasm.timings import Timings
from tests.tiny import write_tiny_bundle

SYSTEM = "Go to line twenty, then open the file and read every line of it. " * 3
ASK = """
import sys
from edge_llasm.cli import run
from edge_llasm.kv_cache import KvCache
KvCache.read_ms = lambda self, n: 60_000.0 * n  # a model that reads slowly, by its own account
sys.exit(run(sys.argv[1:]))
"""


@pytest.fixture(scope="module")
def instructed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle with a long system prompt."""
    folder = write_tiny_bundle(tmp_path_factory.mktemp("instructed") / "instructed")
    manifest = folder / "bundle.toml"
    manifest.write_text(manifest.read_text("utf-8").replace('system = ""', f'system = "{SYSTEM}"'), "utf-8")
    return folder


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("EDGE_LLASM_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture(autouse=True)
def slow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Models read slowly, by their own account."""
    monkeypatch.setattr(KvCache, "read_ms", lambda self, n: 60_000.0 * n)


Ask = Callable[..., tuple[str, Timings]]


@pytest.fixture
def ask(instructed: Path) -> Iterator[Ask]:
    """The first question of a process: what it is answered, and what that took."""

    def first(model: Path = instructed, text: str = "and now", **options: str) -> tuple[str, Timings]:
        with Assistant.load(model, device="cpu", **options) as assistant:
            *chunks, last = assistant.reply(text=text)
        assert last.timings is not None
        return "".join(chunk.text for chunk in [*chunks, last]), last.timings

    yield first


def kept() -> list[str]:
    return sorted(path.name for path in heads_folder().glob("*"))


def test_the_second_process_does_not_read_it_and_answers_the_same(ask: Ask) -> None:
    cold, first = ask()
    assert first.cached_tokens == 0
    assert kept() == ["tiny.cpu.f16.auto.cache"]
    warm, second = ask()
    assert warm == cold
    assert second.prompt_tokens - second.cached_tokens < 20 < second.cached_tokens
    other, _ = ask(text="go to line seven")
    assert other != cold


def test_the_command_line_too(instructed: Path, home: Path) -> None:
    command = [sys.executable, "-c", ASK, "ask", "--text", "and now", "--model", str(instructed), "--json"]
    answers = []
    for _ in range(2):
        done = subprocess.run(
            command, capture_output=True, check=True, env={**os.environ, "EDGE_LLASM_HOME": str(home)}
        )
        answers.append(json.loads(done.stdout))
    first, second = answers
    assert first["text"] == second["text"]
    assert first["cached_tokens"] == 0 < 20 < second["cached_tokens"]


def test_what_is_warmed_is_kept_at_once(instructed: Path, ask: Ask) -> None:
    with Assistant.load(instructed, device="cpu") as assistant:
        assistant.warm()
        assert kept() == ["tiny.cpu.f16.auto.cache"]
    with Assistant.load(instructed, device="cpu") as assistant:
        assistant.warm()
        *_, last = assistant.reply(text="and now")
    assert last.timings is not None
    assert last.timings.cached_tokens > 20


def test_a_chat_goes_on_from_its_own_cache(instructed: Path, ask: Ask) -> None:
    ask()
    with Assistant.load(instructed, device="cpu") as assistant:
        *_, first = assistant.reply(text="and now")
        *_, second = assistant.reply(text="and then")
    assert first.timings is not None
    assert second.timings is not None
    assert second.timings.cached_tokens >= first.timings.prompt_tokens


def test_another_system_prompt_neither_uses_nor_replaces_it(instructed: Path, ask: Ask) -> None:
    ask()
    before = (heads_folder() / kept()[0]).read_bytes()
    with Assistant.load(instructed, device="cpu") as assistant:
        *_, last = assistant.answer([Turn(("and now",))], system="Who was Li Bai? " * 8)
    assert last.timings is not None
    assert last.timings.cached_tokens < 20
    assert (heads_folder() / kept()[0]).read_bytes() == before


def test_a_model_without_a_system_prompt_keeps_nothing(tiny_bundle: Path, ask: Ask) -> None:
    ask(tiny_bundle)
    assert kept() == []


def test_nobody_asked_and_nothing_is_written(instructed: Path) -> None:
    Assistant.load(instructed, device="cpu").close()
    assert kept() == []


def test_what_is_faster_read_again_is_not_written(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(KvCache, "read_ms", lambda self, n: 0.0)
    ask()
    assert kept() == []


@pytest.mark.parametrize("harm", ["empty", "cut off", "altered", "of another model"])
def test_a_file_that_is_of_no_use_is_written_anew(
    ask: Ask, harm: str, tmp_path: Path, instructed: Path
) -> None:
    cold, _ = ask()
    file = heads_folder() / kept()[0]
    good = file.read_bytes()
    if harm == "of another model":
        other = write_tiny_bundle(tmp_path / "other", seed=1)
        manifest = (other / "bundle.toml").read_text("utf-8")
        (other / "bundle.toml").write_text(manifest.replace('system = ""', f'system = "{SYSTEM}"'), "utf-8")
        ask(other)
        assert file.read_bytes() != good
    else:
        file.write_bytes({"empty": b"", "cut off": good[:-1], "altered": good[:-1] + b"?"}[harm])
    again, timings = ask()
    assert (again, timings.cached_tokens) == (cold, 0)
    assert kept() == [file.name]
    assert ask()[1].cached_tokens > 20


def test_a_folder_that_cannot_be_written_to_breaks_no_answer(ask: Ask, home: Path) -> None:
    cold, _ = ask()
    forget_heads("tiny")
    heads_folder().rmdir()
    heads_folder().write_text("a file where the folder should be")
    assert ask()[0] == cold
    assert heads_folder().is_file()


def test_two_processes_at_once_leave_one_good_file(instructed: Path, ask: Ask) -> None:
    assistants = [Assistant.load(instructed, device="cpu") for _ in range(2)]
    for assistant in assistants:
        list(assistant.reply(text="and now"))
    for assistant in assistants:
        assistant.close()
    assert len(kept()) == 1
    assert ask()[1].cached_tokens > 20


def test_ways_to_run_a_model_have_a_file_each(ask: Ask) -> None:
    ask()
    assert ask(flash_attention="off")[1].cached_tokens == 0
    assert kept() == ["tiny.cpu.f16.auto.cache", "tiny.cpu.f16.off.cache"]
    other = next(order for order in REPACK if order != DEFAULTS.repack)
    ask(repack=other)
    (mark,) = Setup(repack=other).marks
    assert f"tiny.cpu.f16.auto.{mark}.cache" in kept()


def test_a_removed_model_takes_its_file_along(instructed: Path, ask: Ask, home: Path) -> None:
    (home / "models").mkdir(parents=True)
    (home / "models" / "mine").symlink_to(instructed, target_is_directory=True)
    ask()
    assert run(["rm", "mine", "--yes"]) == 0
    assert kept() == []


def test_a_name_is_a_plain_file_name() -> None:
    assert head_file("../a.b*", "cpu", "", ()).path == heads_folder() / "___a_b_.cpu.cache"
