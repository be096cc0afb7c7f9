"""``sendright witnesses``: records runs which show that every case of the specification can happen."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from sendright.cli.bad_input import BadInput
from sendright.cli.implementations import REFERENCE, implementation_factory
from sendright.cli.options import Json, Quiet, Sut
from sendright.cli.plugins import profile_given
from sendright.cli.progress import ProgressBar
from sendright.cli.reporting import check_files, conclude
from sendright.cli.streams import show, show_json
from sendright.mach.extensions import extensions
from sendright.mach.interrupt import interrupted_status
from sendright.mach.kernel.profiles import PROFILES, profile_named
from sendright.mach.results.verdicts import ExitStatus

if TYPE_CHECKING:
    from sendright.model.execution.witnesses import Witness
    from sendright.properties.coverage.witness_search import Found


OWN_RUNS = Path("model/execution/witnesses.json")
"""Where the runs that come with sendright are."""


def witnesses(
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="File of the recorded runs.")] = OWN_RUNS,
    search_all: Annotated[bool, typer.Option("--all", help="Keep no recorded run: search for every case again.")] = False,
    seed: Annotated[int, typer.Option("--seed", "-s", help="Seed of the search: the same seed finds the same runs.")] = 0,
    profile: Annotated[
        list[str] | None,
        typer.Option("--profile", "-p", metavar="NAME", help="Search only in this profile; keep the file's other runs. Can be repeated."),
    ] = None,
    runs: Annotated[int, typer.Option("--runs", min=1, help="Maximum number of random runs to search, for each profile.")] = 2000,
    jobs: Annotated[int, typer.Option("--jobs", "-j", min=1, help="Number of processes; each searches one profile.")] = 2,
    sut: Sut = REFERENCE,
    json: Json = False,
    quiet: Quiet = False,
) -> int:
    """Record short runs that reach every case of every rule, in every profile.

    The runs also break each invariant that is wrong on purpose. Run this after changing a rule: [bold]sendright
    prove[/bold] then finds the new cases reachable, and [bold]sendright check[/bold] tests them first. Recorded runs
    that still reach their cases are kept, so only new and changed cases are searched for. The file is written only if
    no case is missing.

    [bold]Examples[/bold]

      sendright witnesses --output model/execution/witnesses.json
      sendright witnesses --profile xnu

    [bold]Exit status[/bold]

      0    the runs reach every case
      2    the command line is wrong, or the file can't be read or written
      4    undetermined: some cases were not reached
      130  interrupted
    """
    chosen = [profile_given(name).name for name in dict.fromkeys(profile or PROFILES)]
    if extensions() and output == OWN_RUNS:
        raise BadInput("--output: with plugins, name a file for their runs (it has no runs that come with sendright)")
    check_files({"--output": output})
    recorded = (*(_own() if extensions() and not search_all else ()), *_recorded(output))
    if not os.access(output.parent, os.W_OK):  # said before the search, which may take minutes
        raise _cannot_write(output, "no directory that can be written to")
    search = partial(_search, sut, () if search_all else recorded, seed, runs)
    found: dict[str, Found] = {}
    try:
        with ProgressBar("searching witnesses", quiet) as progress:
            for name, result in _searches(search, chosen, jobs if sut == REFERENCE else 1, progress):
                found[name] = result
                if result.interrupted:
                    break
                progress.count(len(chosen), name)
    except KeyboardInterrupt:
        pass  # it shows in what was not searched
    return _finish(output, recorded, chosen, found, json)


def _recorded(output: Path) -> tuple[Witness, ...]:
    """What the file has. Raises BadInput."""
    import msgspec

    from sendright.model.execution.witnesses import recorded_in

    try:
        return recorded_in(output)
    except (OSError, msgspec.DecodeError) as error:
        raise BadInput(f"{output}: not a file of recorded runs: {error} (choose another file with --output)") from None


def _own() -> tuple[Witness, ...]:
    """The runs that come with sendright."""
    from sendright.model.execution.witnesses import all_witnesses

    return all_witnesses()


def _search(sut: str, recorded: Sequence[Witness], seed: int, runs: int, name: str, on_progress: Callable[[int, int], None] | None = None) -> Found:
    """The witnesses of the profile ``name``. What worker processes run. Raises BadInput if the kernel answers
    wrongly."""
    from sendright.properties.coverage.witness_search import find_witnesses
    from sendright.properties.runs.judged_run import Violated

    try:
        return find_witnesses(implementation_factory(sut, None), profile_named(name), recorded, seed, runs, on_progress=on_progress)
    except Violated as error:
        raise BadInput(f"witnesses: {name}: the kernel doesn't do what the specification says: {error} (find out with sendright check)") from None


def _searches(search: Callable[..., Found], chosen: Sequence[str], jobs: int, progress: ProgressBar) -> Iterator[tuple[str, Found]]:
    """The witnesses of each profile, in the order in which they are found."""
    from sendright.model.proof.processes.workers import Lost, in_workers

    if min(jobs, len(chosen)) == 1:
        for name in chosen:
            yield name, search(name, on_progress=lambda done, every, name=name: progress.update(done, every, f"cases of {name}"))
        return
    for name, result in in_workers(search, chosen, jobs):
        if isinstance(result, Lost):
            raise RuntimeError(f"the processes that searched {name} died, the last one with {result.words}")
        yield name, result


def _finish(output: Path, recorded: Sequence[Witness], chosen: Sequence[str], found: dict[str, Found], json: bool) -> int:
    """Write the file if every case of the ``chosen`` profiles has a witness, say what was found, and give the exit
    status."""
    import msgspec

    from sendright.reports.write import write_text

    unfinished = [name for name in chosen if name not in found or found[name].interrupted]
    missed = {name: list(result.missing) for name, result in found.items()}
    whole = not unfinished and not any(missed.values())
    every = [witness for name in PROFILES for witness in (_of(found[name]) if name in found else _of_profile(recorded, name))]
    if extensions():
        own = set(map(msgspec.json.encode, _own()))
        every = [witness for witness in every if msgspec.json.encode(witness) not in own]
    if whole:
        try:
            write_text(output, (b"[\n" + b",\n".join(map(msgspec.json.encode, every)) + b"\n]\n").decode())
        except OSError as error:
            raise _cannot_write(output, error.strerror) from error
    kept, new = sum(len(result.kept) for result in found.values()), sum(len(result.new) for result in found.values())
    dropped = sum(len(_of_profile(recorded, name)) for name in found) - kept
    calls = sum(len(witness.steps) for witness in every)

    def say() -> None:
        if json:
            counts = {"witnesses": len(every), "calls": calls, "kept": kept, "new": new, "dropped": dropped}
            show_json({"written": whole, **counts, "missed": missed, "unfinished": unfinished})
        else:
            lines = [f"not reached in {name}: {case}" for name, cases in missed.items() for case in cases]
            if unfinished:
                lines.append(f"not searched to the end: {', '.join(unfinished)}")
            if whole:
                lines.append(f"{len(every)} witnesses with {calls} calls are in {output}: {kept} kept, {new} new, {dropped} dropped.")
            else:
                advice = "run it again" if unfinished else "try another --seed or more --runs, or write a run in properties/generation/scenarios.py"
                lines.append(f"{output} is unchanged ({advice}).")
            show(*map(Text, lines))

    if unfinished:
        return conclude(interrupted_status(), say)
    return conclude(ExitStatus.HOLDS if whole else ExitStatus.UNDETERMINED, say)


def _of(found: Found) -> tuple[Witness, ...]:
    return (*found.kept, *found.new)


def _of_profile(recorded: Sequence[Witness], name: str) -> list[Witness]:
    return [witness for witness in recorded if witness.profile == name]


def _cannot_write(output: Path, why: str | None) -> BadInput:
    return BadInput(f"{output}: can't be written: {why} (choose another file with --output)")
