"""`edge-llasm config`, and the file behind it: what is set there is every command's default."""

from __future__ import annotations

import json
import os
import tomllib
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import click

from edge_llasm.cli.output import say
from edge_llasm.errors import ConfigError

__all__ = ["config", "config_file", "configured"]

EPILOG = """\b
Examples:
  edge-llasm config

\b
The file holds options under their long names; those in a command's table are for it alone:
  device = "cpu"
  [ask]
  max-tokens = 200
  [chats.export]
  format = "json"
"""

Options = dict[str, click.Option]  # by their long names, without the dashes


@click.command(epilog=EPILOG)
@click.pass_context
def config(context: click.Context) -> None:
    """Show each command's options, what they are set to, and by whom.

    The output is itself such a file: what nobody has set is a remark.
    """
    file, group = config_file(), context.find_root().command
    assert isinstance(group, click.Group)
    say(f"# {file}{'' if file.exists() else ' (not there)'}\n")
    for name, options in _options(group).items():
        say(f"\n[{name}]\n" if options else "")
        mine = context.find_root().default_map or {}
        for part in name.split("."):
            mine = mine.get(part, {})
        for long, option in options.items():
            value = mine.get(option.name, option.get_default(context))
            by = file.name if option.name in mine else "default"
            if not value and option.multiple or not isinstance(value, (bool, int, float, str, list)):
                say(f"# {long} is not set\n")
            else:
                say(f"{long} = {_toml(value)}  # {by}\n")


def config_file() -> Path:
    """$EDGE_LLASM_HOME/config.toml, or config.toml in the user's folder of settings."""
    import platformdirs

    home = os.path.expanduser(os.environ.get("EDGE_LLASM_HOME", ""))
    return Path(home or platformdirs.user_config_dir("edge-llasm", appauthor=False)) / "config.toml"


def configured(group: click.Group) -> dict[str, Any]:
    """Command -> parameter, or its own command -> ... -> the file's value: click's default_map. Raises ConfigError."""
    file = config_file()
    try:
        said = tomllib.loads(file.read_text("utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{file} cannot be read ({error}): mend it or move it away") from error
    known = _options(group)
    anywhere = {long for options in known.values() for long in options}
    defaults: dict[str, dict[str, Any]] = {name: {} for name in known}

    def take(name: str, table: Mapping[str, Any]) -> None:
        if name not in known:
            raise _unknown(file, "command", name, known)
        for long, one in table.items():
            if isinstance(one, dict):
                take(f"{name}.{long}", one)
            elif long not in known[name]:
                raise _unknown(file, f"option of {name}", long, known[name])
            else:
                option = known[name][long]
                defaults[name][str(option.name)] = _checked(file, f"{name}.{long}", option, one)

    for key, value in said.items():
        if isinstance(value, dict):
            take(key, value)
        elif key not in anywhere:
            raise _unknown(file, "option", key, dict.fromkeys(anywhere))
        else:
            for name, options in known.items():
                if option_here := options.get(key):
                    checked = _checked(file, key, option_here, value)
                    defaults[name].setdefault(str(option_here.name), checked)
    nested: dict[str, Any] = {}
    for name, values in defaults.items():
        place = nested
        for part in name.split("."):
            place = place.setdefault(part, {})
        place.update(values)
    return nested


def _options(group: click.Group, inside: str = "") -> dict[str, Options]:
    """Of each command; `chats export` is called chats.export, as its table in the file is."""
    found: dict[str, Options] = {}
    for name, command in group.commands.items():
        found[inside + name] = {
            max(option.opts, key=len).lstrip("-"): option
            for option in command.params
            if isinstance(option, click.Option)
        }
        if isinstance(command, click.Group):
            found |= _options(command, f"{inside}{name}.")
    return found


def _checked(file: Path, key: str, option: click.Option, value: object) -> object:
    with click.Context(click.Command("config")) as context:
        try:
            if option.is_flag and not isinstance(value, bool):
                raise click.BadParameter("true or false is wanted.")
            if option.multiple and not isinstance(value, list):
                raise click.BadParameter("a list is wanted.")
            option.type_cast_value(context, value)
        except click.BadParameter as error:
            raise ConfigError(f"{file}: {key} = {_toml(value)}: {error.message}") from error
    return value


def _unknown(file: Path, kind: str, name: str, known: Mapping[str, object]) -> ConfigError:
    nearest = get_close_matches(name, known, n=1, cutoff=0.0)
    return ConfigError(f"{file}: there is no {kind} {name!r}; the nearest is {nearest[0]!r}")


def _toml(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)
