"""Short facts, capitals, recipes and translated words, asked in either language and answered in the one asked for."""

import tomllib
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

from models.nano.world.spoken import Exchange

PERSON_EN = ("who is {}", "who was {}", "tell me about {}", "introduce {}", "do you know {}")
THING_EN = ("what is {}", "tell me about {}", "introduce {}", "do you know {}", "explain {}")
PERSON_ZH = ("{}是谁", "介绍一下{}", "你知道{}吗", "说说{}", "谁是{}")
THING_ZH = ("{}是什么", "介绍一下{}", "你知道{}吗", "说说{}", "什么是{}")
# (form, language of the name in it, language of the answer): requests that cross languages.
CROSSING = (
    ("tell me about {} in chinese", "en", "zh"), ("introduce {} in chinese", "en", "zh"), ("comment on {} in chinese", "en", "zh"),
    ("用英文介绍一下{}", "zh", "en"), ("用英语说说{}", "zh", "en"), ("用英文评价一下{}", "zh", "en"),
    ("用 english 介绍一下{}", "zh", "en"), ("comment on {} in english", "zh", "en"), ("tell me about {} in english", "zh", "en"),
    ("介绍一下 {}", "en", "zh"), ("用中文介绍一下 {}", "en", "zh"), ("你知道 {} 吗", "en", "zh"), ("tell me about {}", "zh", "en"),
)  # fmt: skip
CAPITAL_EN = (
    "what is the capital of {}",
    "the capital of {}",
    "tell me the capital of {}",
    "which city is the capital of {}",
)
CAPITAL_ZH = ("{}的首都是哪里", "{}的首都是什么", "{}的首都", "{}首都在哪里", "哪里是{}的首都")
COOK_EN = (
    "how do i cook {}",
    "how to cook {}",
    "how do you make {}",
    "a recipe for {}",
    "give me a recipe for {}",
    "teach me to cook {}",
)
COOK_ZH = ("{}怎么做", "怎么做{}", "教我做{}", "{}的做法", "我想做{}", "告诉我怎么做{}")
TO_CHINESE_EN = (
    "how do you say {} in chinese",
    "translate {} into chinese",
    "what is {} in chinese",
    "say {} in chinese",
)
TO_CHINESE_MIXED = ("{} 用中文怎么说", "把 {} 翻译成中文", "{} 的中文是什么", "{} 是什么意思")
TO_ENGLISH_ZH = ("{}用英文怎么说", "把{}翻译成英文", "{}的英文是什么", "{}用英语怎么说")
TO_ENGLISH_MIXED = ("how do you say {} in english", "translate {} into english", "what does {} mean")


@cache
def table(name: str) -> list[dict[str, Any]]:
    """One of the tables beside this file: ``fact``, ``capital``, ``recipe`` or ``word``."""
    file = {"fact": "facts", "capital": "facts", "recipe": "recipes", "word": "words"}[name]
    tables: dict[str, list[dict[str, Any]]] = tomllib.loads(
        Path(__file__).with_name(f"{file}.toml").read_text("utf-8")
    )
    return tables[name] + (tables["mixed_fact"] if name == "fact" else [])


def fact(rng: Random, row: dict[str, Any] | None = None) -> Exchange:
    row = row or rng.choice(table("fact"))
    if rng.random() < 0.35:
        form, named, answered = rng.choice(CROSSING)
    else:
        named = answered = rng.choice(("en", "zh"))
        person = row["kind"] == "person"
        form = rng.choice(
            (PERSON_EN if person else THING_EN) if named == "en" else (PERSON_ZH if person else THING_ZH)
        )
    return Exchange("fact", ((form.format(row[named]), row[f"{answered}_answer"]),))


def capital(rng: Random, row: dict[str, Any] | None = None) -> Exchange:
    row = row or rng.choice(table("capital"))
    if rng.random() < 0.5:
        said = rng.choice(CAPITAL_EN).format(row["country_en"])
        return Exchange("capital", ((said, capital_answer(row, "en")),))
    return Exchange(
        "capital", ((rng.choice(CAPITAL_ZH).format(row["country_zh"]), capital_answer(row, "zh")),)
    )


def capital_answer(row: dict[str, Any], language: str) -> str:
    if language == "zh":
        return f"{row['country_zh']}的首都是{row['capital_zh']}。"
    return f"The capital of {title(row['country_en'])} is {title(row['capital_en'])}."


def title(words: str) -> str:
    return " ".join(word if word == "the" else word.capitalize() for word in words.split())


def recipe(rng: Random, row: dict[str, Any] | None = None) -> Exchange:
    row = row or rng.choice(table("recipe"))
    asked, named = rng.choice(
        (("en", "en"), ("zh", "zh"), ("en", "en"), ("zh", "zh"), ("zh", "en"), ("en", "zh"))
    )
    form = rng.choice(COOK_EN if asked == "en" else COOK_ZH)
    return Exchange("recipe", ((form.format(f" {row[named]} "), row[f"{asked}_answer"]),))


def word(rng: Random, row: dict[str, Any] | None = None) -> Exchange:
    row = row or rng.choice(table("word"))
    forms, named, wanted = rng.choice((
        (TO_CHINESE_EN, "en", "zh"), (TO_ENGLISH_ZH, "zh", "en"), (TO_CHINESE_MIXED, "en", "zh"), (TO_ENGLISH_MIXED, "zh", "en"),
    ))  # fmt: skip
    return Exchange("word", ((rng.choice(forms).format(row[named]), row[wanted]),))
