"""``sendright witnesses``: record the runs that show that no case of the specification is vacuous."""

from __future__ import annotations

import os
from itertools import chain
from pathlib import Path
from typing import Annotated

import typer

from sendright.cli.bad_input import BadInput
from sendright.cli.implementations import REFERENCE, implementation_factory
from sendright.cli.options import Json, Quiet, Sut
from sendright.cli.outcome import check_files, conclude
from sendright.cli.progress import Shown
from sendright.cli.streams import show, show_json
from sendright.mach.profiles import PROFILES, profile_named
from sendright.mach.verdicts import ExitStatus


def witnesses(
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="Where to write the runs.")] = Path("model/witnesses.json"),
    seed: Annotated[int, typer.Option("--seed", "-s", help="The same seed makes the same runs.")] = 0,
    profile: Annotated[
        list[str] | None, typer.Option("--profile", "-p", metavar="NAME", help="Only in this profile; what the file has of others stays.")
    ] = None,
    runs: Annotated[int, typer.Option("--runs", min=1, help="Random runs to look through, for each profile, at most.")] = 2000,
    sut: Sut = REFERENCE,
    json: Json = False,
    quiet: Quiet = False,
) -> int:
    """Record short runs that reach every case of every rule, and break every twin, in all profiles.

    For those who change a rule: [bold]sendright prove[/bold] then finds its cases reachable again.

    [bold]Example[/bold]

      sendright witnesses --output model/witnesses.json

      sendright witnesses --profile xnu
    """
    import msgspec

    from sendright.model.witnesses import recorded_in
    from sendright.properties.witness_search import find_witnesses
    from sendright.reports.write import replacing

    factory = implementation_factory(sut, None)
    chosen = [profile_named(name) for name in dict.fromkeys(profile or PROFILES)]
    try:
        found = {name: list(recorded_in(output, name)) for name in PROFILES} if profile else {}
    except (OSError, msgspec.DecodeError) as error:
        raise BadInput(f"{output}: not a file of recorded runs, so what it has of other profiles can't stay: {error}") from None
    check_files({"--output": output})
    if not os.access(output.parent, os.W_OK):  # told before the search, which takes minutes
        raise _cannot_write(output, "no directory that can be written to")
    missed = {}
    for number, each in enumerate(chosen):
        with Shown(f"looking for witnesses of {each.name} ({number + 1} of {len(chosen)})", quiet) as shown:
            found[each.name], missing = find_witnesses(factory, each, seed, runs, on_progress=shown.update)
        missed[each.name] = list(missing)
    every = list(chain.from_iterable(found.values()))
    try:
        with replacing(output) as file:
            file.write(b"[\n" + b",\n".join(msgspec.json.encode(witness) for witness in every) + b"\n]\n")
    except OSError as error:
        raise _cannot_write(output, error.strerror) from error

    def say() -> None:
        if json:
            show_json({"witnesses": len(every), "calls": sum(len(witness.steps) for witness in every), "missed": missed})
        else:
            show(f"{len(every)} witnesses with {sum(len(witness.steps) for witness in every)} calls are in {output}.")
            for name, cases in missed.items():
                for case in cases:
                    show(f"not reached in {name}: {case}")

    return conclude(ExitStatus.UNDETERMINED if any(missed.values()) else ExitStatus.HOLDS, say)


def _cannot_write(output: Path, why: str | None) -> BadInput:
    return BadInput(f"{output}: can't be written: {why} (choose another file with --output)")
