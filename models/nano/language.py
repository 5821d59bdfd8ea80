"""nano's LLaMA: its SentencePiece vocabulary, its shape, and the adapter before it."""

import re
from pathlib import Path
from random import Random

import sentencepiece
import torch
from torch import Tensor, nn
from transformers import LlamaConfig, LlamaForCausalLM

from convert.pieces import train_pieces
from edge_llasm.prompt import TEMPLATES, TokenIds
from models.nano import corpus
from models.nano.samples import typed
from models.nano.world import coding
from models.nano.world.spoken import HAN

PIECES = 4_000  # SentencePiece's part of the vocabulary; au_patch, au_start and au_end follow it
TEMPLATE = TEMPLATES["llama2-llasm-paper"]
SYSTEM = ""  # what the model knows about itself is in its weights
CONTEXT = 512  # tokens
EMBEDDING_STD = 0.05  # of an aligned embedding's elements
_BREAK = "\x01"  # no piece crosses it: every Han character and digit is a piece of its own


def train_tokenizer(file: Path) -> None:
    """A byte-fallback BPE in which every word that is said in this world is one piece."""
    rng, stream = Random(5), corpus.conversations(seed=5)
    lines = ["[INST] hello [/INST] "] * 5_000 + [word for word in corpus.vocabulary() for _ in range(800)]
    lines += [
        f"({name})"
        for noun in coding.NOUNS + coding.VERBS
        for name in (noun, noun.capitalize())
        for _ in range(300)
    ]
    for _ in range(40_000):
        for said, answer in next(stream).turns:
            lines += [said, typed(rng, said), *answer.split("\n")]
    lines += [instruction for forms in corpus.TRANSCRIBE_BY_LANGUAGE.values() for instruction in forms] * 100
    separated = (re.sub(f"([{HAN}])", rf"{_BREAK}\1{_BREAK}", line) for line in lines)
    file.write_bytes(train_pieces(separated, PIECES, delimiter=_BREAK))


def load_tokenizer(file: Path) -> sentencepiece.SentencePieceProcessor:
    return sentencepiece.SentencePieceProcessor(model_file=str(file))


def token_ids(tokenizer: sentencepiece.SentencePieceProcessor) -> TokenIds:
    """The released order: au_patch, au_start, au_end, right after the SentencePiece pieces."""
    n = tokenizer.get_piece_size()
    return TokenIds(bos=1, eos=2, au_patch=n, au_start=n + 1, au_end=n + 2)


def new_llama(
    n_vocab: int, hidden: int = 256, layers: int = 5, heads: int = 4, ffn: int = 640
) -> LlamaForCausalLM:
    config = LlamaConfig(
        vocab_size=n_vocab, hidden_size=hidden, intermediate_size=ffn, num_hidden_layers=layers, num_attention_heads=heads,
        num_key_value_heads=heads, max_position_embeddings=CONTEXT, rms_norm_eps=1e-5, bos_token_id=1, eos_token_id=2,
        pad_token_id=None, tie_word_embeddings=False, attn_implementation="sdpa",
    )  # fmt: skip
    llama = LlamaForCausalLM(config)
    for module in llama.model.layers.modules():  # transformers' 0.02 is for far wider models
        if isinstance(module, nn.Linear):
            nn.init.kaiming_normal_(module.weight, nonlinearity="linear")
    return llama


class Llasm(nn.Module):
    """LLaSM's trainable half: the adapter and the LLM."""

    def __init__(self, n_vocab: int, d_speech: int) -> None:
        super().__init__()
        self.llama = new_llama(n_vocab)
        self.adapter = nn.Linear(d_speech, self.llama.config.hidden_size)

    @torch.no_grad()
    def align(self, ids: Tensor, states: Tensor) -> None:
        """Begin where the two spaces meet: token ``ids[i]`` is embedded where the adapter puts ``states[i]``.

        A linear map of 192 numbers cannot send 1,200 words to embeddings that were learnt without it; embeddings that were
        chosen by the map can be. ``ids`` (n,), ``states`` (n, d_speech): the mean state of Whisper where it hears that word.
        """
        hidden, width = self.adapter.weight.shape
        rotation = torch.linalg.qr(torch.randn(hidden, width, generator=torch.Generator().manual_seed(3)))[0]
        centre = states.mean(dim=0)
        scale = EMBEDDING_STD * hidden**0.5 / (states - centre).norm(dim=1).mean()
        self.adapter.weight.copy_(rotation * scale)
        self.adapter.bias.copy_(-self.adapter.weight @ centre)
        self.llama.get_input_embeddings().weight[ids] = self.adapter(states)
