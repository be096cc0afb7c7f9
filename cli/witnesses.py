"""``sendright witnesses``: record the runs that show that no case of the specification is vacuous."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sendright.cli.implementations import REFERENCE, implementation_factory
from sendright.cli.options import Json, Quiet, Sut
from sendright.cli.progress import Shown
from sendright.cli.streams import show, show_json
from sendright.mach.profiles import PROFILES
from sendright.mach.verdicts import ExitStatus


def witnesses(
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="Where to write the runs.")] = Path("model/witnesses.json"),
    seed: Annotated[int, typer.Option("--seed", "-s", help="The same seed makes the same runs.")] = 0,
    runs: Annotated[int, typer.Option("--runs", min=1, help="Random runs to look through, for each profile, at most.")] = 2000,
    sut: Sut = REFERENCE,
    json: Json = False,
    quiet: Quiet = False,
) -> int:
    """Record short runs that reach every case of every rule, and break every twin, in all profiles.

    For those who change a rule: [bold]sendright prove[/bold] then finds its cases reachable again.

    [bold]Example[/bold]

      sendright witnesses --output model/witnesses.json
    """
    import msgspec

    from sendright.properties.witness_search import find_witnesses

    factory = implementation_factory(sut, None)
    found, missed = [], {}
    for number, profile in enumerate(PROFILES.values()):
        with Shown(f"looking for witnesses of {profile.name} ({number + 1} of {len(PROFILES)})", quiet) as shown:
            recorded, missing = find_witnesses(factory, profile, seed, runs, on_progress=shown.update)
        found += recorded
        missed[profile.name] = list(missing)
    output.write_bytes(b"[\n" + b",\n".join(msgspec.json.encode(witness) for witness in found) + b"\n]\n")
    if json:
        show_json({"witnesses": len(found), "calls": sum(len(witness.steps) for witness in found), "missed": missed})
    else:
        show(f"{len(found)} witnesses with {sum(len(witness.steps) for witness in found)} calls are in {output}.")
        for name, cases in missed.items():
            for case in cases:
                show(f"not reached in {name}: {case}")
    return ExitStatus.UNDETERMINED if any(missed.values()) else ExitStatus.HOLDS
