import pytest

from edge_llasm.desktop.shortcut import Shortcut
from edge_llasm.errors import DesktopError


@pytest.mark.parametrize(
    ("name", "shortcut", "shown"),
    [
        ("F9", Shortcut("f9"), "F9"),
        ("alt+Ctrl+Space", Shortcut("space", ("ctrl", "alt")), "ctrl+alt+space"),
        ("cmd+option+ä", Shortcut("ä", ("alt", "super")), "alt+super+ä"),
        ("ctrl++", Shortcut("+", ("ctrl",)), "ctrl++"),
        ("Escape", Shortcut("esc"), "esc"),
        ("PgDn", Shortcut("page_down"), "page_down"),
    ],
)
def test_a_key_is_read_by_its_name_and_shown_in_one_form(name: str, shortcut: Shortcut, shown: str) -> None:
    assert Shortcut.parse(name) == shortcut
    assert str(shortcut) == shown
    assert Shortcut.parse(shown) == shortcut


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("puase", '"puase" is no key; the nearest is pause'),
        ("hyper+a", "only ctrl, alt, shift, super can be held"),
        ("", '"" is no key'),
        ("ctrl+", '"ctrl+" is no key'),
    ],
)
def test_what_is_no_key_is_told(name: str, told: str) -> None:
    with pytest.raises(DesktopError) as caught:
        Shortcut.parse(name)
    assert told in str(caught.value)


@pytest.mark.parametrize(
    ("name", "writes"),
    [("a", True), ("shift+a", True), ("space", True), ("ctrl+a", False), ("f9", False), ("pause", False)],
)
def test_keys_that_write_are_known(name: str, writes: bool) -> None:
    assert Shortcut.parse(name).writes is writes
