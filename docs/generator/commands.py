"""The pages of the commands: each from the command line's own declarations, so a page says what ``--help`` says."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import typer.main

from sendright.cli.main import app
from sendright.mach.results.verdicts import ExitStatus, Verdict, exit_status

_STATUS = re.compile(r"^\s*(\d+)\s\s+(.*)$")


@dataclass(frozen=True)
class Command:
    """One command: what ``--help`` says, in parts."""

    name: str
    about: str
    paragraphs: tuple[str, ...]
    examples: tuple[str, ...]
    statuses: dict[int, str]
    usage: str
    arguments: tuple[Any, ...]
    options: tuple[Any, ...]


def commands() -> Iterator[Command]:
    """All commands, in the order of ``sendright --help``."""
    group: Any = typer.main.get_command(app)
    context = group.make_context("sendright", [], resilient_parsing=True)
    for name in group.list_commands(context):
        yield _command(name, group.get_command(context, name), context)


def _command(name: str, command: Any, context: Any) -> Command:
    parts = re.sub(r"\[/?bold\]", "", command.help or "").split("\n\n")
    examples: tuple[str, ...] = ()
    statuses: dict[int, str] = {}
    paragraphs = []
    for heading, part in zip(["", *parts], parts, strict=False):
        if heading == "Examples":
            examples = tuple(line.strip() for line in part.splitlines())
        elif heading == "Exit status":
            statuses = dict(_statuses(part))
        elif part not in ("Examples", "Exit status"):
            paragraphs.append(part)
    own = typer.Context(command, parent=context, info_name=name)
    usage = " ".join(["sendright", name, *command.collect_usage_pieces(own)])
    shown = [one for one in command.params if not getattr(one, "hidden", False)]
    arguments = tuple(one for one in shown if one.param_type_name == "argument")
    options = tuple(one for one in shown if one.param_type_name == "option")
    return Command(name, paragraphs[0], tuple(paragraphs[1:]), examples, statuses, usage, arguments, options)


def _statuses(block: str) -> Iterator[tuple[int, str]]:
    """A status and its words from each line; further lines of the words are indented."""
    status, words = None, ""
    for line in block.splitlines():
        found = _STATUS.match(line)
        if found:
            if status is not None:
                yield status, words
            status, words = int(found[1]), found[2]
        else:
            words += f" {line.strip()}"
    if status is not None:
        yield status, words


def default_in_words(option: Any) -> str:
    """What an option is if it isn't given; empty: nothing."""
    value = option.default
    return "" if value is None or value is False or callable(value) or value == () else str(value)


def statuses_of_verdicts() -> list[tuple[Verdict, ExitStatus]]:
    """Each verdict with the exit status that it leads to."""
    return [(verdict, exit_status(verdict)) for verdict in Verdict]
