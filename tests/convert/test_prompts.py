"""Whole prompts, special tokens and audio included, against the tokenizers of the checkpoints' own library.

What the released code encodes is written down here as it stands in the facts about it: strings with the names of
the special tokens in them, encoded at once, where the runtime encodes the text between them and places ids.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from convert.llm import write_llm
from convert.special_tokens import SpecialTokens
from convert.tokenizer import load_vocabulary
from convert.vocabulary import AU_END, AU_PATCH, AU_START, Vocabulary
from edge_llasm.llama import Llama
from edge_llasm.prompt import SYSTEM, TEMPLATES, Embeddings, Spoken, TokenIds, Tokens, Turn, render
from tests.byte_level import FAMILIES, write_byte_level
from tests.released import BAICHUAN, CLLAMA2, write_tokenizer
from tests.tiny import LLAMA, N_PIECES, ONE_THREAD, WHISPER, llama_tensors

pytestmark = pytest.mark.torch

N_QUERIES = 64
SPOKEN = Spoken((Embeddings(np.zeros((N_QUERIES, 4), np.float32)),))
AUDIO = AU_START + AU_PATCH * N_QUERIES + AU_END

CHATS: dict[str, list[Turn]] = {
    "spoken": [Turn((SPOKEN,))],
    "spoken twice": [Turn((SPOKEN,), "def f(x):\n    return x  # 好"), Turn((SPOKEN,))],
    "typed": [Turn(("把 total 打印出来 😀",), "好。"), Turn(("Now in English, please",))],
    "text before": [Turn(("Write this down:", SPOKEN))],
    "text after": [
        Turn((SPOKEN, "用中文回答"), "李白是谁？"),
        Turn((SPOKEN,), "two  spaces"),
        Turn(("end",)),
    ],
}
VOCABULARIES = ("Cllama2", "Baichuan", *FAMILIES)


@pytest.fixture(scope="module", params=VOCABULARIES)
def both(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Any, Llama, TokenIds]]:
    """transformers' tokenizer, llama.cpp with the same vocabulary, and the ids that templates place."""
    from tokenizers import normalizers
    from transformers import LlamaTokenizer, PreTrainedTokenizerFast

    folder = tmp_path_factory.mktemp("tokenizer")
    if request.param in FAMILIES:
        n_vocab = write_byte_level(folder, FAMILIES[request.param])
        tokenizer = PreTrainedTokenizerFast.from_pretrained(folder)
    else:
        layout = replace(CLLAMA2 if request.param == "Cllama2" else BAICHUAN, n_pieces=N_PIECES)
        n_vocab = layout.n_vocab
        write_tokenizer(folder, layout)
        tokenizer = LlamaTokenizer.from_pretrained(folder)
        tokenizer.add_tokens([AU_PATCH, AU_START, AU_END], special_tokens=True)
        # transformers 4.28, which the released code ran with: a space before each text, behind special tokens too.
        backend = tokenizer.backend_tokenizer
        backend.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
        backend.pre_tokenizer = None
    special = SpecialTokens.read(folder)
    vocabulary = load_vocabulary(folder, n_vocab, special)
    shape = replace(LLAMA, n_vocab=n_vocab)
    tensors = llama_tensors(np.random.default_rng(0), shape, WHISPER.d, vocabulary)
    write_llm(folder / "llm.gguf", shape, tensors, vocabulary, name="tiny")
    llama = Llama.open(folder / "llm.gguf", n_ctx=64, device="cpu", setup=ONE_THREAD)
    yield tokenizer, llama, token_ids(vocabulary)
    llama.close()


def token_ids(vocabulary: Vocabulary) -> TokenIds:
    v = vocabulary
    return TokenIds(v.bos, v.eos, v.au_start, v.au_patch, v.au_end)


def content(turn: Turn) -> str:
    """A human turn as one string, parts on lines of their own."""
    return "\n".join(part.strip() if isinstance(part, str) else AUDIO for part in turn.user)


def llama2_ids(tokenizer: Any, bos: int, turns: Sequence[Turn]) -> list[int]:
    """The released code's form for Chinese Llama 2: the system text stands twice, bos before each human turn."""
    system = f"<<SYS>>\n{SYSTEM}\n<</SYS>>\n\n"
    ids = tokenizer.encode(system, add_special_tokens=False)
    for number, turn in enumerate(turns):
        text = content(turn) if number else system + content(turn)
        ids += [bos, *tokenizer.encode(f"[INST] {text} [/INST] ", add_special_tokens=False)]
        if turn.answer is not None:
            ids += tokenizer.encode(f"{turn.answer} ", add_special_tokens=False) + [tokenizer.eos_token_id]
    return list(ids)


def vicuna_ids(tokenizer: Any, turns: Sequence[Turn]) -> list[int]:
    """The released code's form for Baichuan: everything encoded piece by piece."""
    pieces = [SYSTEM]
    for turn in turns:
        pieces += ["USER:", content(turn), "ASSISTANT:"]
        if turn.answer is not None:
            pieces += [turn.answer + tokenizer.eos_token]
    return [token for piece in pieces for token in tokenizer.encode(piece, add_special_tokens=False)]


def ours(template: str, turns: Sequence[Turn], tokens: TokenIds, llama: Llama) -> list[int]:
    ids: list[int] = []
    for segment in render(TEMPLATES[template], turns, None, tokens, llama.tokenize):
        ids += segment.ids if isinstance(segment, Tokens) else [tokens.au_patch] * len(segment)
    return ids


@pytest.mark.parametrize("chat", CHATS)
def test_both_forms_give_the_ids_of_the_reference(both: tuple[Any, Llama, TokenIds], chat: str) -> None:
    tokenizer, llama, tokens = both
    turns = CHATS[chat]
    assert ours("llama2-llasm", turns, tokens, llama) == llama2_ids(tokenizer, tokens.bos, turns)
    assert ours("vicuna-llasm", turns, tokens, llama) == vicuna_ids(tokenizer, turns)


def test_bos_is_the_one_that_transformers_takes(both: tuple[Any, Llama, TokenIds]) -> None:
    tokenizer, _, tokens = both
    assert tokens.eos == tokenizer.eos_token_id
    assert tokens.bos == (tokenizer.eos_token_id if tokenizer.bos_token is None else tokenizer.bos_token_id)
