"""Which tokens begin and end a text, by the files that stand beside a vocabulary.

transformers reads ``special_tokens_map.json`` over ``tokenizer_config.json``, unless the latter has a table
``added_tokens_decoder`` (``PreTrainedTokenizerBase._from_pretrained``). In LLaSM-Cllama2 the two contradict each
other: bos is ``</s>`` in the first and ``<s>`` in the second, so its prompts begin with ``</s>``.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from convert.errors import ConvertError
from convert.json_file import read_json

_MAP, _CONFIG, _ADDED = "special_tokens_map.json", "tokenizer_config.json", "added_tokens.json"


@dataclass(frozen=True)
class SpecialTokens:
    """What the files say; None where they say nothing."""

    bos: str | None = None
    eos: str | None = None
    added: Mapping[str, int] = field(default_factory=dict)
    """Row by text, of the tokens beyond the vocabulary's own file."""
    notes: tuple[str, ...] = ()
    """Where the files contradict each other, and what was taken: for people."""

    @classmethod
    def read(cls, folder: Path) -> "SpecialTokens":
        """Read those of the three files that are there; ConvertError for broken ones."""
        texts, config, added = (_read(folder / name) for name in (_MAP, _CONFIG, _ADDED))
        decoder = config.get("added_tokens_decoder")
        if isinstance(decoder, dict):
            texts = {}
            try:
                added = {token["content"]: int(row) for row, token in decoder.items()} | added
            except (KeyError, TypeError, ValueError) as error:
                raise ConvertError(f"{folder / _CONFIG} has no usable added_tokens_decoder") from error
        if any(type(row) is not int for row in added.values()):
            raise ConvertError(f"{_ADDED} does not give a number for every token")
        found, notes = {}, []
        for name in ("bos", "eos"):
            first, second = (_text(table.get(f"{name}_token")) for table in (texts, config))
            found[name] = first or second
            if first and second and first != second:
                notes.append(
                    f"{name} is {first!r}: so says {_MAP}, which transformers reads last; {_CONFIG} says {second!r}"
                )
        return cls(found["bos"], found["eos"], added, tuple(notes))


def _read(path: Path) -> dict[str, Any]:
    return read_json(path) if path.exists() else {}


def _text(token: object) -> str | None:
    """A token is its text, or a table with it."""
    if isinstance(token, dict):
        token = token.get("content")
    return token if isinstance(token, str) and token else None
