"""``sendright witnesses``: records runs which show that every case of the specification can happen."""

from __future__ import annotations

import os
from itertools import chain
from pathlib import Path
from typing import Annotated

import typer

from sendright.cli.bad_input import BadInput
from sendright.cli.implementations import REFERENCE, implementation_factory
from sendright.cli.options import Json, Quiet, Sut
from sendright.cli.progress import ProgressBar
from sendright.cli.streams import show, show_json
from sendright.mach.profiles import PROFILES, profile_named
from sendright.mach.verdicts import ExitStatus


def witnesses(
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="File for the recorded runs.")] = Path("model/witnesses.json"),
    seed: Annotated[int, typer.Option("--seed", "-s", help="Seed of the search: the same seed finds the same runs.")] = 0,
    profile: Annotated[
        list[str] | None,
        typer.Option("--profile", "-p", metavar="NAME", help="Search only in this profile; keep the file's other runs. Can be repeated."),
    ] = None,
    runs: Annotated[int, typer.Option("--runs", min=1, help="Maximum number of random runs to search, for each profile.")] = 2000,
    sut: Sut = REFERENCE,
    json: Json = False,
    quiet: Quiet = False,
) -> int:
    """Record short runs that reach every case of every rule, in every profile.

    The runs also break each invariant that is wrong on purpose. Run this after changing a rule:
    [bold]sendright prove[/bold] then finds the new cases reachable, and [bold]sendright check[/bold] tests them first.

    [bold]Examples[/bold]

      sendright witnesses --output model/witnesses.json
      sendright witnesses --profile xnu

    [bold]Exit status[/bold]

      0    the runs reach every case
      2    the command line is wrong, or the file can't be read or written
      4    undetermined: some cases were not reached
      130  interrupted
    """
    import msgspec

    from sendright.model.witnesses import recorded_in
    from sendright.properties.witness_search import find_witnesses

    factory = implementation_factory(sut, None)
    chosen = [profile_named(name) for name in dict.fromkeys(profile or PROFILES)]
    try:
        found = {name: list(recorded_in(output, name)) for name in PROFILES} if profile else {}
    except (OSError, msgspec.DecodeError) as error:
        raise BadInput(f"{output}: not a file of recorded runs, so the runs of other profiles can't be kept: {error}") from None
    if not os.access(output.parent, os.W_OK):  # reported before the search, which takes minutes
        raise _cannot_write(output, "its directory is missing or not writable")
    missed = {}
    for number, each in enumerate(chosen):
        with ProgressBar(f"searching witnesses for {each.name} ({number + 1} of {len(chosen)})", quiet) as progress:
            found[each.name], missing = find_witnesses(factory, each, seed, runs, on_progress=progress.update)
        missed[each.name] = list(missing)
    every = list(chain.from_iterable(found.values()))
    try:
        output.write_bytes(b"[\n" + b",\n".join(msgspec.json.encode(witness) for witness in every) + b"\n]\n")
    except OSError as error:
        raise _cannot_write(output, error.strerror) from error
    if json:
        show_json({"witnesses": len(every), "calls": sum(len(witness.steps) for witness in every), "missed": missed})
    else:
        show(f"{len(every)} witnesses with {sum(len(witness.steps) for witness in every)} calls written to {output}.")
        for name, cases in missed.items():
            for case in cases:
                show(f"not reached in {name}: {case}")
    return ExitStatus.UNDETERMINED if any(missed.values()) else ExitStatus.HOLDS


def _cannot_write(output: Path, why: str | None) -> BadInput:
    return BadInput(f"{output}: can't be written: {why} (choose another file with --output)")
