"""Voice coding in Python: commands that become a code block, or one line for the editor (``:undo``)."""

from collections.abc import Callable, Sequence
from random import Random

from models.nano.world.spoken import Exchange, camel, code, number_en, number_zh, snake

NOUNS = (
    "count total name user data item index value result score price path node tree queue table row column image "
    "color size width height time date day month year message number student teacher book city order product answer "
    "question token letter buffer config server client request model layer point circle player game level speed "
    "weight report email address phone account balance payment"
).split()
VERBS = (
    "parse load save get send read write check update delete find merge filter build clean compute".split()
)
MODULES = "math random time string socket queue calendar statistics".split()
COMMENTS_EN = (
    "check the result", "fix this later", "this is the main loop", "read the data first", "not finished",
    "start here", "clean the data", "update the score", "send the message", "the answer is here",
)  # fmt: skip
COMMENTS_ZH = (
    "检查结果", "以后再改", "这是主循环", "先读取数据", "还没完成", "从这里开始", "清理数据", "更新分数", "发送消息", "答案在这里",
)  # fmt: skip
PRINTS_EN = ("hello", "hello world", "good morning", "thank you", "done", "welcome", "goodbye")
PRINTS_ZH = ("你好", "你好世界", "早上好", "谢谢", "完成", "欢迎", "再见")
COMPARISONS = {
    ">": ("is greater than", "大于"), "<": ("is less than", "小于"),
    "==": ("equals", "等于"), "!=": ("is not equal to", "不等于"),
}  # fmt: skip
VALUES = {
    "True": ("true", "真"), "False": ("false", "假"), "None": ("none", "空"),
    "[]": ("an empty list", "空列表"), "{}": ("an empty dictionary", "空字典"), '""': ("an empty string", "空字符串"),
}  # fmt: skip

EDITOR = {
    ":test": ("run the tests", "run all the tests", "test it", "please run the tests", "运行测试", "跑一下测试", "运行所有测试"),
    ":run": ("run the file", "run the program", "run this code", "运行程序", "运行这个文件", "运行代码"),
    ":undo": ("undo", "undo that", "undo the last change", "撤销", "撤销上一步", "撤销刚才的修改"),
    ":redo": ("redo", "redo that", "重做", "重做上一步"),
    ":save": ("save", "save the file", "save this file", "保存", "保存文件", "保存这个文件"),
    ":close": ("close the file", "close this file", "关闭文件", "关闭这个文件"),
    ":new": ("new file", "create a new file", "open a new file", "新建文件", "新建一个文件"),
    ":delete line": ("delete this line", "remove this line", "删除这一行", "把这一行删掉"),
    ":copy line": ("copy this line", "复制这一行", "把这一行复制一下"),
    ":comment line": ("comment out this line", "comment this line", "注释这一行", "把这一行注释掉"),
    ":select all": ("select all", "select everything", "全选", "选择全部"),
    ":top": ("go to the top", "go to the start of the file", "回到开头", "跳到文件开头"),
    ":end": ("go to the end", "go to the end of the file", "跳到最后", "跳到文件最后"),
    ":format": ("format the code", "format this file", "整理代码", "整理一下代码"),
    ":next": ("next error", "go to the next error", "下一个错误", "跳到下一个错误"),
}  # fmt: skip

Command = Callable[[Random], tuple[str, str]]


def generate(rng: Random) -> Exchange:
    said, answer = rng.choice(COMMANDS)(rng)
    return Exchange("editor" if answer in EDITOR else "coding", ((said, answer),))


def name(rng: Random) -> list[str]:
    """The words of a variable's name: one noun, sometimes two."""
    return rng.sample(NOUNS, 2) if rng.random() < 0.2 else [rng.choice(NOUNS)]


def function_name(rng: Random) -> list[str]:
    return [rng.choice(VERBS), rng.choice(NOUNS)] if rng.random() < 0.75 else [rng.choice(VERBS)]


def pick(rng: Random, *forms: str) -> str:
    return rng.choice(forms)


def number(rng: Random, spoken_zh: bool, low: int = 0) -> tuple[str, str]:
    """(as spoken, as digits)."""
    n = rng.choice((rng.randint(low, 20), rng.randint(low, 100)))
    return (number_zh(n) if spoken_zh else number_en(n)), str(n)


def define_function(rng: Random) -> tuple[str, str]:
    words, arguments = function_name(rng), rng.sample(NOUNS, rng.choice((0, 0, 0, 1, 1, 2)))
    n = " ".join(words)
    if rng.random() < 0.5:
        text = pick(rng, "define a function called {}", "create a function named {}", "write a function called {}",
                    "make a function {}", "define function {}", "new function {}").format(n)  # fmt: skip
        if arguments:
            text += pick(rng, " with argument ", " that takes ", " taking ") + " and ".join(arguments)
    else:
        text = pick(rng, "定义一个函数叫{}", "定义一个 function 叫{}", "写一个函数叫{}", "创建一个函数名字叫{}",
                    "写一个 function 叫{}", "定义函数{}").format(f" {n} ")  # fmt: skip
        if arguments:
            text += pick(rng, "参数是", "参数为") + " 和 ".join(f" {a} " for a in arguments)
    return text, function_code(words, arguments)


def function_code(words: Sequence[str], arguments: Sequence[str] = ()) -> str:
    return code(f"def {snake(words)}({', '.join(arguments)}):", "    pass")


def define_class(rng: Random) -> tuple[str, str]:
    words = name(rng)
    form = pick(rng, "define a class called {}", "create a class named {}", "write a class {}", "make a class called {}",
                "定义一个类叫 {}", "定义一个 class 叫 {}", "写一个类叫 {}", "创建一个 class 名字叫 {}")  # fmt: skip
    return form.format(" ".join(words)), class_code(words)


def class_code(words: Sequence[str]) -> str:
    return code(f"class {camel(words)}:", "    pass")


def loop_times(rng: Random) -> tuple[str, str]:
    zh = rng.random() < 0.5
    said, n = number(rng, zh, low=2)
    form = pick(rng, "循环{}次", "写一个循环重复{}次", "重复{}次", "写一个 loop 循环{}次") if zh else pick(
        rng, "loop {} times", "repeat {} times", "write a loop that runs {} times", "write a for loop {} times")  # fmt: skip
    return form.format(said), loop_code(n)


def loop_code(n: str) -> str:
    return code(f"for i in range({n}):", "    pass")


def loop_over(rng: Random) -> tuple[str, str]:
    a, b = rng.sample(NOUNS, 2)
    if rng.random() < 0.5:
        text = pick(rng, "for each {a} in {b}", "loop over every {a} in {b}", "for every {a} in {b}")
    else:
        text = pick(rng, "遍历 {b} 里的每个 {a}", "对 {b} 里的每个 {a} 循环", "循环 {b} 里的 {a}")
    return text.format(a=a, b=b), code(f"for {a} in {b}:", "    pass")


def condition(rng: Random) -> tuple[str, str]:
    """``if`` and ``while`` on one comparison."""
    words, (operator, (en, zh)) = name(rng), rng.choice(list(COMPARISONS.items()))
    keyword, in_zh = rng.choice(("if", "if", "while")), rng.random() < 0.5
    said, n = number(rng, in_zh)
    n_said = " ".join(words)
    if in_zh:
        text = f"如果 {n_said} {zh}{said}" if keyword == "if" else f"当 {n_said} {zh}{said}的时候循环"
    else:
        text = f"{keyword} {n_said} {en} {said}"
    return text, code(f"{keyword} {snake(words)} {operator} {n}:", "    pass")


def assign(rng: Random) -> tuple[str, str]:
    words, in_zh = name(rng), rng.random() < 0.5
    if rng.random() < 0.7:
        said, value = number(rng, in_zh)
    else:
        value, both = rng.choice(list(VALUES.items()))
        said = both[1] if in_zh else both[0]
    form = pick(rng, "把 {} 设为{}", "让 {} 等于{}", "把 {} 设成{}", "set {} 为{}") if in_zh else pick(
        rng, "set {} to {}", "let {} be {}", "assign {1} to {0}", "make {} equal to {}")  # fmt: skip
    return form.format(" ".join(words), said), assign_code(words, value)


def assign_code(words: Sequence[str], value: str) -> str:
    return code(f"{snake(words)} = {value}")


def change(rng: Random) -> tuple[str, str]:
    """``+=`` and ``-=``."""
    words, in_zh, up = name(rng), rng.random() < 0.5, rng.random() < 0.6
    said, n = number(rng, in_zh, low=1)
    if in_zh:
        form = (
            pick(rng, "把 {} 增加{}", "{} 加{}", "给 {} 加上{}")
            if up
            else pick(rng, "把 {} 减少{}", "{} 减{}", "给 {} 减去{}")
        )
    elif up:
        form = pick(rng, "increase {} by {}", "add {1} to {0}", "increment {} by {}")
    else:
        form = pick(rng, "decrease {} by {}", "subtract {1} from {0}", "reduce {} by {}")
    return form.format(" ".join(words), said), code(f"{snake(words)} {'+' if up else '-'}= {n}")


def list_operation(rng: Random) -> tuple[str, str]:
    a, b = rng.sample(NOUNS, 2)
    forms, line = rng.choice((
        (("append {a} to {b}", "add {a} to the list {b}", "put {a} in the list {b}",
          "把 {a} 加到列表 {b} 里", "把 {a} 加到 {b} 里", "把 {a} append 到 {b}"), "{b}.append({a})"),
        (("remove {a} from {b}", "delete {a} from the list {b}", "从 {b} 里删除 {a}", "从列表 {b} 里去掉 {a}"), "{b}.remove({a})"),
        (("sort {b}", "sort the list {b}", "给 {b} 排序", "把列表 {b} 排序", "把 {b} sort 一下"), "{b}.sort()"),
        (("reverse {b}", "reverse the list {b}", "把 {b} 反转", "反转列表 {b}"), "{b}.reverse()"),
        (("the length of {b}", "get the length of {b}", "{b} 的长度", "取 {b} 的长度"), "len({b})"),
        (("the sum of {b}", "get the sum of {b}", "{b} 的总和", "求 {b} 的总和"), "sum({b})"),
        (("the first item of {b}", "get the first item in {b}", "{b} 的第一个元素", "取 {b} 的第一个"), "{b}[0]"),
        (("the last item of {b}", "get the last item in {b}", "{b} 的最后一个元素", "取 {b} 的最后一个"), "{b}[-1]"),
        (("create an empty list called {b}", "make a list called {b}", "新建一个空列表叫 {b}", "新建一个 list 叫 {b}",
          "创建一个列表叫 {b}"), "{b} = []"),
    ))  # fmt: skip
    return rng.choice(forms).format(a=a, b=b), code(line.format(a=a, b=b))


def dict_operation(rng: Random) -> tuple[str, str]:
    a, b = rng.sample(NOUNS, 2)
    in_zh = rng.random() < 0.5
    said, n = number(rng, in_zh)
    en, zh, line = rng.choice((
        (("create an empty dictionary called {b}", "make a dictionary called {b}"),
         ("新建一个空字典叫 {b}", "创建一个字典叫 {b}", "新建一个 dictionary 叫 {b}"), "{b} = {{}}"),
        (("get key {a} from {b}", "look up {a} in {b}"), ("从字典 {b} 里取 {a}", "取 {b} 里的 {a}"), '{b}["{a}"]'),
        (("set key {a} of {b} to {n}", "in {b} set {a} to {n}"), ("把字典 {b} 里的 {a} 设为{n}", "在 {b} 里把 {a} 设为{n}"),
         '{b}["{a}"] = {v}'),
        (("get the keys of {b}", "list the keys of {b}"), ("列出 {b} 的键", "取字典 {b} 所有的键"), "{b}.keys()"),
    ))  # fmt: skip
    text = rng.choice(zh if in_zh else en)
    return text.format(a=a, b=b, n=said), code(line.format(a=a, b=b, v=n))


def print_it(rng: Random) -> tuple[str, str]:
    if rng.random() < 0.6:
        words = name(rng)
        form = pick(rng, "print {}", "print out {}", "please print {}", "show me {}",
                    "打印 {}", "把 {} 打印出来", "print 一下 {}", "请打印 {}", "输出 {}")  # fmt: skip
        return form.format(" ".join(words)), code(f"print({snake(words)})")
    zh = rng.random() < 0.5
    said = rng.choice(PRINTS_ZH if zh else PRINTS_EN)
    form = (
        pick(rng, "打印文字{}", "输出文字{}") if zh else pick(rng, "print the text {}", "print the words {}")
    )
    return form.format(said), code(f'print("{said}")')


def import_module(rng: Random) -> tuple[str, str]:
    module = rng.choice(MODULES)
    if rng.random() < 0.5:
        form = pick(
            rng,
            "import {}",
            "import the {} module",
            "import module {}",
            "导入 {}",
            "导入 {} 模块",
            "import 一下 {}",
        )
        return form.format(module), code(f"import {module}")
    words = function_name(rng)
    form = pick(rng, "from {} import {}", "import {1} from {0}", "从 {} 导入 {}", "从 {} 里 import {}")
    return form.format(module, " ".join(words)), code(f"from {module} import {snake(words)}")


def open_file(rng: Random) -> tuple[str, str]:
    words = name(rng)
    read = rng.random() < 0.6
    forms = (
        (
            "open the file {}",
            "read the file {}",
            "open file {} for reading",
            "打开文件 {}",
            "读取文件 {}",
            "open 一下文件 {}",
        )
        if read
        else ("write to the file {}", "open the file {} for writing", "写入文件 {}", "打开文件 {} 来写")
    )
    mode = "" if read else ', "w"'
    return rng.choice(forms).format(" ".join(words)), code(
        f'with open("{snake(words)}"{mode}) as file:', "    pass"
    )


def comment(rng: Random) -> tuple[str, str]:
    zh = rng.random() < 0.5
    text = rng.choice(COMMENTS_ZH if zh else COMMENTS_EN)
    form = pick(rng, "加一条注释{}", "写一条注释{}", "添加注释{}") if zh else pick(
        rng, "add a comment {}", "write a comment {}", "comment {}", "add a comment saying {}")  # fmt: skip
    return form.format(text), code(f"# {text}")


def give_back(rng: Random) -> tuple[str, str]:
    words = name(rng)
    form = pick(rng, "return {}", "return the {}", "返回 {}", "把 {} 返回", "return 一下 {}")
    return form.format(" ".join(words)), code(f"return {snake(words)}")


def call(rng: Random) -> tuple[str, str]:
    words, argument = function_name(rng), rng.choice(NOUNS)
    form = pick(
        rng, "call {} with {}", "call the function {} with {}", "用 {1} 调用 {0}", "调用函数 {} 参数是 {}"
    )
    return form.format(" ".join(words), argument), code(f"{snake(words)}({argument})")


def try_block(rng: Random) -> tuple[str, str]:
    text = pick(rng, "add a try block", "catch errors here", "write a try block", "catch the exception",
                "捕获异常", "加一个异常处理", "写一个 try block", "在这里捕获错误")  # fmt: skip
    return text, code("try:", "    pass", "except Exception as error:", "    print(error)")


def go_to_line(rng: Random) -> tuple[str, str]:
    zh = rng.random() < 0.5
    said, n = number(rng, zh, low=1)
    form = pick(rng, "跳到第{}行", "去第{}行", "跳转到第{}行", "到第{}行") if zh else pick(
        rng, "go to line {}", "jump to line {}", "line {}", "take me to line {}")  # fmt: skip
    return form.format(said), f":line {n}"


def rename(rng: Random) -> tuple[str, str]:
    a, b = rng.sample(NOUNS, 2)
    form = pick(rng, "rename {} to {}", "change the name of {} to {}", "rename the variable {} to {}",
                "把 {} 改名为 {}", "把 {} 重命名为 {}", "把变量 {} 改成 {}", "rename {} 为 {}")  # fmt: skip
    return form.format(a, b), f":rename {a} {b}"


def find(rng: Random) -> tuple[str, str]:
    words = name(rng)
    form = pick(rng, "find {}", "search for {}", "find the word {}", "查找 {}", "搜索 {}", "找一下 {}")
    return form.format(" ".join(words)), f":find {' '.join(words)}"


def editor(rng: Random) -> tuple[str, str]:
    command, forms = rng.choice(list(EDITOR.items()))
    return rng.choice(forms), command


COMMANDS: tuple[Command, ...] = (
    define_function, define_function, define_function, define_class, loop_times, loop_over, condition, condition, assign, assign,
    change, list_operation, list_operation, dict_operation, print_it, print_it, import_module, open_file, comment, give_back,
    call, try_block, go_to_line, rename, find, editor, editor,
)  # fmt: skip
