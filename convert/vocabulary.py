"""A vocabulary in llama.cpp's terms, and how a SentencePiece model becomes one, with the same ids for the same text.

llama.cpp's ``llama`` tokenizer merges pairs by score, which is what a SentencePiece model of type BPE does.
All else that SentencePiece can be told to do (Unigram, Unicode normalization, squeezing of spaces) it
leaves out, so such a model is refused here instead of being converted into one that spells differently.

No text may ever become a special token, yet llama.cpp merges characters into whatever has a text: with
pieces ``</`` and ``s>``, a typed ``</s>`` would end the answer. Control pieces are therefore stored with a
space behind their text: the tokenizer turns every space of its input into ``▁`` first, so no input can
spell them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from convert.errors import ConvertError

NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE = 1, 2, 3, 4, 5, 6  # the same numbers in both libraries
MODEL_TYPE_BPE = 2  # sentencepiece_model.proto, TrainerSpec.ModelType
UNSPELLABLE = " "
LOWEST_SCORE = -10_000.0  # of rows that are not SentencePiece's: never the better merge

AU_START, AU_PATCH, AU_END = "<au_start>", "<au_patch>", "<au_end>"
AU_TOKENS = (AU_START, AU_PATCH, AU_END)


@dataclass(frozen=True)
class Vocabulary:
    """One row per embedding row of the language model, in llama.cpp's terms."""

    texts: tuple[str, ...]
    types: tuple[int, ...]
    """NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED or BYTE."""
    bos: int
    eos: int
    au_start: int
    au_patch: int
    au_end: int
    unk: int | None = None
    model: Literal["llama", "gpt2"] = "llama"
    """llama.cpp's tokenizer: SentencePiece's merges by score, or byte-level merges by rank."""
    scores: tuple[float, ...] = ()
    """Of SentencePiece, merge priorities, the higher first."""
    add_space_prefix: bool = False
    """Whether a text is encoded with a space in front."""
    merges: tuple[str, ...] = ()
    """Of byte-level merges, the pairs in the order of their rank, with a space between."""
    pre: str = "default"
    """How a text is cut before byte-level merges, llama.cpp's name for it."""
    nfc: bool = False
    """Whether a text is brought into Unicode's form NFC first."""

    @classmethod
    def load(
        cls,
        path: Path,
        added: Mapping[str, int],
        n_vocab: int,
        *,
        bos: str | None = None,
        eos: str | None = None,
    ) -> "Vocabulary":
        """Read ``tokenizer.model``; ``added`` is ``added_tokens.json`` and ``n_vocab`` the embedding's rows.

        ``bos`` and ``eos`` go before those that the model names. Raises ConvertError where llama.cpp would tokenize
        differently, or where the rows do not fit.
        """
        model = _parse(path)
        _check_encoder(model, path)
        texts, scores, types = [], [], []
        for piece in model.pieces:
            kind = CONTROL if piece.piece in AU_TOKENS else piece.type
            texts.append(_text(piece.piece, kind))
            scores.append(float(piece.score))
            types.append(kind)
        if len(texts) > n_vocab:
            raise ConvertError(f"{path.name} has {len(texts)} pieces, the embedding only {n_vocab} rows")
        names = {index: name for name, index in added.items()}
        for row in range(len(texts), n_vocab):
            texts.append(_text(names.get(row, f"<unused_{row}>"), CONTROL))
            scores.append(LOWEST_SCORE)
            types.append(CONTROL if row in names else UNUSED)
        if len(set(texts)) != n_vocab:
            raise ConvertError(f"{path.name} and added_tokens.json name some piece twice")
        if USER_DEFINED in types and model.normalizer_spec.add_dummy_prefix:
            piece = texts[types.index(USER_DEFINED)]
            raise ConvertError(
                f"llama.cpp would put a space after the user-defined piece {piece!r}: not supported"
            )
        ids = {piece.piece: row for row, piece in enumerate(model.pieces)} | dict(added)
        spec = model.trainer_spec
        return cls(
            texts=tuple(texts),
            types=tuple(types),
            scores=tuple(scores),
            bos=special_row(bos, ids, n_vocab) if bos else ids.get(spec.bos_piece, spec.bos_id),
            eos=special_row(eos, ids, n_vocab) if eos else ids.get(spec.eos_piece, spec.eos_id),
            unk=ids.get(spec.unk_piece, spec.unk_id),
            au_start=special_row(AU_START, ids, n_vocab),
            au_patch=special_row(AU_PATCH, ids, n_vocab),
            au_end=special_row(AU_END, ids, n_vocab),
            add_space_prefix=model.normalizer_spec.add_dummy_prefix,
        )


def special_row(text: str, ids: Mapping[str, int], n_vocab: int) -> int:
    """The row of a special token; ConvertError when it has none in the embedding."""
    if text not in ids:
        raise ConvertError(f"the vocabulary has no token {text}: is it the one of this checkpoint?")
    if not 0 <= ids[text] < n_vocab:
        raise ConvertError(f"the vocabulary puts {text} at row {ids[text]}, the embedding has {n_vocab} rows")
    return ids[text]


def _text(piece: str, kind: int) -> str:
    if kind in (CONTROL, UNKNOWN, UNUSED):
        return piece + UNSPELLABLE
    # User-defined pieces are looked for in the text as it was typed.
    return piece.replace("\u2581", " ") if kind == USER_DEFINED else piece


def _parse(path: Path) -> Any:
    from google.protobuf.message import DecodeError
    from sentencepiece import sentencepiece_model_pb2

    model = sentencepiece_model_pb2.ModelProto()
    try:
        model.ParseFromString(path.read_bytes())
    except OSError as error:
        raise ConvertError(f"cannot read the vocabulary {path}: {error.strerror}") from error
    except DecodeError as error:
        raise ConvertError(f"{path} is not a SentencePiece model: is it a Git LFS pointer?") from error
    if not model.pieces:
        raise ConvertError(f"{path} is a SentencePiece model without pieces")
    return model


def _check_encoder(model: Any, path: Path) -> None:
    trainer, normalizer = model.trainer_spec, model.normalizer_spec
    differs = None
    if trainer.model_type != MODEL_TYPE_BPE:
        differs = "is not of type BPE"
    elif normalizer.precompiled_charsmap:
        differs = f"normalizes text ({normalizer.name})"
    elif normalizer.remove_extra_whitespaces:
        differs = "removes extra spaces"
    elif not normalizer.escape_whitespaces or trainer.treat_whitespace_as_suffix:
        differs = "marks spaces in another way"
    elif sum(piece.type == BYTE for piece in model.pieces) != 256:
        differs = "cannot spell unknown characters by bytes"
    if differs:
        raise ConvertError(f"{path.name} {differs}: llama.cpp would tokenize differently")
