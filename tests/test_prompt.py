"""Turns to segments: exact forms per template, audio of every turn kept, old turns dropped."""

import numpy as np
import pytest

from edge_llasm.errors import PromptTooLong
from edge_llasm.prompt import TEMPLATES, Spoken, Template, TokenIds, Turn, fit, length, render
from edge_llasm.segments import Embeddings, Segment, Tokens

IDS = TokenIds(bos=1, eos=2, au_start=3, au_patch=4, au_end=5)
PAPER, RELEASED, VICUNA = (TEMPLATES[name] for name in ("llama2-llasm-paper", "llama2-llasm", "vicuna-llasm"))
AUDIO = Embeddings(np.full((4, 8), 0.5, np.float32))
OTHER = Embeddings(np.full((4, 8), 0.25, np.float32))
SYS = "<<SYS>>\nS\n<</SYS>>\n\n"
NAMES = {1: "<s>", 2: "</s>", 3: "<au_start>", 5: "<au_end>"}


class Recorder:
    """A tokenizer with one id per string: shows what is encoded together."""

    def __init__(self) -> None:
        self.strings: list[str] = []

    def __call__(self, text: str) -> list[int]:
        self.strings.append(text)
        return [100 + len(self.strings) - 1]


def shown(template: Template, *turns: Turn, system: str | None = "") -> list[str]:
    recorder = Recorder()
    out: list[str] = []
    for segment in render(template, turns, system, IDS, recorder):
        if isinstance(segment, Embeddings):
            out.append("AUDIO" if segment == AUDIO else "OTHER")
        else:
            out += [NAMES.get(i) or recorder.strings[i - 100] for i in segment.ids]
    return out


def words(text: str) -> list[int]:
    """A tokenizer with one id per character."""
    return [10] * len(text)


SPOKEN = Spoken((AUDIO,))
BLOCK = ["<au_start>", "AUDIO", "<au_end>"]


def test_paper_form_of_a_spoken_turn() -> None:
    assert shown(PAPER, Turn((SPOKEN,))) == ["<s>", "[INST] ", *BLOCK, " [/INST] "]


def test_paper_form_has_the_system_text_once() -> None:
    assert shown(PAPER, Turn((SPOKEN,)), system="S") == ["<s>", f"[INST] {SYS}", *BLOCK, " [/INST] "]


def test_paper_form_of_typed_text_and_answers() -> None:
    assert shown(PAPER, Turn(("hi",), "hello"), Turn(("bye",))) == (
        ["<s>", "[INST] ", "hi", " [/INST] ", "hello", "</s>", "<s>", "[INST] ", "bye", " [/INST] "]
    )


def test_released_form_has_the_system_text_twice_and_bos_second() -> None:
    assert shown(RELEASED, Turn((SPOKEN,)), system="S") == [SYS, "<s>", f"[INST] {SYS}", *BLOCK, " [/INST] "]


def test_released_form_encodes_typed_text_with_its_surroundings() -> None:
    assert shown(RELEASED, Turn(("hi",), "hello"), Turn((SPOKEN,)), system="S") == (
        [SYS, "<s>", f"[INST] {SYS}hi [/INST] ", "hello ", "</s>", "<s>", "[INST] ", *BLOCK, " [/INST] "]
    )


def test_vicuna_form() -> None:
    assert shown(VICUNA, Turn((SPOKEN,), "yes"), Turn(("and now",)), system="S") == (
        ["S", "USER:", *BLOCK, "ASSISTANT:", "yes", "</s>", "USER:", "and now", "ASSISTANT:"]
    )


def test_the_template_brings_its_own_system_text() -> None:
    assert shown(VICUNA, Turn((SPOKEN,)), system=None)[0].startswith("You are a helpful language and speech")


def test_an_empty_system_text_is_none_at_all() -> None:
    assert shown(RELEASED, Turn((SPOKEN,)), system="")[0] == "<s>"
    assert shown(VICUNA, Turn((SPOKEN,)), system="")[0] == "USER:"


@pytest.mark.parametrize(
    ("user", "inside"),
    [
        (("text", SPOKEN), ["text\n", *BLOCK]),
        ((SPOKEN, "text"), [*BLOCK, "\ntext"]),
        (("one", SPOKEN, "two"), ["one\n", *BLOCK, "\ntwo"]),
        (("one", "two"), ["one\ntwo"]),
        ((SPOKEN, SPOKEN), [*BLOCK, *BLOCK]),
        (("  padded \n",), ["padded"]),
        (("", SPOKEN, " "), BLOCK),
    ],
)
def test_text_and_audio_in_any_order(user: tuple[str | Spoken, ...], inside: list[str]) -> None:
    assert shown(PAPER, Turn(user)) == ["<s>", "[INST] ", *inside, " [/INST] "]


def test_long_audio_is_several_blocks() -> None:
    out = shown(PAPER, Turn((Spoken((AUDIO, OTHER)),)))
    assert out == ["<s>", "[INST] ", *BLOCK, "<au_start>", "OTHER", "<au_end>", " [/INST] "]


def test_every_spoken_turn_keeps_its_own_audio() -> None:
    out = shown(PAPER, Turn((SPOKEN,), "one"), Turn((Spoken((OTHER,)),), "two"), Turn((SPOKEN,)))
    assert [x for x in out if x in ("AUDIO", "OTHER")] == ["AUDIO", "OTHER", "AUDIO"]


def test_an_empty_answer_is_only_its_end() -> None:
    assert shown(PAPER, Turn(("hi",), "")) == ["<s>", "[INST] ", "hi", " [/INST] ", "</s>"]


def test_braces_in_the_system_text_are_plain_text() -> None:
    assert "{x} {system}" in shown(PAPER, Turn(("hi",)), system="{x} {system}")[1]


def test_tokens_in_a_row_are_one_segment() -> None:
    segments = render(PAPER, [Turn((SPOKEN,), "a"), Turn(("b",))], "", IDS, words)
    assert [type(segment) for segment in segments] == [Tokens, Embeddings, Tokens]


@pytest.mark.parametrize("turns", [[], [Turn(())], [Turn((" ",))], [Turn((Spoken(()),))]])
def test_a_prompt_without_content_is_refused(turns: list[Turn]) -> None:
    with pytest.raises(ValueError, match="needs"):
        render(PAPER, turns, "", IDS, words)


def test_an_unanswered_turn_in_the_middle_is_refused() -> None:
    with pytest.raises(ValueError, match="unanswered"):
        render(PAPER, [Turn(("a",)), Turn(("b",))], "", IDS, words)


def fitted(
    template: Template, turns: list[Turn], n_ctx: int, reserve: int, system: str = ""
) -> list[Segment]:
    return fit(template, turns, system, IDS, words, n_ctx=n_ctx, reserve=reserve)


@pytest.mark.parametrize("template", TEMPLATES.values(), ids=TEMPLATES.keys())
@pytest.mark.parametrize("system", ["", "Be kind."])
def test_as_many_of_the_newest_turns_as_fit_are_kept(template: Template, system: str) -> None:
    turns = [Turn((f"question {i}",), "x" * (5 + i)) for i in range(20)] + [Turn((SPOKEN,))]
    for n_ctx in range(160, 700, 37):
        segments = fitted(template, turns, n_ctx, 30, system)
        candidates = [render(template, turns[i:], system, IDS, words) for i in range(len(turns))]
        best = next(c for c in candidates if length(c) <= n_ctx - 30)
        assert segments == best


def test_the_system_text_stays_when_turns_are_dropped() -> None:
    recorder = Recorder()
    turns = [Turn((f"q{i}",), "a") for i in range(50)] + [Turn(("last",))]
    segments = fit(PAPER, turns, "Be kind.", IDS, recorder, n_ctx=40, reserve=20)
    kept = [recorder.strings[i - 100] for s in segments if isinstance(s, Tokens) for i in s.ids if i >= 100]
    assert kept[0] == "[INST] <<SYS>>\nBe kind.\n<</SYS>>\n\n"
    assert kept[-2:] == ["last", " [/INST] "]
    assert len(kept) < 20


def test_the_newest_turn_is_kept_even_without_the_whole_reserve() -> None:
    turn = Turn(("x" * 50,))
    n = length(render(PAPER, [turn], "", IDS, words))
    assert length(fitted(PAPER, [Turn(("old",), "a"), turn], n + 16, 500)) == n


def test_a_question_longer_than_the_context_is_refused() -> None:
    with pytest.raises(PromptTooLong, match="ask something shorter"):
        fitted(PAPER, [Turn(("old",), "a"), Turn(("x" * 500,))], 256, 64)


def test_a_chat_that_must_stay_whole_fits_or_is_refused() -> None:
    turns = [Turn((f"question {i}",), "a") for i in range(4)] + [Turn(("last",))]
    whole = render(PAPER, turns, "", IDS, words)
    n_ctx = length(whole) + 16
    assert fit(PAPER, turns, "", IDS, words, n_ctx=n_ctx, reserve=500, drop=False) == whole
    with pytest.raises(PromptTooLong, match="the chat takes"):
        fit(PAPER, turns, "", IDS, words, n_ctx=n_ctx - 1, reserve=500, drop=False)


def test_a_long_chat_is_not_encoded_as_a_whole_for_every_dropped_turn() -> None:
    recorder = Recorder()
    turns = [Turn((f"q{i}",), "a") for i in range(2000)] + [Turn(("last",))]
    fit(PAPER, turns, "", IDS, recorder, n_ctx=64, reserve=16)
    assert len(recorder.strings) < 200
