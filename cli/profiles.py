"""``sendright profiles``: where kernels differ."""

from __future__ import annotations

from sendright.cli.options import Json
from sendright.cli.streams import show, show_json


def profiles(json: Json = False) -> int:
    """Show the profiles: the known places where Mach kernels differ, as switches.

    [bold]Examples[/bold]

      sendright profiles

      sendright profiles --json | jq '.profiles[] | {name, lacks}'
    """
    from sendright.reports.vocabulary import profiles_data, profiles_table

    if json:
        show_json({"profiles": profiles_data()})
    else:
        show(profiles_table())
    return 0
