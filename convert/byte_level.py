"""A byte-level BPE vocabulary (``tokenizer.json`` of Llama 3, Qwen2, Qwen3) -> llama.cpp's, with the same ids.

A text is cut into words by a regular expression, each byte of a word is written as one character, and pairs are
merged by their rank. llama.cpp has the expressions built in, under names; a tokenizer with another one is refused,
because it would cut differently. Special tokens are stored with a space behind their text, as in
``convert.vocabulary``: no byte is written as a space, so no text can spell them. The other added tokens, such as
Qwen's ``<think>``, are read in typed text by Hugging Face's tokenizer too.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from convert.errors import ConvertError
from convert.json_file import read_json
from convert.vocabulary import (
    AU_END,
    AU_PATCH,
    AU_START,
    AU_TOKENS,
    CONTROL,
    NORMAL,
    UNSPELLABLE,
    UNUSED,
    USER_DEFINED,
    Vocabulary,
    special_row,
)

_CUT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|DIGITS| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
LLAMA3, QWEN2 = _CUT.replace("DIGITS", r"\p{N}{1,3}"), _CUT.replace("DIGITS", r"\p{N}")

PRE = {(LLAMA3, True): "llama-bpe", (LLAMA3, False): "smaug-bpe", (QWEN2, False): "qwen2"}
"""(expression, whether a word that is a token is not merged from its characters) -> llama.cpp's name."""


def load_byte_level(
    path: Path, added: Mapping[str, int], n_vocab: int, *, bos: str | None = None, eos: str | None = None
) -> Vocabulary:
    """Read ``tokenizer.json``; ``added`` are tokens beyond it and ``n_vocab`` the embedding's rows.

    Without ``bos``, ``eos`` takes its place. Raises ConvertError where llama.cpp would tokenize differently, or where
    the rows do not fit.
    """
    file = read_json(path)
    try:
        pre, nfc = _pre(file), _nfc(file)
        model = file["model"]
        rows = {int(row): (str(text), NORMAL) for text, row in model["vocab"].items()}
        for token in file.get("added_tokens") or ():
            rows[int(token["id"])] = str(token["content"]), _kind(token)
        merges = tuple(merge if isinstance(merge, str) else " ".join(merge) for merge in model["merges"])
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ConvertError(f"{path} is not a tokenizer as transformers writes it: {error!r}") from error
    rows |= {row: (text, CONTROL) for text, row in added.items() if row not in rows}
    if max(rows) >= n_vocab:
        raise ConvertError(f"{path.name} has a token at row {max(rows)}, the embedding only {n_vocab} rows")
    rows = {row: rows.get(row, (f"<unused_{row}>", UNUSED)) for row in range(n_vocab)}
    ids = {text: row for row, (text, _) in rows.items()}
    if len(ids) != n_vocab:
        raise ConvertError(f"{path.name} and added_tokens.json name some token twice")
    if eos is None:
        raise ConvertError(f"{path.parent} names no eos_token: add tokenizer_config.json")
    return Vocabulary(
        texts=tuple(text + UNSPELLABLE * (kind in (CONTROL, UNUSED)) for text, kind in rows.values()),
        types=tuple(kind for _, kind in rows.values()),
        bos=special_row(bos or eos, ids, n_vocab),
        eos=special_row(eos, ids, n_vocab),
        au_start=special_row(AU_START, ids, n_vocab),
        au_patch=special_row(AU_PATCH, ids, n_vocab),
        au_end=special_row(AU_END, ids, n_vocab),
        model="gpt2",
        merges=merges,
        pre=pre,
        nfc=nfc,
    )


def _kind(token: Mapping[str, Any]) -> int:
    if token.get("special") or token["content"] in AU_TOKENS:
        return CONTROL
    if token.get("lstrip") or token.get("rstrip") or token.get("single_word"):
        raise ConvertError(f"the added token {token['content']!r} takes the spaces beside it: not supported")
    return USER_DEFINED


def _pre(file: Mapping[str, Any]) -> str:
    """llama.cpp's name for the way a text is cut."""
    model, cut = file["model"], file.get("pre_tokenizer") or {}
    odd = [
        key
        for key in ("dropout", "unk_token", "continuing_subword_prefix", "end_of_word_suffix")
        if model.get(key)
    ]
    if model.get("type") != "BPE" or model.get("byte_fallback") or odd:
        raise ConvertError(
            "tokenizer.json is no byte-level BPE: a SentencePiece vocabulary needs tokenizer.model"
        )
    match cut:
        case {
            "type": "Sequence",
            "pretokenizers": [
                {"type": "Split", "pattern": {"Regex": expression}, "behavior": "Isolated", "invert": False},
                {"type": "ByteLevel", "add_prefix_space": False, "use_regex": False},
            ],
        } if (key := (expression, bool(model.get("ignore_merges")))) in PRE:
            pass
        case _:
            raise ConvertError(
                f"tokenizer.json cuts text in an unknown way: known are {', '.join(PRE.values())}"
            )
    if missing := 256 - sum(len(text) == 1 for text in model["vocab"]):
        raise ConvertError(f"tokenizer.json lacks {missing} of the 256 bytes")
    return PRE[key]


def _nfc(file: Mapping[str, Any]) -> bool:
    normalizer = file.get("normalizer")
    if normalizer not in (None, {"type": "NFC"}):
        raise ConvertError("tokenizer.json normalizes text by more than NFC: not supported")
    return normalizer is not None
