import gc
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from edge_llasm import Assistant, Chunk, Sampling
from edge_llasm.audio import SAMPLE_RATE, load_audio
from edge_llasm.composer import default_sampling
from edge_llasm.errors import (
    AudioError,
    NoSpeech,
    PromptTooLong,
)
from edge_llasm.prompt import Spoken, Turn
from tests.test_model import long_recording

LONG = Sampling(max_tokens=200, guard=None)


def text_of(chunks: Iterator[Chunk]) -> str:
    return "".join(chunk.text for chunk in chunks)


def answers(assistant: Assistant) -> list[str | None]:
    return [turn.answer for turn in assistant.history]


def test_a_spoken_question_is_answered_in_chunks(assistant: Assistant, speech: Path) -> None:
    chunks = list(assistant.reply(speech))
    assert len(chunks) > 1
    assert "".join(chunk.text for chunk in chunks)
    assert [chunk.finish_reason for chunk in chunks[:-1]] == [None] * (len(chunks) - 1)
    assert chunks[-1].finish_reason in ("stop", "length", "repetition")


def test_what_was_said_changes_the_answer(assistant: Assistant, speech: Path) -> None:
    samples = load_audio(speech)
    first = text_of(assistant.reply(samples))
    assistant.reset()
    assert text_of(assistant.reply(samples)) == first
    assistant.reset()
    assert text_of(assistant.reply(samples[: len(samples) // 2])) != first


def test_a_typed_question_needs_no_audio(assistant: Assistant) -> None:
    assert text_of(assistant.reply(text="hello"))
    assert assistant.history[0].user == ("hello",)


def test_a_question_may_be_spoken_and_typed_and_hold_several_recordings(
    assistant: Assistant, speech: Path
) -> None:
    list(assistant.reply([speech, load_audio(speech)], "in Chinese"))
    first, second, text = assistant.history[0].user
    assert isinstance(first, Spoken)
    assert first == second
    assert text == "in Chinese"


@pytest.mark.parametrize("text", [None, "", "  \n"])
def test_an_empty_question_is_refused(assistant: Assistant, text: str | None) -> None:
    with pytest.raises(ValueError, match="needs audio, text, or both"):
        next(assistant.reply(text=text))
    with pytest.raises(ValueError, match="nothing to transcribe"):
        next(assistant.transcribe([]))


def test_the_bundle_decides_how_to_sample_unless_told_otherwise(assistant: Assistant) -> None:
    defaults = default_sampling(assistant.bundle)
    assert (defaults.temperature, defaults.max_tokens) == (0.0, 32)
    *_, last = assistant.reply(text="hello", options=Sampling(max_tokens=3))
    assert (last.finish_reason, last.timings and last.timings.generated_tokens) == ("length", 3)


def test_the_chat_is_remembered_and_kept_in_the_cache(assistant: Assistant, speech: Path) -> None:
    first = text_of(assistant.reply(speech))
    *_, last = assistant.reply(text="and now?")
    assert last.timings is not None
    assert last.timings.cached_tokens > assistant.bundle.speech.n_queries
    assert answers(assistant)[0] == first
    assert len(assistant.history) == 2


def test_a_prepared_question_is_answered_from_its_first_token_on(assistant: Assistant, speech: Path) -> None:
    cold = text_of(assistant.reply(speech))
    assistant.reset()
    assistant.prepare(speech)
    *chunks, last = assistant.reply(speech)
    assert last.timings is not None
    assert (last.timings.speech_ms, last.timings.prefill_ms) == (0.0, 0.0)
    assert last.timings.cached_tokens == last.timings.prompt_tokens
    assert "".join(chunk.text for chunk in [*chunks, last]) == cold


def test_what_was_prepared_in_vain_changes_no_answer(assistant: Assistant, speech: Path) -> None:
    said = load_audio(speech)
    cold = text_of(assistant.reply(said))
    assistant.reset()
    for share in (3, 2):
        assistant.prepare(said[: len(said) // share])
    assert text_of(assistant.reply(said)) == cold
    assistant.prepare(said)
    assert assistant.history[1:] == ()
    assistant.reset()
    assert text_of(assistant.reply(text="hello")) != cold
    assistant.reset()
    assert text_of(assistant.reply(said)) == cold


def test_the_same_recording_is_heard_once(assistant: Assistant, speech: Path) -> None:
    list(assistant.reply(speech))
    *_, last = assistant.transcribe(speech)
    assert last.timings is not None
    assert last.timings.speech_ms == 0.0


def test_a_warm_assistant_reads_only_the_new_turn(assistant: Assistant, speech: Path) -> None:
    list(assistant.reply(speech))
    *_, cold = assistant.reply(text="and now")
    list(assistant.transcribe(speech))  # another prompt: the chat is no longer in the cache
    assistant.warm()
    *_, warm = assistant.reply(text="and then")
    assert cold.timings is not None
    assert warm.timings is not None
    earlier = cold.timings.prompt_tokens + cold.timings.generated_tokens
    assert warm.timings.cached_tokens >= earlier
    assert warm.timings.prompt_tokens - warm.timings.cached_tokens < assistant.bundle.speech.n_queries


def test_the_chat_waits_on_the_shelf_while_something_is_transcribed(
    assistant: Assistant, speech: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(assistant.llm.shelf, "room", 1 << 24)
    *_, first = assistant.reply(speech)
    assistant.llm.shelf.clear()  # of what another test left
    list(assistant.transcribe(load_audio(speech)[:-3_000]))
    *_, last = assistant.reply(text="and now")
    assert last.timings is not None
    assert first.timings is not None
    assert last.timings.cached_tokens >= first.timings.prompt_tokens
    assert len(assistant.llm.shelf) == 1  # the transcript's cache is no chat's
    assistant.llm.shelf.clear()


def test_warmth_changes_no_answer(assistant: Assistant, speech: Path) -> None:
    cold = text_of(assistant.reply(speech))
    assistant.reset()
    assistant.warm()
    assert text_of(assistant.reply(speech)) == cold


def test_silence_cannot_be_prepared(assistant: Assistant) -> None:
    with pytest.raises(NoSpeech):
        assistant.prepare(np.zeros(16_000, np.float32))


def test_reset_forgets_the_chat(assistant: Assistant) -> None:
    first = text_of(assistant.reply(text="hello"))
    second = text_of(assistant.reply(text="hello"))
    assistant.reset()
    assert assistant.history == ()
    assert text_of(assistant.reply(text="hello")) == first != second


def test_turns_that_can_never_fit_again_are_forgotten(assistant: Assistant, speech: Path) -> None:
    samples = load_audio(speech)
    per_turn = assistant.bundle.speech.n_queries + 2
    for _ in range(assistant.llm.n_ctx // per_turn + 3):
        list(assistant.reply(samples, options=Sampling(max_tokens=2)))
    assert len(assistant.history) <= assistant.llm.n_ctx // per_turn + 1


def test_a_typed_question_longer_than_the_context_is_refused_and_not_remembered(assistant: Assistant) -> None:
    with pytest.raises(PromptTooLong):
        list(assistant.reply(text="hello " * 2000))
    assert assistant.history == ()


def test_cancelling_ends_the_answer_and_keeps_what_was_said(assistant: Assistant) -> None:
    cancel = threading.Event()
    seen = []
    for chunk in assistant.reply(text="hello", options=LONG, cancel=cancel):
        seen.append(chunk)
        cancel.set()
    assert seen[-1].finish_reason == "cancelled"
    assert seen[-1].timings is not None
    assert answers(assistant) == ["".join(chunk.text for chunk in seen)]


def test_a_closed_answer_stays_as_far_as_it_came_and_the_chat_goes_on(assistant: Assistant) -> None:
    chunks = assistant.reply(text="hello", options=LONG)
    seen = next(chunks).text + next(chunks).text
    chunks.close()
    assert answers(assistant) == [seen]
    assert text_of(assistant.reply(text="go on"))
    assert len(assistant.history) == 2


def test_a_question_cancelled_before_its_first_token_leaves_no_trace(assistant: Assistant) -> None:
    cancel = threading.Event()
    cancel.set()
    (only,) = assistant.reply(text="hello", cancel=cancel)
    assert (only.text, only.finish_reason) == ("", "cancelled")
    assert assistant.history == ()


def test_a_dropped_answer_frees_the_assistant(assistant: Assistant) -> None:
    next(assistant.reply(text="hello", options=LONG))
    gc.collect()
    assert text_of(assistant.reply(text="again"))


def test_silence_and_noise_raise_no_speech_before_anything_is_generated(assistant: Assistant) -> None:
    rng = np.random.default_rng(0)
    noise = (0.05 * rng.standard_normal(3 * SAMPLE_RATE)).astype(np.float32)
    for samples in (np.zeros(SAMPLE_RATE, np.float32), noise):
        for ask in (assistant.reply, assistant.transcribe):
            with pytest.raises(NoSpeech):
                next(ask(samples))
    assert assistant.history == ()


def test_a_missing_recording_is_an_audio_error(assistant: Assistant, tmp_path: Path) -> None:
    with pytest.raises(AudioError, match="gone.wav"):
        next(assistant.reply(tmp_path / "gone.wav"))


def test_a_transcript_neither_uses_nor_changes_the_history(assistant: Assistant, speech: Path) -> None:
    alone = text_of(assistant.transcribe(speech))
    list(assistant.reply(text="hello"))
    before = assistant.history
    assert text_of(assistant.transcribe(speech)) == alone
    assert assistant.history == before


def test_minutes_of_question_are_refused(assistant: Assistant, speech: Path) -> None:
    with pytest.raises(PromptTooLong, match="transcribe it"):
        next(assistant.reply([speech] * 40))
    assert assistant.history == ()


def test_cancelling_while_a_recording_is_heard_ends_the_turn(assistant: Assistant, speech: Path) -> None:
    cancel = threading.Event()
    cancel.set()
    long = long_recording(speech, 3 * assistant.speech.window_seconds)
    for ask in (assistant.reply, assistant.transcribe):
        (only,) = ask(long, cancel=cancel)
        assert (only.text, only.finish_reason) == ("", "cancelled")
    assert assistant.history == ()


def test_given_turns_are_answered_as_a_chat_would_be_and_the_history_stays(
    assistant: Assistant, speech: Path
) -> None:
    first = text_of(assistant.reply(speech))
    second = text_of(assistant.reply(text="and now?"))
    history = assistant.history
    spoken = assistant.hear(speech)
    assert history[0].user == (spoken,)
    assert text_of(assistant.answer([Turn((spoken,))])) == first
    assert text_of(assistant.answer([Turn((spoken,), first), Turn(("and now?",))])) == second
    assert assistant.history == history


def test_a_system_text_and_stop_strings_are_kept(assistant: Assistant) -> None:
    turns = [Turn(("hello",))]
    plain = text_of(assistant.answer(turns))
    assert text_of(assistant.answer(turns, system="Be kind.")) != plain
    *chunks, last = assistant.answer(turns, stop=(plain[3:6],))
    assert "".join(chunk.text for chunk in [*chunks, last]) == plain[: plain.index(plain[3:6])]
    assert last.finish_reason == "stop"


def test_turns_that_do_not_fit_are_dropped_or_refused(assistant: Assistant) -> None:
    turns = [Turn(("a question " * 10,), "an answer " * 10) for _ in range(20)] + [Turn(("hello",))]
    assert text_of(assistant.answer(turns))
    with pytest.raises(PromptTooLong, match="the chat takes"):
        next(assistant.answer(turns, drop=False))


def test_turns_that_were_read_are_answered_from_the_first_token_on(
    assistant: Assistant, speech: Path
) -> None:
    turns = [Turn((assistant.hear(speech), "go on"))]
    cold = text_of(assistant.answer(turns))
    list(assistant.answer([Turn(("something else",))]))
    assistant.read(turns)
    *chunks, last = assistant.answer(turns)
    assert "".join(chunk.text for chunk in [*chunks, last]) == cold
    assert last.timings is not None
    assert last.timings.prefill_ms == 0.0
