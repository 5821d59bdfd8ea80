"""README, the pages behind it and the changelog say what is true of this tree."""

import ast
import re
import tomllib
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import click
import pytest

import edge_llasm
from edge_llasm.cli.app import app

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = {path: path.read_text(encoding="utf-8") for path in (ROOT / "README.md", *ROOT.glob("docs/*.md"))}
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PACKAGES = ("edge_llasm", "convert", "scripts", "models")
FOLDED = ("models/nano/world/",)
"""Folders that the tree shows in one line"""


def blocks(language: str) -> list[str]:
    text = "\n".join(PAGES.values())
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def listed() -> Iterator[str]:
    """The paths of the annotated tree, folders with a slash at the end."""
    tree = re.search(r"^## The tree\n.*?^```\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
    assert tree is not None
    folders: list[str] = []
    for line in tree[1].splitlines():
        name = line.split()[0]
        folders = [*folders[: (len(line) - len(line.lstrip())) // 2], name]
        yield "".join(folders)


def commands() -> list[str]:
    """Every line of the shell blocks, and the code spans, without comments."""
    lines = [line for block in blocks("bash") for line in block.splitlines()]
    prose = re.sub(r"^```.*?^```", "", "\n".join(PAGES.values()), flags=re.MULTILINE | re.DOTALL)
    spans = re.findall(r"`([^`\n]+)`", prose)
    return [line.split("#")[0].strip() for line in lines + spans]


def test_the_tree_lists_what_is_there() -> None:
    missing = [path for path in listed() if not (ROOT / path).exists()]
    assert missing == []


def test_no_module_is_missing_from_the_tree() -> None:
    files = [path for name in PACKAGES for path in (ROOT / name).rglob("*.py") if path.stat().st_size > 0]
    unlisted = {path.relative_to(ROOT).as_posix() for path in files} - set(listed())
    assert sorted(path for path in unlisted if not path.startswith(FOLDED)) == []


def test_the_tree_lists_nothing_twice() -> None:
    assert len(list(listed())) == len(set(listed()))


def test_make_targets_exist() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    rules = re.findall(r"^([a-z][a-z -]*):", makefile, re.MULTILINE)
    targets = {target for rule in rules for target in rule.split()}
    named = [
        words for command in commands() for words in re.findall(r"\bmake ((?:[a-z][a-z-]+ ?)+)", command)
    ]
    assert {target for words in named for target in words.split()} - targets == set()
    assert "demo" in " ".join(named) and "test" in " ".join(named)


def test_command_lines_are_understood() -> None:
    lines = [found[1] for c in commands() if (found := re.search(r"\bedge-llasm((?: [^|]+)+)", c))]
    checked = 0
    for line in lines:
        words = re.findall(r"\"[^\"]*\"|\S+", line)
        command = app.commands.get(words[0]) if words and re.fullmatch("[a-z]+", words[0]) else None
        assert command is not None, line
        options = {name for parameter in command.params for name in parameter.opts}
        for word in words[1:]:
            assert not word.startswith("--") or word in options, line
        checked += 1
    assert checked >= 6


def test_every_subcommand_is_shown() -> None:
    shown = {found[1] for command in commands() if (found := re.search(r"\bedge-llasm ([a-z]+)", command))}
    assert shown == {name for name, command in app.commands.items() if isinstance(command, click.Command)}


def test_modules_that_are_run_exist() -> None:
    names = {name for command in commands() for name in re.findall(r"python -m ([a-z_.]+)", command)}
    missing = [name for name in names if find_spec(name) is None and find_spec(f"{name}.__main__") is None]
    assert "convert" in names
    assert missing == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_linked_files_exist(page: Path) -> None:
    targets = re.findall(r"\]\(([^):]+)\)", PAGES[page])
    assert [target for target in targets if not (page.parent / target).exists()] == []


def test_every_page_is_linked() -> None:
    missing = [page.name for page in PAGES if page.parent != ROOT and f"(docs/{page.name})" not in README]
    assert missing == []


def test_python_examples_import_what_is_exported() -> None:
    for block in blocks("python"):
        for node in ast.walk(ast.parse(block)):
            if isinstance(node, ast.ImportFrom) and node.module == "edge_llasm":
                assert {alias.name for alias in node.names} <= set(edge_llasm.__all__)


def test_pins_are_those_of_the_package() -> None:
    pins = {pin for command in commands() for pin in re.findall(r"\b[a-z][a-z-]+==[0-9.]+[0-9]", command)}
    assert pins <= set(PYPROJECT["project"]["dependencies"])


def test_first_screen_has_both_commands() -> None:
    screen = "\n".join(README.splitlines()[:40])
    assert "make demo" in screen
    assert "make test" in screen


def test_changelog_begins_with_this_version() -> None:
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    newest = re.search(r"^## (\S+)", changelog, re.MULTILINE)
    assert newest is not None
    assert newest[1] == edge_llasm.__version__
