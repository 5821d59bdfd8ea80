"""Training samples: a conversation as token ids, with the answers' tokens as targets.

Speech stands in a prompt as ``N_QUERIES`` positions. In text pre-training nobody has spoken yet: the words themselves stand in
those positions, where Whisper puts the words of some clip, with ``au_patch`` between them. So the frozen LLM of stage 1 already
knows how to read such a slot, and the adapter only has to find the words' embeddings.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from random import Random

from edge_llasm.prompt import TokenIds
from models.nano import corpus
from models.nano.hearing import N_QUERIES
from models.nano.world.spoken import Exchange, language_of, number_en, number_zh, tokens

Tokenize = Callable[[str], list[int]]
Layouts = Mapping[int, Sequence[tuple[int | None, ...]]]
"""Number of words -> where they may stand: for each of the N_QUERIES positions the word's number, or None."""
IGNORED = -100
_NUMBERS = {number_en(n): str(n) for n in range(101)} | {number_zh(n): str(n) for n in range(101)}
_NUMBER = re.compile(
    "|".join(sorted((rf"\b{said}\b" if said.isascii() else said for said in _NUMBERS), key=len, reverse=True))
)


@dataclass(frozen=True)
class Heard:
    """A spoken part of a question: what was said, and the clip whose states stand for it (``None``: no clip yet)."""

    text: str
    clip: int | None = None


@dataclass(frozen=True)
class Sample:
    ids: tuple[int, ...]  # au_patch wherever speech stands
    labels: tuple[int, ...]  # the token that each position must predict next, or IGNORED
    clips: tuple[tuple[int, int], ...]  # (position of the first of N_QUERIES, clip)


Turn = tuple[Sequence[str | Heard], str]


class Writer:
    """Renders conversations exactly as ``edge_llasm.prompt`` does for the template ``llama2-llasm-paper`` without system text."""

    def __init__(self, special: TokenIds, tokenize: Tokenize, layouts: Layouts | None = None) -> None:
        self._special, self._tokenize, self._layouts = special, tokenize, layouts or {}
        self._head, self._tail = tokenize("[INST] "), tokenize(" [/INST] ")

    def sample(self, turns: Sequence[Turn], rng: Random, *, learn_all: bool = True) -> Sample:
        """``learn_all`` False: only the last answer is a target."""
        ids: list[int] = []
        targets: list[bool] = []
        clips: list[tuple[int, int]] = []
        for number, (question, answer) in enumerate(turns):
            ids += [self._special.bos, *self._head]
            for i, part in enumerate(question):
                if isinstance(part, Heard):
                    if part.clip is not None:
                        clips.append((len(ids) + 1, part.clip))
                    slot = (
                        self._placed(part.text, rng)
                        if part.clip is None
                        else [self._special.au_patch] * N_QUERIES
                    )
                    ids += [self._special.au_start, *slot, self._special.au_end]
                else:
                    before = "\n" if i > 0 else ""
                    after = "\n" if i + 1 < len(question) else ""
                    ids += self._tokenize(before + part + after)
            ids += self._tail
            targets += [False] * (len(ids) - len(targets))
            ids += [*self._tokenize(answer), self._special.eos]
            targets += [learn_all or number + 1 == len(turns)] * (len(ids) - len(targets))
        labels = [ids[i + 1] if targets[i + 1] else IGNORED for i in range(len(ids) - 1)] + [IGNORED]
        return Sample(tuple(ids), tuple(labels), tuple(clips))

    def heard_pieces(self, word: str) -> list[int]:
        """The pieces of a word, or of one Han character without the space before it; ``""`` is CTC's blank."""
        if not word:
            return [self._special.au_patch]
        pieces = self._tokenize(word)
        return pieces if word.isascii() else pieces[1:]

    def _placed(self, text: str, rng: Random) -> list[int]:
        pieces = [self.heard_pieces(token) for token in tokens(text)]
        said = [piece for word in pieces if rng.random() > 0.01 for piece in word if word][:N_QUERIES]
        layout = rng.choice(self._layouts.get(len(said)) or [_halves(len(said), rng)])
        return [self._special.au_patch if number is None else said[number] for number in layout]


def _halves(n_words: int, rng: Random) -> tuple[int | None, ...]:
    """The first words from the beginning on, the last ones up to the end: what layouts look like on the whole."""
    first = rng.randint(0, n_words)
    between: list[None] = [None] * (N_QUERIES - n_words)
    return (*range(first), *between, *range(first, n_words))


def typed(rng: Random, text: str) -> str:
    """How somebody might type what others say: with capitals, punctuation, digits."""
    if rng.random() < 0.6:
        return text
    if rng.random() < 0.5:
        text = _NUMBER.sub(lambda match: _NUMBERS[match.group()], text) if "一" not in text else text
    if rng.random() < 0.4:
        text = text[0].upper() + text[1:]
    ending = rng.choice("?.!") if language_of(text) == "en" else rng.choice("？。！")
    return text + ending if rng.random() < 0.4 else text


def instruction(rng: Random, text: str) -> str:
    """A request to transcribe, in the language of the speech, or the one that the bundle uses for any."""
    return (
        corpus.TRANSCRIBE
        if rng.random() < 0.5
        else rng.choice(corpus.TRANSCRIBE_BY_LANGUAGE[language_of(text)])
    )


def transcription(heard: Heard, rng: Random) -> Turn:
    """The instruction stands before or after the speech (arXiv 2308.15930, section 3.2)."""
    asked = instruction(rng, heard.text)
    return ([asked, heard] if rng.random() < 0.5 else [heard, asked]), heard.text


def text_turns(exchange: Exchange, rng: Random, placed: float) -> list[Turn]:
    """Each question typed, or (the share ``placed``) as speech that is still only words."""
    return [
        ([Heard(said) if rng.random() < placed else typed(rng, said)], answer)
        for said, answer in exchange.turns
    ]
