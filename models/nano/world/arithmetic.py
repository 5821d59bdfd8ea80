"""Arithmetic on whole numbers from 0 to 100, asked in words."""

from random import Random

from models.nano.world.spoken import Exchange, number_en, number_zh

EN_OPERATORS = {"+": "plus", "-": "minus", "*": "times", "/": "divided by"}
ZH_OPERATORS = {"+": ("加", "加上"), "-": ("减", "减去"), "*": ("乘", "乘以"), "/": ("除以",)}
EN_QUESTIONS = ("what is {}", "how much is {}", "{}", "calculate {}", "what's {}", "tell me {}")
ZH_QUESTIONS = ("{}等于多少", "{}是多少", "{}等于几", "{}", "算一下{}", "计算{}", "{}得多少")


def generate(rng: Random) -> Exchange:
    a, operator, b = problem(rng)
    if rng.random() < 0.5:
        question = rng.choice(EN_QUESTIONS).format(f"{number_en(a)} {EN_OPERATORS[operator]} {number_en(b)}")
    else:
        question = rng.choice(ZH_QUESTIONS).format(
            number_zh(a) + rng.choice(ZH_OPERATORS[operator]) + number_zh(b)
        )
    return Exchange("arithmetic", ((question, answer(a, operator, b)),))


def problem(rng: Random, first: int | None = None) -> tuple[int, str, int]:
    """``a operator b`` with every number, the result too, between 0 and 100; ``first`` fixes ``a``."""
    while True:
        operator = rng.choice("+++---**/")
        if operator in "+-":
            a, b = rng.randint(0, 100), rng.randint(0, 100)
        elif operator == "*":
            a, b = rng.randint(1, 12), rng.randint(1, 12)
        else:
            b = rng.randint(1, 12)
            a = b * rng.randint(1, 12)
        a = a if first is None else first
        if operator == "/" and a % b:
            continue
        if 0 <= a <= 100 and 0 <= _result(a, operator, b) <= 100:
            return a, operator, b


def answer(a: int, operator: str, b: int) -> str:
    return f"{a} {operator} {b} = {_result(a, operator, b)}"


def result(answered: str) -> int:
    """The number after the last ``=`` of an answer."""
    return int(answered.rsplit("=", 1)[1])


def _result(a: int, operator: str, b: int) -> int:
    return {"+": a + b, "-": a - b, "*": a * b}[operator] if operator != "/" else a // b
