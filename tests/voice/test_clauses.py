"""What is said of an answer, and when: whatever the pieces in which it arrives."""

import random

import pytest

from edge_llasm.voice.clauses import Clause, Clauses

CODE = """\
Here is a function. It **prints** the total:

```python
def total(xs):
    print(sum(xs))  # a comment. not said.
```

Call `total` on a list, e.g. `[1, 2]`, as in [the manual](https://example.org/a_b). 好的！没问题。
"""
SAID = [
    "Here is a function.",
    "It prints the total:",
    "Call total on a list, e.g., as in the manual.",
    "好的！",
    "没问题。",
]


def said(*pieces: str) -> list[str]:
    clauses = Clauses()
    return [clause.text for piece in pieces for clause in clauses.feed(piece)] + [
        clause.text for clause in clauses.finish()
    ]


def test_code_and_markdown_are_not_said() -> None:
    assert said(CODE) == SAID


@pytest.mark.parametrize("seed", range(20))
def test_the_pieces_in_which_it_arrives_change_nothing(seed: int) -> None:
    rng = random.Random(seed)
    pieces, rest = [], CODE
    while rest:
        n = rng.randint(1, 6)
        pieces.append(rest[:n])
        rest = rest[n:]
    assert said(*pieces) == SAID


def test_a_clause_is_given_out_before_the_answer_is_whole() -> None:
    clauses = Clauses()
    assert clauses.feed("你好。") == [Clause("你好。", 0, 3)]
    assert clauses.feed("One. ") == [Clause("One.", 3, 7)]
    assert clauses.feed("Two.") == []
    assert clauses.finish() == [Clause("Two.", 8, 12)]


def test_a_clause_knows_its_place_in_the_answer() -> None:
    clauses = Clauses()
    for clause in clauses.feed(CODE) + clauses.finish():
        assert CODE[clause.start : clause.end].strip() == CODE[clause.start : clause.end]
        assert CODE[clause.start] in clause.text
    assert CODE[clause.start : clause.end] == "没问题。"


@pytest.mark.parametrize(
    ("answer", "parts"),
    [
        ("Pi is 3.14 exactly? No! Yes.", ["Pi is 3.14 exactly?", "No!", "Yes."]),
        ("Dr. Smith, i.e. J. Smith. He left.", ["Dr. Smith, i.e. J. Smith.", "He left."]),
        ("1. Boil water.\n2. Add tea.\n", ["1. Boil water.", "2. Add tea."]),
        ("- [ ] one\n* two\n> three\n## Four\n", ["one", "two", "three", "Four"]),
        ("他说：“走吧。”然后走了……真的", ["他说：", "“走吧。", "然后走了…", "真的"]),
        ("See https://a.b/c?d=e. Then <https://x.y>!", ["See.", "Then!"]),
        ("见https://a.b/c。好", ["见。", "好"]),
        ("2 * 3 = 6 and **2*3** too", ["2 * 3 = 6 and 2*3 too"]),
        ("很**重要**的 snake_case ~~no~~ 🎉", ["很重要的 snake case no"]),
        ("| a | b |\n|---|---|\n| 1 | 2 |\n", ["a, b", "1, 2"]),
        ("***\n---\n", []),
        ("Use `a + b` or `count()`.", ["Use or count."]),
        ("Text: ```python\nx = 1\n``` \nAfter.", ["Text:", "After."]),
        ("```\nnever closed. at all.", []),
        ("```one line``` of it. And `never closed", ["of it.", "And never closed"]),
        ("~~~\ncode\n~~~\nSaid", ["Said"]),
        ("   ", []),
    ],
)
def test_clauses(answer: str, parts: list[str]) -> None:
    assert said(answer) == parts
    assert said(*answer) == parts


def test_a_long_clause_is_cut_at_a_comma_and_the_first_one_sooner() -> None:
    phrase = "some words that go on and on, "
    first, second, *_ = said(phrase * 20)
    assert first == phrase.strip()
    assert second == (phrase * 4).strip()


@pytest.mark.parametrize("text", ["word " * 200, "字" * 400, "x" * 1000])
def test_what_has_no_mark_at_all_is_cut_all_the_same(text: str) -> None:
    parts = said(text)
    assert len(parts) > 3
    assert "".join(parts).replace(" ", "") == text.replace(" ", "")
