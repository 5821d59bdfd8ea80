"""Second turns that only make sense after the first: rename it, add five, and in Chinese?"""

from random import Random

from models.nano.world import arithmetic, coding, knowledge
from models.nano.world.spoken import Exchange, code, number_en, number_zh


def generate(rng: Random) -> Exchange:
    return rng.choice((renamed, renamed, argument_added, calculated_on, calculated_on, repeated, other_fact, other_language,
                       other_capital, other_recipe, other_word, assigned, other_line, printed))(rng)  # fmt: skip


def _function(rng: Random) -> tuple[str, list[str]]:
    words = coding.function_name(rng)
    said = rng.choice((
        "define a function called {}", "write a function called {}", "create a function named {}",
        "定义一个函数叫 {}", "写一个 function 叫 {}", "定义函数 {}",
    ))  # fmt: skip
    return said.format(" ".join(words)), words


def renamed(rng: Random) -> Exchange:
    said, words = _function(rng)
    new = [rng.choice(coding.NOUNS)] if rng.random() < 0.6 else coding.function_name(rng)
    form = rng.choice(
        (
            "now rename it to {}",
            "rename it to {}",
            "call it {} instead",
            "把它改名为 {}",
            "改名叫 {}",
            "现在把它改成 {}",
        )
    )
    return Exchange(
        "followup",
        ((said, coding.function_code(words)), (form.format(" ".join(new)), coding.function_code(new))),
    )


def argument_added(rng: Random) -> Exchange:
    said, words = _function(rng)
    argument = rng.choice(coding.NOUNS)
    form = rng.choice(("add an argument called {}", "now add the argument {}", "give it an argument {}",
                       "加一个参数 {}", "给它加一个参数叫 {}", "再加一个参数 {}"))  # fmt: skip
    turns = (
        (said, coding.function_code(words)),
        (form.format(argument), coding.function_code(words, [argument])),
    )
    return Exchange("followup", turns)


def calculated_on(rng: Random) -> Exchange:
    first = arithmetic.generate(rng)
    value = arithmetic.result(first.turns[0][1])
    a, operator, b = arithmetic.problem(rng, first=value)
    if rng.random() < 0.5:
        forms = {"+": ("now add {}", "plus {}", "and add {}"), "-": ("now subtract {}", "minus {}", "take away {}"),
                 "*": ("times {}", "now multiply by {}"), "/": ("divided by {}", "now divide by {}")}  # fmt: skip
        said = rng.choice(forms[operator]).format(number_en(b))
    else:
        forms = {"+": ("再加{}", "再加上{}", "加{}"), "-": ("再减{}", "再减去{}", "减{}"),
                 "*": ("再乘以{}", "乘以{}"), "/": ("再除以{}", "除以{}")}  # fmt: skip
        said = rng.choice(forms[operator]).format(number_zh(b))
    return Exchange("followup", (first.turns[0], (said, arithmetic.answer(a, operator, b))))


def repeated(rng: Random) -> Exchange:
    first = coding.loop_times(rng)
    zh = rng.random() < 0.5
    said, n = coding.number(rng, zh, low=2)
    form = (
        rng.choice(("改成{}次", "循环{}次吧", "换成{}次"))
        if zh
        else rng.choice(("make it {} times", "change it to {} times", "no {} times"))
    )
    return Exchange("followup", (first, (form.format(said), coding.loop_code(n))))


def assigned(rng: Random) -> Exchange:
    words = coding.name(rng)
    _, v = coding.number(rng, False)
    zh = rng.random() < 0.5
    first = (
        f"把 {' '.join(words)} 设为{number_zh(int(v))}"
        if zh
        else f"set {' '.join(words)} to {number_en(int(v))}"
    )
    said, n = coding.number(rng, zh)
    form = (
        rng.choice(("改成{}", "换成{}", "现在改成{}"))
        if zh
        else rng.choice(("change it to {}", "make it {}", "now set it to {}"))
    )
    return Exchange(
        "followup", ((first, coding.assign_code(words, v)), (form.format(said), coding.assign_code(words, n)))
    )


def printed(rng: Random) -> Exchange:
    words = coding.name(rng)
    said, v = coding.number(rng, False)
    form = rng.choice(("now print it", "print it", "把它打印出来", "打印它"))
    turns = (
        (f"set {' '.join(words)} to {said}", coding.assign_code(words, v)),
        (form, code(f"print({'_'.join(words)})")),
    )
    return Exchange("followup", turns)


def other_line(rng: Random) -> Exchange:
    zh = rng.random() < 0.5
    (first, n), (second, m) = coding.number(rng, zh, low=1), coding.number(rng, zh, low=1)
    if zh:
        return Exchange(
            "followup",
            (
                (f"跳到第{first}行", f":line {n}"),
                (rng.choice(("再到第{}行", "现在去第{}行")).format(second), f":line {m}"),
            ),
        )
    form = rng.choice(("and now line {}", "now go to line {}"))
    return Exchange("followup", ((f"go to line {first}", f":line {n}"), (form.format(second), f":line {m}")))


def other_fact(rng: Random) -> Exchange:
    zh = rng.random() < 0.5
    first, second = rng.sample(knowledge.table("fact"), 2)
    if zh:
        said, form = rng.choice(("介绍一下{}", "说说{}")).format(first["zh"]), rng.choice(("那{}呢", "{}呢"))
    else:
        said, form = (
            rng.choice(("tell me about {}", "introduce {}")).format(first["en"]),
            rng.choice(("and {}", "what about {}")),
        )
    language = "zh" if zh else "en"
    turns = (
        (said, first[f"{language}_answer"]),
        (form.format(second[language]), second[f"{language}_answer"]),
    )
    return Exchange("followup", turns)


def other_language(rng: Random) -> Exchange:
    row = rng.choice(knowledge.table("fact"))
    if rng.random() < 0.5:
        said, form = (
            rng.choice(("介绍一下{}", "说说{}")).format(row["zh"]),
            rng.choice(("用英文说", "请用英文说", "say it in english")),
        )
        return Exchange("followup", ((said, row["zh_answer"]), (form, row["en_answer"])))
    said = rng.choice(("tell me about {}", "introduce {}")).format(row["en"])
    form = rng.choice(("in chinese please", "say it in chinese", "用中文说"))
    return Exchange("followup", ((said, row["en_answer"]), (form, row["zh_answer"])))


def other_capital(rng: Random) -> Exchange:
    first, second = rng.sample(knowledge.table("capital"), 2)
    if rng.random() < 0.5:
        said, form, language = f"{first['country_zh']}的首都是哪里", rng.choice(("那{}呢", "{}呢")), "zh"
    else:
        said, form, language = (
            f"what is the capital of {first['country_en']}",
            rng.choice(("and {}", "what about {}")),
            "en",
        )
    followup = (form.format(second[f"country_{language}"]), knowledge.capital_answer(second, language))
    return Exchange("followup", ((said, knowledge.capital_answer(first, language)), followup))


def other_recipe(rng: Random) -> Exchange:
    first, second = rng.sample(knowledge.table("recipe"), 2)
    if rng.random() < 0.5:
        said, form, language = (
            rng.choice(("{}怎么做", "怎么做{}")).format(first["zh"]),
            rng.choice(("那{}呢", "{}呢")),
            "zh",
        )
    else:
        said, form, language = f"how do i cook {first['en']}", rng.choice(("and {}", "what about {}")), "en"
    turns = (
        (said, first[f"{language}_answer"]),
        (form.format(second[language]), second[f"{language}_answer"]),
    )
    return Exchange("followup", turns)


def other_word(rng: Random) -> Exchange:
    first, second = rng.sample(knowledge.table("word"), 2)
    if rng.random() < 0.5:
        said, form, asked, wanted = f"{first['zh']}用英文怎么说", rng.choice(("那{}呢", "{}呢")), "zh", "en"
    else:
        said, form, asked, wanted = (
            f"how do you say {first['en']} in chinese",
            rng.choice(("and {}", "what about {}")),
            "en",
            "zh",
        )
    return Exchange("followup", ((said, first[wanted]), (form.format(second[asked]), second[wanted])))
