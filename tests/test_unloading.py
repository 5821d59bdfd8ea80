"""An assistant whose engines were unloaded: the memory is given back, and nothing else is different."""

import json
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from edge_llasm import Assistant, Bundle, Sampling
from edge_llasm.errors import BundleError, Busy, EngineError
from edge_llasm.prompt import Turn
from tests.test_assistant import text_of

NANO = Path(__file__).parents[1] / "models" / "nano"
TURNS = 4
MEASURE = """
import json, re, sys
from edge_llasm import Assistant

def memory():
    with open("/proc/self/smaps_rollup") as file:
        return 1024 * int(re.search(r"Rss:\\s+(\\d+)", file.read())[1])

loaded, unloaded, said = [], [], []
with Assistant.load("nano", device="cpu") as assistant:
    for recording in sys.argv[2:]:
        said.append("".join(chunk.text for chunk in assistant.reply(recording)))
        loaded.append(memory())
        if sys.argv[1] == "rest":
            assistant.unload()
            unloaded.append(memory())
print(json.dumps([loaded, unloaded, said]))
"""


def measured(*arguments: str) -> tuple[list[int], list[int], list[str]]:
    """Bytes in memory after each turn and after each rest, and the answers, of a process of its own."""
    recordings = [str(file) for file in sorted((NANO / "demo").glob("*.ogg"))[:TURNS]]
    run = subprocess.run(
        [sys.executable, "-c", MEASURE, *arguments, *recordings], capture_output=True, text=True, check=True
    )
    loaded, unloaded, said = json.loads(run.stdout)
    return loaded, unloaded, said


@pytest.mark.skipif(sys.platform != "linux", reason="memory is read from /proc")
def test_nano_gives_its_memory_back_each_time_and_answers_as_if_it_had_not() -> None:
    loaded, unloaded, said = measured("rest")
    llm = next(file.size for file in Bundle.find("nano").files if file.name == "llm.gguf")
    for before, after in zip(loaded, unloaded, strict=True):
        assert before - after > llm  # mapped; and what was computed with it
    assert unloaded[-1] < 1.05 * unloaded[1]  # the first time the allocator learns what it keeps, once
    assert said == measured("stay")[2]
    assert len(set(said)) == TURNS


def test_whatever_needs_the_engines_loads_them_again(tiny_bundle: Path, speech: Path, tmp_path: Path) -> None:
    with Assistant.load(tiny_bundle, device="cpu") as assistant:
        assistant.llm.shelf.room = 1 << 20
        expected = text_of(assistant.transcribe(speech))
        works = (
            assistant.wake,
            assistant.warm,
            lambda: assistant.prepare(speech),
            lambda: assistant.hear(speech),
            lambda: text_of(assistant.reply(text="hello")),
            lambda: assistant.save_cache(tmp_path / "cache"),
        )
        for work in works:
            assistant.unload()
            assistant.unload()
            assert not assistant.loaded
            assert assistant.llm.n_ctx == 512
            work()
            assert assistant.loaded
            assert assistant.llm.shelf.room == 1 << 20
        assistant.unload()
        assert text_of(assistant.transcribe(speech)) == expected
        assert len(assistant.history) == 1


def test_a_chat_is_forgotten_and_resumed_without_loading_anything(tiny_bundle: Path) -> None:
    with Assistant.load(tiny_bundle, device="cpu") as assistant:
        text_of(assistant.reply(text="hello"))
        turns = assistant.history
        assistant.unload()
        assistant.reset()
        assistant.resume(turns)
        assert (assistant.history, assistant.loaded) == (turns, False)


def test_questions_that_come_while_it_is_unloaded_wait_and_are_answered(tiny_bundle: Path) -> None:
    options = Sampling(max_tokens=8)
    with Assistant.load(tiny_bundle, device="cpu") as assistant:
        expected = text_of(assistant.reply(text="hello", options=options))
        answers: list[str] = []

        def ask() -> None:
            for _ in range(10):
                answers.append(text_of(assistant.answer([Turn(("hello",))], options=options)))

        threads = [threading.Thread(target=ask) for _ in range(3)]
        for thread in threads:
            thread.start()
        while any(thread.is_alive() for thread in threads):
            assistant.unload()
        assert answers == 30 * [expected]


def test_a_thread_that_has_an_answer_half_read_cannot_unload(tiny_bundle: Path) -> None:
    with Assistant.load(tiny_bundle, device="cpu") as assistant:
        answer = assistant.reply(text="hello")
        next(answer)
        with pytest.raises(Busy):
            assistant.unload()
        assert text_of(answer)


def test_what_cannot_be_loaded_again_is_told_and_tried_again(tiny_bundle: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(tiny_bundle, tmp_path / "copy"))
    with Assistant.load(folder, device="cpu") as assistant:
        assistant.unload()
        (folder / "llm.gguf").rename(folder / "away")
        for _ in range(2):
            with pytest.raises(BundleError, match=r"llm\.gguf is missing"):
                text_of(assistant.reply(text="hello"))
        (folder / "away").rename(folder / "llm.gguf")
        assert text_of(assistant.reply(text="hello"))


def test_a_closed_assistant_stays_closed(tiny_bundle: Path) -> None:
    assistant = Assistant.load(tiny_bundle, device="cpu")
    assistant.unload()
    assistant.close()
    for work in (assistant.wake, assistant.unload, lambda: text_of(assistant.reply(text="hello"))):
        with pytest.raises(EngineError, match="closed"):
            work()
    assert not assistant.loaded
