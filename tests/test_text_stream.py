"""Bytes to text: no half characters, nothing of a stop string, nothing lost."""

import pytest

from edge_llasm.text_stream import TextStream, Transcript

TEXT = "héllo 李白 👩🏽‍💻 ok"


def streamed(data: bytes, size: int, stream: TextStream) -> list[str]:
    return [stream.feed(data[i : i + size]) for i in range(0, len(data), size)]


@pytest.mark.parametrize("size", [1, 2, 3, 5, 100])
def test_characters_are_never_split(size: int) -> None:
    stream = TextStream()
    parts = streamed(TEXT.encode(), size, stream)
    assert "".join(parts) + stream.flush() == TEXT
    assert not any("\ufffd" in part for part in parts)


@pytest.mark.parametrize("size", [1, 2, 3, 7, 100])
def test_a_stop_string_may_straddle_pieces(size: int) -> None:
    stream = TextStream(["<end>"])
    parts = streamed(b"a < b <en <end> never shown", size, stream)
    assert "".join(parts) + stream.flush() == "a < b <en "
    assert stream.stopped


def test_text_that_only_looked_like_a_stop_string_is_given_back() -> None:
    stream = TextStream(["STOP"])
    assert stream.feed(b"a ST") == "a "
    assert stream.feed(b"AR") == "STAR"
    assert stream.feed(b" STO") == " "
    assert stream.flush() == "STO"


def test_the_earliest_of_several_stop_strings_counts() -> None:
    stream = TextStream(["USER:", "\n\n"])
    assert stream.feed("好\n\nUSER:".encode()) == "好"
    assert stream.stopped


def test_a_stop_string_in_chinese_is_found_byte_by_byte() -> None:
    stream = TextStream(["用户："])
    assert "".join(streamed("答案。用户：再".encode(), 1, stream)) == "答案。"


def test_half_a_character_at_the_end_is_dropped() -> None:
    stream = TextStream()
    assert stream.feed("李白".encode()[:-1]) == "李"
    assert stream.flush() == ""


def test_bytes_that_are_no_text_are_marked() -> None:
    assert TextStream().feed(b"a\xffb") == "a\ufffdb"


@pytest.mark.parametrize(("data", "text"), [(b" a b", "a b"), (b"  a", " a"), (b"a", "a"), (b" ", "")])
def test_one_leading_space_is_dropped_on_request(data: bytes, text: str) -> None:
    stream = TextStream(strip_space=True)
    assert "".join(streamed(data, 1, stream)) == text


def test_an_empty_stop_string_is_refused() -> None:
    with pytest.raises(ValueError, match="empty"):
        TextStream([""])


@pytest.mark.parametrize(
    ("pieces", "expected"),
    [
        ([(0, [" print", " total"]), (0, [" twice"])], "print total twice"),
        ([(0, ["你", "好"]), (0, [" 世界"]), (0, [" print"])], "你好世界print"),
        ([(0, ["yes"]), (1, [" no"])], "yes\nno"),
        ([(0, ["yes"]), (1, [" ", ""]), (1, [" ", "no"])], "yes\nno"),
        ([(0, [""]), (1, ["no", " ", "more"])], "no more"),
        ([(0, ["yes "]), (2, ["no"])], "yes \nno"),
    ],
    ids=["words", "chinese", "lines", "a line whose first piece is blank", "a blank line", "a line left out"],
)
def test_pieces_of_a_transcript_are_joined(pieces: list[tuple[int, list[str]]], expected: str) -> None:
    transcript = Transcript()
    text = ""
    for line, parts in pieces:
        transcript.begin(line)
        text += "".join(transcript.add(part) for part in parts)
    assert text == expected
