"""nano's written corpus: what may be said, what is held out, and that questions have one answer."""

from itertools import islice
from random import Random

import pytest

from models.nano import corpus
from models.nano.world import arithmetic, coding
from models.nano.world.spoken import language_of, number_en, number_zh, speakable, spoken, tokens


@pytest.fixture(scope="module")
def trained() -> list[corpus.Exchange]:
    return list(islice(corpus.conversations(seed=11), 6_000))


def test_a_held_out_sentence_is_never_trained_on(trained: list[corpus.Exchange]) -> None:
    first_questions = {exchange.turns[0][0] for exchange in trained}
    tested = islice(corpus.conversations(seed=12, test=True), 1_500)
    held_out = {exchange.turns[0][0] for exchange in tested if len(exchange.turns) == 1}
    assert len(held_out) > 300
    assert not held_out & first_questions


def test_the_same_question_always_has_the_same_answer(trained: list[corpus.Exchange]) -> None:
    answers: dict[str, str] = {}
    for exchange in trained:
        if len(exchange.turns) == 1:
            said, answer = exchange.turns[0]
            assert answers.setdefault(said, answer) == answer


def test_all_three_languages_and_all_subjects_occur(trained: list[corpus.Exchange]) -> None:
    assert {exchange.language for exchange in trained} == {"en", "zh", "mixed"}
    kinds = {exchange.kind for exchange in trained}
    knowledge = {"fact", "capital", "recipe", "word"}
    assert kinds == {"coding", "editor", "arithmetic", "chat", "refusal", "music", "followup"} | knowledge


def test_every_question_can_be_spoken(trained: list[corpus.Exchange]) -> None:
    assert all(speakable(said) and spoken(said) == said for exchange in trained for said, _ in exchange.turns)


@pytest.mark.parametrize("text", ["print x_1", "open https example", "go to line 20", "a + b", "", "…"])
def test_what_cannot_be_spoken_is_dropped(text: str) -> None:
    assert not speakable(text)


def test_the_vocabulary_is_about_as_large_as_its_world() -> None:
    words = corpus.vocabulary()
    assert 500 <= sum(word.isascii() for word in words) <= 1_000
    assert 500 <= sum(not word.isascii() for word in words) <= 1_000


def test_spoken_text_has_one_form() -> None:
    assert spoken("把Total  打印 出来") == "把 total 打印出来"
    assert tokens("what's 你好") == ["what's", "你", "好"]
    assert language_of("跳到第二十行") == "zh"


def test_numbers_are_said_as_people_say_them() -> None:
    assert [number_en(n) for n in (0, 13, 20, 35, 100)] == [
        "zero",
        "thirteen",
        "twenty",
        "thirty five",
        "one hundred",
    ]
    assert [number_zh(n) for n in (0, 10, 12, 35, 100)] == ["零", "十", "十二", "三十五", "一百"]
    assert len({number_zh(n) for n in range(101)} | {number_en(n) for n in range(101)}) == 202


def test_arithmetic_stays_within_a_hundred_and_is_right() -> None:
    rng = Random(4)
    for _ in range(500):
        a, operator, b = arithmetic.problem(rng)
        left, right = arithmetic.answer(a, operator, b).split(" = ")
        assert eval(left) == int(right)  # digits and one operator
        assert 0 <= int(right) <= 100


def test_every_code_answer_is_python() -> None:
    rng = Random(6)
    for _ in range(800):
        answer = coding.generate(rng).turns[0][1]
        if answer.startswith("```"):
            lines = answer.split("\n")
            assert lines[0] == "```python" and lines[-1] == "```"
            source = "\n".join(lines[1:-1])
            compile(f"def f():\n {source}" if source.startswith("return") else source, "answer", "exec")
        else:
            assert answer.startswith(":")
