"""The card's counts are those that the code prints."""

from pathlib import Path

import pytest

CARD = Path("models/nano/README.md")


def test_the_card_counts_its_world_right() -> None:
    from models.nano import corpus
    from models.nano.world import knowledge
    from models.nano.world.spoken import language_of

    words = corpus.vocabulary()
    english = sum(language_of(word) == "en" for word in words)
    counts = {name: len(knowledge.table(name)) for name in ("fact", "capital", "recipe", "word")}
    card = CARD.read_text("utf-8")
    assert f"{counts['fact']} people, places, things, {counts['capital']} capitals" in card
    assert f"{counts['recipe']} recipes" in card
    assert f"{counts['word']} words" in card
    assert f"{english} English words and {len(words) - english} characters" in card


@pytest.mark.torch
def test_the_card_tells_the_checkpoints_parameters() -> None:
    from models.nano import figures

    millions = {part: f"{count / 1e6:.1f} M" for part, count in figures.parameters().items()}
    card = " ".join(CARD.read_text("utf-8").split())
    assert f"a Whisper of {millions['Whisper parameters']} parameters" in card
    assert f"a LLaMA of {millions['LLaMA parameters']}" in card
