"""``sendright profiles``: shows where kernels differ."""

from __future__ import annotations

from typing import Annotated

import typer

from sendright.cli.bad_input import BadInput
from sendright.cli.options import Json
from sendright.cli.plugins import profile_given
from sendright.cli.streams import show, show_json
from sendright.mach.kernel.profiles import PROFILES


def profiles(
    names: Annotated[list[str] | None, typer.Argument(metavar="[A B…]", help="Compare only these profiles. Default: all.")] = None,
    json: Json = False,
) -> int:
    """Show how kernel profiles differ.

    A profile describes one Mach kernel. It is a set of switches, one for each place where Mach kernels are known to
    differ. docs/profiles.md explains what each switch changes, call by call.

    [bold]Examples[/bold]

      sendright profiles
      sendright profiles manual osf
      sendright profiles --json | jq '.profiles[] | {name, lacks}'
      sendright profiles manual osf --json | jq '.differences'

    [bold]Exit status[/bold]

      0  printed
      2  the command line is wrong
    """
    from sendright.reports.vocabulary import differences, profiles_data, profiles_table

    chosen = [profile_given(name) for name in dict.fromkeys(names or PROFILES)]
    if len(chosen) < 2:
        raise BadInput("profiles: compares two profiles or more (name another one, or none for all)")
    if json:
        show_json({"profiles": profiles_data(chosen), "differences": differences(chosen)})
    else:
        show(profiles_table(chosen))
    return 0
