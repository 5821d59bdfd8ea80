"""Training samples: a conversation as token ids, with the answers' tokens as targets.

Speech stands in a prompt as ``N_QUERIES`` positions, filled with Whisper's states of a clip, or, for sentences that nobody
recorded, with states that are recalled word by word.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random

from edge_llasm.prompt import TokenIds
from models.nano import corpus
from models.nano.hearing import N_QUERIES
from models.nano.world.spoken import Exchange, language_of, number_en, number_zh

Tokenize = Callable[[str], list[int]]
Rows = tuple[int, ...]
"""N_QUERIES states: a clip's number times N_QUERIES plus the query's."""
IGNORED = -100
_NUMBERS = {number_en(n): str(n) for n in range(101)} | {number_zh(n): str(n) for n in range(101)}
_NUMBER = re.compile(
    "|".join(sorted((rf"\b{said}\b" if said.isascii() else said for said in _NUMBERS), key=len, reverse=True))
)


@dataclass(frozen=True)
class Heard:
    """A spoken part of a question: what was said, and the clip it was said in (``None``: states are recalled)."""

    text: str
    clip: int | None = None


@dataclass(frozen=True)
class Sample:
    ids: tuple[int, ...]  # au_patch wherever speech stands
    labels: tuple[int, ...]  # the token that each position must predict next, or IGNORED
    speech: tuple[tuple[int, Rows], ...]  # (position of the first of N_QUERIES, the states there)


Turn = tuple[Sequence[str | Heard], str]


class Writer:
    """Renders conversations exactly as ``edge_llasm.prompt`` does for the template ``llama2-llasm-paper`` without system text."""

    def __init__(self, special: TokenIds, tokenize: Tokenize, recall: Callable[[str, Random], Rows]) -> None:
        self._special, self._tokenize, self._recall = special, tokenize, recall
        self._head, self._tail = tokenize("[INST] "), tokenize(" [/INST] ")

    def sample(self, turns: Sequence[Turn], rng: Random, *, learn_all: bool = True) -> Sample:
        """``learn_all`` False: only the last answer is a target."""
        ids: list[int] = []
        targets: list[bool] = []
        speech: list[tuple[int, Rows]] = []
        for number, (question, answer) in enumerate(turns):
            ids += [self._special.bos, *self._head]
            for i, part in enumerate(question):
                if isinstance(part, Heard):
                    speech.append((len(ids) + 1, self._rows(part, rng)))
                    slot = [self._special.au_patch] * N_QUERIES
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
        return Sample(tuple(ids), tuple(labels), tuple(speech))

    def heard_pieces(self, word: str) -> list[int]:
        """The pieces of a word, or of one Han character without the space before it; ``""`` is CTC's blank."""
        if not word:
            return [self._special.au_patch]
        pieces = self._tokenize(word)
        return pieces if word.isascii() else pieces[1:]

    def _rows(self, heard: Heard, rng: Random) -> Rows:
        if heard.clip is None:
            return self._recall(heard.text, rng)
        return tuple(range(heard.clip * N_QUERIES, (heard.clip + 1) * N_QUERIES))


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


def text_turns(exchange: Exchange, rng: Random, recalled: float) -> list[Turn]:
    """Each question typed, or (the share ``recalled``) as speech that is recalled word by word."""
    return [
        ([Heard(said) if rng.random() < recalled else typed(rng, said)], answer)
        for said, answer in exchange.turns
    ]
