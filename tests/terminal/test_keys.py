"""What terminals send, in both forms, whole or in pieces."""

import pytest

from edge_llasm.terminal import Key, KeyParser

OLD = {
    b"a": Key("a", "a"),
    b" ": Key("space", " "),
    b"\r": Key("enter"),
    b"\x7f": Key("backspace"),
    b"\x08": Key("backspace"),
    b"\t": Key("tab"),
    b"\x03": Key("ctrl+c"),
    b"\x00": Key("ctrl+space"),
    "你".encode(): Key("你", "你"),
    "😀".encode(): Key("😀", "😀"),
    b"\x1b[A": Key("up"),
    b"\x1bOA": Key("up"),
    b"\x1b[1;5C": Key("ctrl+right"),
    b"\x1b[3~": Key("delete"),
    b"\x1b[20~": Key("f9"),
    b"\x1bOP": Key("f1"),
    b"\x1b[Z": Key("shift+tab"),
    b"\x1bx": Key("alt+x"),
}
KITTY = {
    b"\x1b[97;;97u": Key("a", "a"),
    b"\x1b[97:65;2;65u": Key("A", "A"),
    b"\x1b[32;;32u": Key("space", " "),
    b"\x1b[32;1:2;32u": Key("space", " ", "repeat"),
    b"\x1b[32;1:3u": Key("space", "", "release"),
    b"\x1b[13u": Key("enter"),
    b"\x1b[27u": Key("escape"),
    b"\x1b[99;5u": Key("ctrl+c"),
    b"\x1b[99;5:3u": Key("ctrl+c", "", "release"),
    b"\x1b[1;1:3A": Key("up", "", "release"),
    b"\x1b[20;1:1~": Key("f9"),
    b"\x1b[20;1:3~": Key("f9", "", "release"),
    b"\x1b[0;;20320:22909u": Key("你好", "你好"),
}


@pytest.mark.parametrize(("data", "key"), [*OLD.items(), *KITTY.items()], ids=repr)
def test_a_key_is_known_whole_and_byte_by_byte(data: bytes, key: Key) -> None:
    assert KeyParser().feed(data) == [key]
    parser = KeyParser()
    found = [key for at in range(len(data)) for key in parser.feed(data[at : at + 1])]
    assert found == [key]


def test_keys_in_a_row_are_told_apart() -> None:
    everything = {**OLD, **KITTY}
    assert KeyParser().feed(b"".join(everything)) == list(everything.values())


def test_an_escape_alone_is_a_key_when_nothing_follows() -> None:
    parser = KeyParser()
    assert parser.feed(b"\x1b") == []
    assert parser.flush() == [Key("escape")]
    assert parser.feed(b"a") == [Key("a", "a")]


@pytest.mark.parametrize("answer", [b"\x1b[?27u", b"\x1b[?62;4c", b"\x1b[57441;2u", b"\x1b[99~"], ids=repr)
def test_what_is_no_key_is_passed_over(answer: bytes) -> None:
    assert KeyParser().feed(answer + b"x") == [Key("x", "x")]


def test_broken_bytes_are_no_error() -> None:
    keys = KeyParser().feed(b"\xff\xfe\x1b[;;;;u\x1b[1;99:9Aq")
    assert keys[-1] == Key("q", "q")
