import json
import tomllib
from pathlib import Path

import pytest

from edge_llasm.chats import Store
from edge_llasm.cli import run


@pytest.fixture
def file(home: Path) -> Path:
    return home / "config.toml"


def test_without_a_file_everything_is_a_default(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["config"]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith(f"# {file} (not there)\n")
    assert 'model = "nano"  # default\n' in shown
    assert "# seed is not set\n" in shown


def test_what_the_file_sets_is_shown_with_its_source(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file.write_text('model = "tiny"\n[ask]\nmax-tokens = 7\nstats = true\n')
    assert run(["config"]) == 0
    shown = capsys.readouterr().out
    settings = tomllib.loads(shown)
    assert settings["ask"]["max-tokens"] == 7
    assert "max-tokens" not in settings["transcribe"]
    models = [options["model"] for options in settings.values() if "model" in options]
    assert models == ["tiny"] * shown.count('model = "tiny"  # config.toml\n')
    assert len(models) >= 3
    assert "max-tokens = 7  # config.toml\n" in shown


def test_the_output_is_such_a_file(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file.write_text('[ask]\nmodel = "tiny"\n')
    assert run(["config"]) == 0
    first = capsys.readouterr().out
    file.write_text(first)
    assert run(["config"]) == 0
    again = capsys.readouterr().out
    assert tomllib.loads(again) == tomllib.loads(first)


def test_the_file_sets_defaults_and_the_command_line_wins(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file.write_text('model = "tiny"\n[ask]\nmax-tokens = 3\njson = true\n')
    assert run(["ask", "--text", "hello"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert (answer["model"], answer["generated_tokens"]) == ("tiny", 3)
    assert run(["ask", "--text", "hello", "--max-tokens", "2"]) == 0
    assert json.loads(capsys.readouterr().out)["generated_tokens"] == 2


def test_lists_and_commands_of_commands_have_defaults_too(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file.write_text('[chats.export]\nformat = "json"\n[serve]\nalias = ["gpt-4o", "whisper"]\n')
    assert run(["config"]) == 0
    shown = capsys.readouterr().out
    assert 'alias = ["gpt-4o", "whisper"]  # config.toml\n' in shown
    assert "# allow-host is not set\n" in shown
    assert tomllib.loads(shown)["chats"]["export"]["format"] == "json"
    with Store(file.parent / "chats.sqlite") as store:
        store.begin_turn(store.begin_chat("tiny"), ["hello"], 0.0)
    assert run(["chats", "export", "1"]) == 0
    assert json.loads(capsys.readouterr().out)["model"] == "tiny"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("modle = 1", "there is no option 'modle'; the nearest is 'model'"),
        ("[aks]\nseed = 1", "there is no command 'aks'; the nearest is 'ask'"),
        ("[ask]\ntemprature = 1", "there is no option of ask 'temprature'; the nearest is 'temperature'"),
        ("[ask]\nseed = -1", "ask.seed = -1: -1 is not in the range"),
        ('device = "gpu"', "device = \"gpu\": 'gpu' is not one of"),
        ("[chats.exprot]\nformat = 1", "there is no command 'chats.exprot'; the nearest is 'chats.export'"),
        ('[serve]\nalias = "whisper-1"', 'serve.alias = "whisper-1": a list is wanted.'),
        ('[ask]\nstats = "yes"', 'ask.stats = "yes": true or false is wanted.'),
        ("model = ", "cannot be read (Invalid value"),
    ],
)
def test_a_wrong_file_is_told_in_one_line(
    file: Path, text: str, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    file.write_text(text)
    assert run(["ask", "--text", "hello"]) == 1
    shown = capsys.readouterr().err
    assert shown.startswith(f"edge-llasm: {file}")
    assert told in shown
    assert shown.count("\n") == 1
