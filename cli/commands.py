"""All commands of ``sendright``. A command's module is imported when a user calls the command or asks for its help.

The list of commands shows the first sentences of their docstrings. It reads them from the modules' source,
without importing them.
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command as click_command

from sendright.cli.help import help_text
from sendright.cli.plugins import with_plugins
from sendright.mach.interrupt import interruptible

AT_NEXT_CALL = ("check", "prove", "policy", "replay", "export", "check-server", "compare", "audit", "synthesize", "mutants", "witnesses")
"""Commands that end between two calls, when a signal asks them to. The others are quick."""
COMMANDS = (*AT_NEXT_CALL[:-1], "graph", "calls", "profiles", "trace-spec", "accept", "config", "setup", "witnesses")
"""In the order of the list. The function of a command has its name, in the module of that name."""
WITHOUT_PLUGINS = ("accept", "config", "setup")
MARKUP: Literal["rich"] = "rich"


class Commands(TyperGroup):
    """The group of all commands, with the defaults that pyproject.toml gives their options.

    What ends one by Ctrl-C or another signal comes out of it, and doesn't become typer's own exit status (130, always).
    """

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        for option in self.get_params(ctx):
            if getattr(option, "is_flag", False) and option.default is None:
                option.default = False  # typer gives None to pydantic, whose import takes longer than all the rest
        return super().parse_args(ctx, args)

    def invoke(self, ctx: Any) -> object:
        file = _configuration_file()
        if file is not None:
            from sendright.cli.configuration import read_configuration  # this imports all commands, for their options

            ctx.default_map = read_configuration(file, self.commands).defaults
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt as signalled:
            raise typer.Abort() from signalled

    @property
    def commands(self) -> dict[str, Any]:
        """All commands, by name. (This imports them.)"""
        return {name: self.get_command(None, name) for name in COMMANDS}

    @commands.setter
    def commands(self, given: object) -> None:
        """The group begins without any."""
        self._loaded: dict[str, Any] = {}

    def list_commands(self, ctx: Any) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name in COMMANDS and cmd_name not in self._loaded:
            self._loaded[cmd_name] = load(cmd_name)
        return self._loaded.get(cmd_name)

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the group's help. To list a command, its name and docstring will do."""
        self._loaded = {name: TyperCommand(name, help=help_text(_docstring_of(name))) for name in COMMANDS}
        try:
            super().format_help(ctx, formatter)
        finally:
            self._loaded = {}


def _configuration_file() -> Path | None:
    from sendright.cli.configuration import nearest_file

    try:
        return nearest_file(Path.cwd())
    except OSError:  # the working directory is gone: what needs it says so
        return None


def load(name: str) -> Any:
    """The command ``name``, from its module."""
    function: Callable[..., Any] = getattr(import_module(_module(name)), _function(name))
    alone = typer.Typer(add_completion=False, rich_markup_mode=MARKUP)
    whole = function if name in WITHOUT_PLUGINS else with_plugins(function)
    alone.command(name, help=help_text(function.__doc__ or ""))(interruptible(whole) if name in AT_NEXT_CALL else whole)
    return click_command(alone)


def _function(name: str) -> str:
    return name.replace("-", "_")


def _module(name: str) -> str:
    return f"sendright.cli.{_function(name)}"


def _docstring_of(name: str) -> str:
    """The docstring of a command's function, from the source of its module."""
    spec = find_spec(_module(name))
    source = "" if spec is None or spec.origin is None else Path(spec.origin).read_text(encoding="utf-8")
    found = [one for one in ast.parse(source).body if isinstance(one, ast.FunctionDef) and one.name == _function(name)]
    return ast.get_docstring(found[0]) or "" if found else ""
