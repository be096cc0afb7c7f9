"""``sendright calls``: lists the calls of the signature table."""

from __future__ import annotations

from typing import Annotated

import typer

from sendright.cli.bad_input import BadInput
from sendright.cli.options import Json
from sendright.cli.streams import show, show_json
from sendright.mach.kernel.profiles import PROFILES
from sendright.mach.signatures import SIGNATURES
from sendright.mach.suggestions import unknown_call


def calls(
    name: Annotated[str | None, typer.Argument(metavar="[CALL]", help="Describe only this call, in full. Default: list all calls.")] = None,
    script_schema: Annotated[
        bool, typer.Option("--script-schema", help="Print the JSON Schema of the scripts that sendright replay reads, and exit.")
    ] = False,
    json: Json = False,
) -> int:
    """List the Mach calls that sendright models, with their arguments and results.

    For one call, also list its errors, in the order in which they are tested.

    [bold]Examples[/bold]

      sendright calls
      sendright calls host_security_create_task_token
      sendright calls --json | jq '.calls[].name'

    [bold]Exit status[/bold]

      0  printed
      2  the command line is wrong
    """
    if script_schema:
        from sendright.properties.scripts.schema import script_schema as schema

        show_json(schema())
        return 0
    from sendright.reports.vocabulary import call_view, calls_data, calls_table, errors_data

    if name is None:
        show_json({"calls": calls_data(tuple(SIGNATURES.values()))}) if json else show(calls_table())
        return 0
    call = SIGNATURES[known_call("calls", name)]
    errors = _errors(call.name)
    if json:
        [data] = calls_data((call,))
        show_json({"calls": [data if errors is None else data | {"errors": errors_data(errors)}]})
    else:
        show(call_view(call, errors))
    return 0


def _errors(call: str) -> dict[str, tuple[tuple[str, str], ...]] | None:
    """The errors of ``call`` by profile, from the specification; None if it has no rule for the call yet."""
    from sendright.model.tracing.clauses import errors_of, has_rules  # the specification takes seconds to import

    if not has_rules(call):
        return None
    return {profile.name: errors_of(call, profile) for profile in PROFILES.values() if profile.serves(call)}


def known_call(command: str, name: str) -> str:
    """``name``, if there is such a call. Raises BadInput, with a message that begins with ``command``."""
    if name not in SIGNATURES:
        raise BadInput(f"{command}: {unknown_call(name)}")
    return name
