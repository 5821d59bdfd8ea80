"""One assistant and several callers: who waits, who is refused, and how it ends."""

import threading
from pathlib import Path

import pytest

from edge_llasm import Assistant, Bundle, Sampling
from edge_llasm.audio import load_audio
from edge_llasm.errors import (
    BundleError,
    Busy,
    EngineError,
    UnknownModel,
)
from edge_llasm.prompt import Turn
from tests.test_assistant import LONG, text_of


def test_threads_that_ask_at_once_get_the_answers_of_one_that_asks_in_turn(
    tiny_bundle: Path, speech: Path
) -> None:
    samples = load_audio(speech)
    questions = [f"question {n}" for n in range(6)]
    with Assistant.load(tiny_bundle, device="cpu") as assistant:
        expected: dict[str, str] = {}
        for text in questions:
            assistant.reset()
            expected[text] = text_of(assistant.transcribe(samples[: len(samples) - 400 * len(expected)]))
        seen: dict[str, str] = {}

        def ask(n: int, text: str) -> None:
            seen[text] = text_of(assistant.transcribe(samples[: len(samples) - 400 * n]))

        threads = [threading.Thread(target=ask, args=(n, text)) for n, text in enumerate(questions)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert seen == expected


def test_threads_that_chat_at_once_take_turns_in_one_history(tiny_bundle: Path) -> None:
    with Assistant.load(tiny_bundle, device="cpu") as assistant:
        texts = {f"question {n}": "" for n in range(5)}

        def ask(text: str) -> None:
            texts[text] = text_of(assistant.reply(text=text, options=Sampling(max_tokens=8)))

        threads = [threading.Thread(target=ask, args=(text,)) for text in texts]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert {turn.user[0]: turn.answer for turn in assistant.history} == texts
        chat = list(assistant.history)
        assistant.reset()
        for turn in chat:  # the same chat, asked in that order by one thread, goes the same way
            assert (
                text_of(assistant.reply(text=str(turn.user[0]), options=Sampling(max_tokens=8)))
                == turn.answer
            )


def test_a_second_caller_that_will_not_wait_is_refused(assistant: Assistant) -> None:
    refused: list[BaseException] = []

    def ask() -> None:
        try:
            next(assistant.reply(text="me too", wait=False))
        except Busy as error:
            refused.append(error)

    chunks = assistant.reply(text="hello", options=LONG)
    next(chunks)
    thread = threading.Thread(target=ask)
    thread.start()
    thread.join()
    chunks.close()
    assert len(refused) == 1
    assert len(assistant.history) == 1


def test_a_thread_never_waits_for_itself(assistant: Assistant) -> None:
    chunks = assistant.reply(text="hello", options=LONG)
    next(chunks)
    for ask in (lambda: next(assistant.reply(text="me too")), assistant.reset):
        with pytest.raises(Busy, match="half read"):
            ask()
    chunks.close()


def test_progress_rises_to_one(tiny_bundle: Path) -> None:
    shares: list[float] = []
    Assistant.load(tiny_bundle, device="cpu", progress=shares.append).close()
    assert shares == sorted(shares)
    assert shares[0] > 0
    assert shares[-1] == 1.0


def test_a_bundle_can_be_given_in_place_of_its_name(tiny_bundle: Path) -> None:
    with Assistant.load(Bundle.load(tiny_bundle), device="cpu") as assistant:
        assert assistant.bundle.name == "tiny"
        assert assistant.devices.name == "cpu"


def test_an_unknown_model_and_a_missing_folder_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(UnknownModel, match="nonesuch"):
        Assistant.load("nonesuch")
    with pytest.raises(BundleError):
        Assistant.load(tmp_path)


def test_a_closed_assistant_says_so(tiny_bundle: Path) -> None:
    assistant = Assistant.load(tiny_bundle, device="cpu")
    assistant.close()
    assistant.close()
    with pytest.raises(EngineError, match="closed"):
        next(assistant.reply(text="hello"))


def test_threads_may_close_at_once(tiny_bundle: Path) -> None:
    assistant = Assistant.load(tiny_bundle, device="cpu")
    answer = assistant.reply(text="hello", options=LONG)
    next(answer)
    errors: list[EngineError] = []

    def close() -> None:
        try:
            assistant.close()
        except EngineError as error:
            errors.append(error)

    threads = [threading.Thread(target=close) for _ in range(2)]
    for thread in threads:
        thread.start()  # both wait for the answer
    answer.close()
    for thread in threads:
        thread.join()
    assert errors == []


def test_closing_with_an_answer_half_read_ends_the_answer(tiny_bundle: Path) -> None:
    with Assistant.load(tiny_bundle, device="cpu") as assistant:
        chunks = assistant.reply(text="hello", options=LONG)
        next(chunks)
    with pytest.raises(EngineError, match="closed"):
        list(chunks)
    assert isinstance(assistant.history[0], Turn)
