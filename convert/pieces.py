"""SentencePiece vocabularies with LLaMA's settings: byte pairs, bytes for the rest, digits apart, text as it is."""

import io
from collections.abc import Iterable


def train_pieces(lines: Iterable[str], size: int, *, coverage: float = 1.0, delimiter: str = "") -> bytes:
    """A ``tokenizer.model`` of exactly ``size`` pieces, the 256 bytes and ``<unk> <s> </s>`` (0, 1, 2) among them.

    ``coverage`` is the share of the characters that get a piece of their own; no piece reaches over a ``delimiter``.
    """
    import sentencepiece

    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(lines),
        model_writer=model,
        model_type="bpe",
        vocab_size=size,
        character_coverage=coverage,
        byte_fallback=True,
        split_digits=True,
        normalization_rule_name="identity",
        remove_extra_whitespaces=False,
        allow_whitespace_only_pieces=True,
        pretokenization_delimiter=delimiter,
        num_threads=1,
        minloglevel=2,
    )
    return model.getvalue()
