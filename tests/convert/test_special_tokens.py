import json
from pathlib import Path

import pytest

from convert.errors import ConvertError
from convert.special_tokens import SpecialTokens


def write(folder: Path, **files: object) -> SpecialTokens:
    for name, value in files.items():
        (folder / f"{name}.json").write_text(json.dumps(value))
    return SpecialTokens.read(folder)


def test_nothing_is_known_without_files(tmp_path: Path) -> None:
    assert SpecialTokens.read(tmp_path) == SpecialTokens()


def test_files_that_agree_need_no_note(tmp_path: Path) -> None:
    names = {"bos_token": "<s>", "eos_token": {"content": "</s>", "lstrip": False}}
    special = write(tmp_path, special_tokens_map=names, tokenizer_config=names, added_tokens={"<au_end>": 7})
    assert special == SpecialTokens("<s>", "</s>", {"<au_end>": 7})


def test_the_map_goes_before_the_config_and_a_note_says_so(tmp_path: Path) -> None:
    special = write(tmp_path, special_tokens_map={"bos_token": "</s>"}, tokenizer_config={"bos_token": "<s>"})
    assert special.bos == "</s>"
    (note,) = special.notes
    assert note.startswith("bos is '</s>': so says special_tokens_map.json")
    assert "'<s>'" in note


def test_the_config_goes_first_when_it_lists_the_added_tokens(tmp_path: Path) -> None:
    config = {"bos_token": "<s>", "added_tokens_decoder": {"9": {"content": "<au_patch>", "special": True}}}
    special = write(tmp_path, special_tokens_map={"bos_token": "</s>"}, tokenizer_config=config)
    assert (special.bos, special.added, special.notes) == ("<s>", {"<au_patch>": 9}, ())


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("added_tokens", {"<au_end>": "399"}, "does not give a number"),
        ("added_tokens", [1], "not a JSON object"),
        ("tokenizer_config", {"added_tokens_decoder": {"x": {}}}, "no usable added_tokens_decoder"),
    ],
)
def test_broken_files_are_refused(tmp_path: Path, name: str, value: object, words: str) -> None:
    with pytest.raises(ConvertError, match=words):
        write(tmp_path, **{name: value})
