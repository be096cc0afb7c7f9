"""``sendright profiles``: where kernels differ."""

from __future__ import annotations

from typing import Annotated

import typer

from sendright.cli.bad_input import BadInput
from sendright.cli.options import Json
from sendright.cli.streams import show, show_json
from sendright.mach.profiles import PROFILES, profile_named


def profiles(
    names: Annotated[list[str] | None, typer.Argument(metavar="[A B…]", help="Only these, and what differs between them.")] = None,
    json: Json = False,
) -> int:
    """Show what differs between profiles: the known places where Mach kernels differ, as switches.

    [bold]Examples[/bold]

      sendright profiles

      sendright profiles manual osf

      sendright profiles --json | jq '.profiles[] | {name, lacks}'

      sendright profiles manual osf --json | jq '.differences'
    """
    from sendright.reports.vocabulary import differences, profiles_data, profiles_table

    chosen = [profile_named(name) for name in dict.fromkeys(names or PROFILES)]
    if len(chosen) < 2:
        raise BadInput("profiles: what differs can be said of two profiles or more")
    if json:
        show_json({"profiles": profiles_data(chosen), "differences": differences(chosen)})
    else:
        show(profiles_table(chosen))
    return 0
