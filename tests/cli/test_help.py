"""Every command explains itself, and its examples can be typed."""

import shlex

import click
import pytest

from edge_llasm.cli import run
from edge_llasm.cli.app import app

COMMANDS = ["", *app.commands]


def examples() -> list[str]:
    epilogs = [app.epilog, *(command.epilog for command in app.commands.values())]
    lines = [line.strip() for epilog in epilogs for line in (epilog or "").splitlines()]
    return [line.rpartition("| ")[2] for line in lines if "edge-llasm " in line]


@pytest.mark.parametrize("command", COMMANDS)
def test_help_describes_the_command_and_gives_an_example(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([*command.split(), "--help"]) == 0
    shown = capsys.readouterr()
    assert shown.out.startswith("Usage: edge-llasm")
    assert "Example" in shown.out
    assert f"edge-llasm {command}".strip() in shown.out
    assert shown.err == ""


@pytest.mark.parametrize("command", COMMANDS[1:])
def test_every_option_is_described(command: str) -> None:
    for parameter in app.commands[command].params:
        assert isinstance(parameter, click.Argument) or getattr(parameter, "help", None), parameter.name


@pytest.mark.parametrize("line", examples())
def test_an_example_is_well_formed(line: str) -> None:
    name, command, *arguments = shlex.split(line)
    assert name == "edge-llasm"
    app.commands[command].make_context(command, arguments)


def test_no_command_at_all_shows_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert run([]) == 2
    shown = capsys.readouterr()
    assert "Usage: edge-llasm" in shown.out + shown.err
