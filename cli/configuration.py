"""``[tool.sendright]`` in ``pyproject.toml``: the defaults of options.

The file is looked for in the working directory and above. A key is an option's name: ``max-time = "5m"``. What stands
in ``[tool.sendright]`` is for every command that has the option, what stands in ``[tool.sendright.check]`` for
``sendright check`` alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
import typer

from sendright.cli.bad_input import BadInput
from sendright.cli.baselines import read_toml, unknown_key

NAME = "pyproject.toml"
LARGEST = 4 << 20
NOT_CONFIGURABLE = re.compile("help|version|list(-.*)?")
"""Options that do something else than the command."""


class Setting(msgspec.Struct, frozen=True):
    """The default of an option of a command."""

    value: Any
    where: str
    """The file and the table that it comes from; empty: it is sendright's own."""


class Configuration(msgspec.Struct, frozen=True):
    """The defaults of all commands, as a file has them."""

    file: Path | None
    commands: dict[str, dict[str, Setting]]
    """Command -> parameter, by its name in the code -> its default."""

    @property
    def defaults(self) -> dict[str, dict[str, Any]]:
        """The same for the command line's parser."""
        return {command: {name: one.value for name, one in settings.items()} for command, settings in self.commands.items()}


def nearest_file(start: Path) -> Path | None:
    """The nearest pyproject.toml with a table [tool.sendright], in ``start`` or above. Raises BadInput if one can't be
    read."""
    for folder in (start, *start.parents):
        path = folder / NAME
        if path.is_file() and b"sendright" in _beginning(path):
            tool = read_toml(path, LARGEST, "configuration").get("tool")
            if isinstance(tool, dict) and "sendright" in tool:
                return path
    return None


def _beginning(path: Path) -> bytes:
    """The file, if it can be read: one that can't be read says nothing."""
    try:
        with open(path, "rb") as file:
            return file.read(LARGEST)
    except OSError:
        return b""


def read_configuration(path: Path | None, commands: Mapping[str, Any]) -> Configuration:
    """The configuration in the file at ``path``, for these commands of the command line. Raises BadInput for what no
    option has, or doesn't accept."""
    found: dict[str, dict[str, Setting]] = {name: {} for name in commands}
    if path is None:
        return Configuration(None, found)
    table = read_toml(path, LARGEST, "configuration")["tool"]["sendright"]
    if not isinstance(table, dict):
        raise BadInput(f"{path}: tool.sendright isn't a table (write it as [tool.sendright])")
    options = {name: dict(options_of(command)) for name, command in commands.items()}
    for key, value in table.items():
        if key in commands and isinstance(value, dict):
            continue
        having = [name for name in commands if key in options[name]]
        if not having:
            known = [*commands, *{option for each in options.values() for option in each}]
            if isinstance(value, dict):
                raise BadInput(f"{path}: [tool.sendright.{key}]: no such command: {unknown_key(key, list(commands))}")
            raise BadInput(f"{path}: [tool.sendright]: {unknown_key(key, known)}")
        for name in having:
            found[name].update(_setting(commands[name], options[name][key], key, value, f"{path}, [tool.sendright]"))
    for name in commands:
        for key, value in table.get(name, {}).items() if isinstance(table.get(name), dict) else ():
            if key not in options[name]:
                raise BadInput(f"{path}: [tool.sendright.{name}]: {unknown_key(key, list(options[name]))}")
            found[name].update(_setting(commands[name], options[name][key], key, value, f"{path}, [tool.sendright.{name}]"))
    return Configuration(path, found)


def options_of(command: Any) -> Iterator[tuple[str, Any]]:
    """The options of a command that may be configured: the name, as on the command line, and the parameter."""
    for parameter in command.params:
        for option in parameter.opts if parameter.param_type_name == "option" else ():
            if option.startswith("--") and not NOT_CONFIGURABLE.fullmatch(option[2:]) and not getattr(parameter, "required", False):
                yield option[2:], parameter


def _setting(command: Any, parameter: Any, key: str, value: Any, where: str) -> dict[str, Setting]:
    """The setting of a parameter. Raises BadInput if the option doesn't accept the value."""
    is_flag = bool(getattr(parameter, "is_flag", False))
    several = bool(getattr(parameter, "multiple", False)) or getattr(parameter, "nargs", 1) != 1
    value = [value] if several and not isinstance(value, list | dict | bool) else value  # one of them
    if is_flag != isinstance(value, bool) or several != isinstance(value, list) or isinstance(value, dict):
        form = "true or false" if is_flag else "a list" if several else "one value"
        raise BadInput(f"{where}: {key} = {value!r}: --{key} takes {form}")
    given = value if is_flag else [str(one) for one in value] if several else str(value)
    try:
        context = command.make_context(command.name, [], resilient_parsing=True)
        parameter.process_value(context, given)
    except Exception as error:
        words = error.format_message() if isinstance(error, typer.TyperException) else str(error)
        raise BadInput(f"{where}: {key} = {value!r}: {' '.join(str(words).split())} (see sendright {command.name} --help)") from error
    return {parameter.name: Setting(given, where)}
