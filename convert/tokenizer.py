"""A checkpoint's vocabulary, whichever kind of file it has."""

from pathlib import Path

from convert.byte_level import load_byte_level
from convert.errors import ConvertError
from convert.special_tokens import SpecialTokens
from convert.vocabulary import Vocabulary

SENTENCEPIECE, BYTE_LEVEL = "tokenizer.model", "tokenizer.json"


def load_vocabulary(folder: Path, n_vocab: int, special: SpecialTokens) -> Vocabulary:
    """``tokenizer.model`` (LLaMA, Mistral), else ``tokenizer.json`` (Llama 3, Qwen2, Qwen3).

    ``n_vocab`` is the number of rows of the embedding. Raises ConvertError for what llama.cpp would read differently.
    """
    for name, load in ((SENTENCEPIECE, Vocabulary.load), (BYTE_LEVEL, load_byte_level)):
        if (folder / name).exists():
            return load(folder / name, special.added, n_vocab, bos=special.bos, eos=special.eos)
    raise ConvertError(f"{folder} has no vocabulary: neither {SENTENCEPIECE} nor {BYTE_LEVEL}")
