import pytest

from edge_llasm.voice.script import Language, language, runs


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Hello.", "en"),
        ("你好。", "zh"),
        ("把 total 打印出来", "zh"),
        ("Li Bai (李白) was a great poet", "en"),
        ("35 + 48 = 83", "en"),
    ],
)
def test_the_language_is_that_of_most_words(text: str, expected: Language) -> None:
    assert language(text) == expected


def test_what_holds_no_words_is_in_the_language_before_it() -> None:
    assert language("35 + 48 = 83", before="zh") == "zh"
    assert runs("83", before="zh") == [("zh", "83")]


def test_runs_are_the_whole_text_in_order() -> None:
    text = "3 次：把 total 打印出来, then stop."
    found = runs(text)
    assert found == [("zh", "3 次：把 "), ("en", "total "), ("zh", "打印出来, "), ("en", "then stop.")]
    assert "".join(piece for _, piece in found) == text
