"""The written corpus: conversations of nano's world, split so that whole held-out sentences are never trained on.

One conversation is a line of JSON in the form of the sibling text set of LLaSM-Audio-Instructions:
``{"kind", "language", "conversations": [{"from": "human" | "gpt", "value"}, …]}``.

    python -m models.nano.corpus 20    # prints twenty of them
"""

import argparse
import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import islice
from random import Random
from typing import Any

from models.nano.world import arithmetic, chat, coding, followups, knowledge
from models.nano.world.spoken import Exchange, language_of, speakable, spoken, tokens

Subject = Callable[[Random], Exchange]
SUBJECTS: dict[Subject, float] = {  # share of the conversations
    coding.generate: 0.33, arithmetic.generate: 0.15, knowledge.fact: 0.13, knowledge.capital: 0.05, knowledge.recipe: 0.06,
    knowledge.word: 0.08, chat.generate: 0.08, followups.generate: 0.12,
}  # fmt: skip
FIXED = ("chat", "refusal", "editor", "music")  # too few sentences to hold any out
HELD_OUT_PERCENT = 6
TRANSCRIBE = "听写 transcribe"  # works for any language, and is what the bundle asks for
TRANSCRIBE_BY_LANGUAGE = {
    "en": ("Write down what you hear.", "Transcribe the speech.", "What do I say? Write it down."),
    "zh": ("写下你听到的话。", "把语音转成文字。", "请听写。"),
    "mixed": ("写下你听到的话。", "Write down what you hear.", "请听写。"),
}


def held_out(text: str) -> bool:
    """Whether a sentence (or the sentences of a whole conversation, joined) belongs to the held-out part."""
    return int(hashlib.sha256(text.encode()).hexdigest()[:8], 16) % 100 < HELD_OUT_PERCENT


def conversations(
    seed: int | str, *, test: bool = False, subjects: dict[Subject, float] = SUBJECTS
) -> Iterator[Exchange]:
    """An endless stream of conversations, trained ones or (``test``) held-out ones. Human turns are ``spoken`` text."""
    rng = Random(seed)
    generators, shares = list(subjects), list(subjects.values())
    while True:
        exchange = rng.choices(generators, shares)[0](rng)
        if not all(speakable(said) for said, _ in exchange.turns):  # the paper's filter
            continue
        turns = tuple((spoken(said), answer) for said, answer in exchange.turns)
        exchange = Exchange(exchange.kind, turns)
        if _is_test(exchange) == test:
            yield exchange


def _is_test(exchange: Exchange) -> bool:
    if exchange.kind in FIXED:
        return False
    return held_out(" / ".join(said for said, _ in exchange.turns)) or held_out(exchange.turns[0][0])


def vocabulary() -> list[str]:
    """Every word and character that people of this world say, most frequent first: the units of hearing."""
    counts: Counter[str] = Counter()
    stream = conversations(seed=0)
    for _ in range(40_000):
        for said, _answer in next(stream).turns:
            counts.update(tokens(said))
    return sorted(counts, key=lambda token: (-counts[token], token))


def word_salad(rng: Random, words: list[str], frequency: Callable[[str], float], most: int = 6) -> str:
    """A phrase without meaning, 2 … ``most`` units of one script, rare ones preferred."""
    language = rng.choice(("en", "zh"))
    pool = [word for word in words if language_of(word) == language]
    weights = [1.0 / (1.0 + frequency(word)) ** 0.7 for word in pool]
    return spoken(" ".join(rng.choices(pool, weights, k=rng.randint(2, most))))


def as_json(exchange: Exchange) -> dict[str, Any]:
    turns = [
        {"from": who, "value": value}
        for turn in exchange.turns
        for who, value in zip(("human", "gpt"), turn, strict=True)
    ]
    return {"kind": exchange.kind, "language": exchange.language, "conversations": turns}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("count", type=int, nargs="?", default=10)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--held-out", action="store_true", help="of those that are never trained on")
    options = parser.parse_args()
    for exchange in islice(conversations(options.seed, test=options.held_out), options.count):
        print(json.dumps(as_json(exchange), ensure_ascii=False))


if __name__ == "__main__":
    main()
