"""`edge-llasm chats`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from edge_llasm.cli.output import say, tell

if TYPE_CHECKING:
    from edge_llasm.chats import Store

__all__ = ["chats"]

EPILOG = """\b
Examples:
  edge-llasm chats
  edge-llasm chats show 3
  edge-llasm chats export 3 --format markdown > chat.md
"""


@click.group(epilog=EPILOG, invoke_without_command=True)
@click.pass_context
def chats(context: click.Context) -> None:
    """List the chats that are kept on this machine; show, export or delete one.

    One line each: number, when it began, model, turns, the beginning of the first question.
    """
    if context.invoked_subcommand is not None:
        return
    from edge_llasm.chats.export import when

    with _store() as store:
        kept = store.chats()
        if not kept:
            tell(f"no chat is kept in {store.file}")
        width = max((len(chat.model) for chat in kept), default=0)
        for chat in kept:
            say(
                f"{chat.number:4d}  {when(chat.began)}  {chat.model:{width}s}  {chat.turns:3d}  {chat.title}\n"
            )


@chats.command(epilog="\b\nExamples:\n  edge-llasm chats show 3")
@click.argument("number", type=int)
def show(number: int) -> None:
    """Print a chat."""
    _print(number, "markdown")


@chats.command(epilog="\b\nExamples:\n  edge-llasm chats export 3 --format json > chat.json")
@click.argument("number", type=int)
@click.option(
    "--format", "form", type=click.Choice(["markdown", "json"]), default="markdown", show_default=True
)
def export(number: int, form: str) -> None:
    """Write a chat to standard output; JSON holds the recordings too, where they were kept."""
    _print(number, form)


@chats.command(epilog="\b\nExamples:\n  edge-llasm chats delete 3\n  edge-llasm chats delete 3 4 --yes")
@click.argument("numbers", type=int, nargs=-1, required=True, metavar="NUMBER...")
@click.option("--yes", is_flag=True, help="Do not ask.")
def delete(numbers: tuple[int, ...], yes: bool) -> None:
    """Delete chats for good."""
    with _store() as store:
        wanted = [store.chat(number) for number in numbers]
        if not yes:
            if sys.stdin is None or not sys.stdin.isatty():
                raise click.UsageError("chats are deleted only if you say so: give --yes.")
            titles = "".join(f"  {chat.number}  {chat.title}\n" for chat in wanted)
            if not click.confirm(f"{titles}Delete for good?", err=True):
                return
        for chat in wanted:
            store.delete(chat.number)
            tell(f"deleted chat {chat.number}")


def _print(number: int, form: str) -> None:
    from edge_llasm.chats.export import as_json, as_markdown

    with _store() as store:
        chat, exchanges = store.chat(number), store.exchanges(number)
        if form == "markdown":
            say(as_markdown(chat, exchanges))
        else:
            say(as_json(chat, exchanges, dict(store.recordings(number))) + "\n")


def _store() -> Store:
    from edge_llasm.chats import Store, chats_file

    return Store(chats_file())
