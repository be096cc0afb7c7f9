"""``sendright config``: shows the defaults of options, and where they come from."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from sendright.cli.bad_input import BadInput
from sendright.cli.configuration import nearest_file, options_of, read_configuration
from sendright.cli.options import Json
from sendright.cli.streams import show, show_json, write
from sendright.mach.suggestions import did_you_mean
from sendright.reports.escape import one_line


def config(
    context: typer.Context,
    names: Annotated[list[str] | None, typer.Argument(metavar="[COMMAND…]", help="Only the options of these commands.")] = None,
    json: Json = False,
) -> int:
    """Show the defaults of options that pyproject.toml changes, and from which table each comes.

    The nearest pyproject.toml with a table [tool.sendright] counts, in the working directory or above. Its keys are
    the names of options: those in [tool.sendright] are for all commands, those in [tool.sendright.check] for one.

    [bold]Examples[/bold]

      sendright config
      sendright config check --json

    [bold]Exit status[/bold]

      0  printed
      2  the file or the command line is wrong
    """
    from rich.table import Table
    from rich.text import Text

    assert context.parent is not None
    commands: Mapping[str, Any] = context.parent.command.commands  # type: ignore[attr-defined]
    for name in names or ():
        if name not in commands:
            raise BadInput(f"config: no command {name!r} ({did_you_mean(name, commands, 'see sendright --help')})")
    found = read_configuration(nearest_file(Path.cwd()), commands)
    options = {name: {parameter.name: option for option, parameter in options_of(commands[name])} for name in names or commands}
    rows = [
        (name, option, setting.value if (setting := found.commands[name].get(parameter)) else _default(commands[name], parameter), setting)
        for name, each in options.items()
        for parameter, option in each.items()
        if names or parameter in found.commands[name]
    ]
    if json:
        data = [
            {"command": name, "option": f"--{option}", "value": value, "from": one.where if one else "sendright"} for name, option, value, one in rows
        ]
        show_json({"file": None if found.file is None else str(found.file), "defaults": data})
        return 0
    write(f"{one_line(str(found.file))}\n" if found.file else "no pyproject.toml here or above has a table [tool.sendright]\n")
    if rows:
        table = Table("command", "option", "default", "from")
        for name, option, value, setting in rows:
            shown = "" if value is None else ", ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)
            table.add_row(Text(name), Text(f"--{option}"), Text(one_line(shown)), Text(one_line(setting.where) if setting else "sendright"))
        show(table)
    return 0


def _default(command: Any, name: str) -> Any:
    value = next(parameter.default for parameter in command.params if parameter.name == name)
    return value if value is None or isinstance(value, (bool, int, float, list, tuple)) else str(getattr(value, "value", value))
