"""``sendright mutants``: makes mistakes in the specification, and sees whether proofs and checks notice them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer
from rich.text import Text

from sendright.cli.bad_input import BadInput
from sendright.cli.implementations import REFERENCE, implementation_factory
from sendright.cli.options import Json, ProfileName, Quiet
from sendright.cli.plugins import command_line, profile_given
from sendright.cli.progress import ProgressBar
from sendright.cli.reporting import check_files, conclude, write_files
from sendright.cli.streams import complain, show, show_json
from sendright.cli.version import version
from sendright.mach.kernel.profiles import Profile
from sendright.mach.results.verdicts import exit_status

if TYPE_CHECKING:
    from sendright.properties.mutants.mutant import Mutant

COUNT, SEED, SECONDS = 60, 0, 60.0


def mutants(
    count: Annotated[int, typer.Option("--count", "-n", min=1, help="Number of mutants to draw: as many of each operator as there can be.")] = COUNT,
    every: Annotated[bool, typer.Option("--every", help="Decide every mutant of the selection. (There are more than 25,000.)")] = False,
    seed: Annotated[int, typer.Option("--seed", "-s", help="Seed of the sample and of random runs.")] = SEED,
    operator: Annotated[
        list[str] | None,
        typer.Option("--operator", "-o", metavar="NAME", help="Draw mutants of this operator only, or of rules, or of invariants. Can be repeated."),
    ] = None,
    within: Annotated[
        list[str] | None,
        typer.Option("--in", metavar="WHERE", help="Draw only in this file, function, rule or invariant (names, vm_write, I8). Can be repeated."),
    ] = None,
    mutant: Annotated[list[str] | None, typer.Option("--mutant", metavar="NAME", help="Decide this mutant. Can be repeated.")] = None,
    profile: ProfileName = "manual",
    jobs: Annotated[int, typer.Option("--jobs", "-j", min=1, help="Number of processes.")] = 2,
    seconds: Annotated[float, typer.Option("--seconds", min=1, help="Processor time for each judge of each mutant.")] = SECONDS,
    everything: Annotated[bool, typer.Option("--all", help="Find all that notices a mutant, not only the first thing.")] = False,
    clauses: Annotated[
        bool, typer.Option("--clauses", help="Instead, drop one clause of a state invariant after the other: which proof is lost without it?")
    ] = False,
    list_only: Annotated[bool, typer.Option("--list", help="List the mutants of the selection, and decide none.")] = False,
    survivors: Annotated[
        Path | None,
        typer.Option("--survivors", metavar="REASONS", help="JSON file of mutants that may survive, each with a reason, in place of ours."),
    ] = None,
    page: Annotated[Path | None, typer.Option("--page", metavar="FILE", help="Write the score to FILE, as Markdown.")] = None,
    json: Json = False,
    quiet: Quiet = False,
) -> int:
    """Make small mistakes in the specification, one at a time, and see whether a proof or a check notices each.

    A mutant is the specification with one mistake in a rule, an action, a sequence or an invariant: an effect
    forgotten, a guard dropped, another slot, one too many. A proof notices a mutant of a rule if something that is
    proved of the original isn't proved of it. A check notices it if a run of the reference kernel isn't as the mutant
    specifies. An invariant that says less must be missed by some proof; any other wrong invariant must be refuted. A
    mutant that nothing notices fails the command, unless the file of survivors has a reason for it.

    Mutants that change no rule in the profile are put back when they are drawn. Those that can't even be built are
    counted apart.

    [bold]Examples[/bold]

      sendright mutants
      sendright mutants --count 20 --in mach_port_insert_right
      sendright mutants --operator "guard dropped" --seed 7
      sendright mutants --mutant "names.mach_port_type/0123456789" --all
      sendright mutants --list --in I8
      sendright mutants --clauses

    [bold]Exit status[/bold]

      0    every mutant was noticed, or has a reason to survive
      1    a mutant survived without a reason
      2    the input or the command line is wrong
      4    undetermined: a mutant wasn't decided in its time, and none survived
      130  interrupted, and no mutant survived
    """
    kernel_profile = profile_given(profile)
    profile = kernel_profile.name
    if not hasattr(os, "fork"):
        raise BadInput("mutants: this system can't fork processes (use one that can, as Linux and macOS do)")
    check_files({"--page": page}, [survivors] if survivors else [])
    if clauses:
        return _clauses(kernel_profile, page, json, quiet)
    from sendright.properties.mutants.operators import OF_INVARIANTS, OPERATORS
    from sendright.properties.mutants.survivors import WrongSurvivors, read_survivors

    groups = {"rules": list(OPERATORS), "invariants": list(OF_INVARIANTS)}
    for name in operator or []:
        if name not in groups and name not in OPERATORS and name not in OF_INVARIANTS:
            known = ", ".join((*groups, *OPERATORS, *OF_INVARIANTS))
            raise BadInput(f"--operator: there is none called {name!r} (choose one of {known})")
    operators = [one for name in operator or [] for one in groups.get(name, [name])]
    try:
        reasons = read_survivors(survivors)
    except WrongSurvivors as error:
        raise BadInput(f"--survivors: {error}") from error
    with ProgressBar("reading the specification", quiet) as progress:
        progress.update(0, None)
        from sendright.properties.mutants.drawing import Sample, all_mutants, draw

        chosen = _chosen(all_mutants(), operators, within or [], mutant or [])
    if list_only:
        return _list(chosen, json)
    names = {one.id for one in all_mutants()}
    for name in reasons:
        if name not in names:
            complain(f"survivors: there is no mutant {name} any more (remove it)")
    from sendright.properties.mutants.deciding import Settings
    from sendright.properties.mutants.run import decide_mutants
    from sendright.reports.mutants import mutant_lines, mutants_page

    try:
        with ProgressBar("drawing mutants", quiet) as progress:
            sample = draw(chosen, kernel_profile, seed, None if every or mutant else count, lambda done, most: progress.update(done, most))
    except KeyboardInterrupt:
        sample = Sample((), 0)
    settings = Settings(profile, implementation_factory(REFERENCE, None), seed, seconds, everything)
    command = _command(count, every, seed, operator or [], within or [], mutant or [], profile, seconds)
    with ProgressBar("deciding mutants", quiet) as progress:
        result = decide_mutants(settings, sample, chosen, reasons, jobs, progress.update, command)
    failed: list[str] = []
    write_files({"--page": (page, lambda: mutants_page(result, version()))}, failed)
    return conclude(
        exit_status(result.verdict),
        lambda: show_json(msgspec.to_builtins(result)) if json else show(*mutant_lines(result)),
        failed,
        result.interrupted,
    )


def _clauses(profile: Profile, page: Path | None, json: bool, quiet: bool) -> int:
    """Which proofs need which clauses of state invariants."""
    from sendright.model.proof.needed import needed_clauses
    from sendright.properties.mutants.judging import try_little
    from sendright.reports.mutants import clause_lines, clauses_page

    try_little()
    with ProgressBar("dropping clauses", quiet) as progress:
        result = needed_clauses(profile, command_line(["sendright", "mutants", "--clauses", "--profile", profile.name]), progress.update)
    failed: list[str] = []
    write_files({"--page": (page, lambda: clauses_page(result, version()))}, failed)
    return conclude(
        exit_status(result.verdict),
        lambda: show_json(msgspec.to_builtins(result)) if json else show(*clause_lines(result)),
        failed,
        result.interrupted,
    )


def _chosen(every: Sequence[Mutant], operators: list[str], places: list[str], names: list[str]) -> list[Mutant]:
    """The mutants that the options select. Raises BadInput for one that selects none."""
    ids = {one.id for one in every}
    for name in names:
        if name not in ids:
            raise BadInput(f"--mutant: there is none called {name!r} (see sendright mutants --list; a change of its statement gives it a new name)")
    found = [one for one in every if (not operators or one.operator in operators) and (not names or one.id in names)]
    for place in places:
        if not any(one.is_in(place) for one in found):
            raise BadInput(f"--in: {place!r} has no such mutants: it must be a file, function, rule or invariant (see sendright mutants --list)")
    return [one for one in found if not places or any(one.is_in(place) for place in places)]


def _list(chosen: list[Mutant], json: bool) -> int:
    def say() -> None:
        if json:
            show_json([{"id": one.id, "operator": one.operator, "where": one.where, "change": one.words} for one in chosen])
        else:
            show(*[Text(f"{one.id}  {one.where}  {one.operator}: {one.words}") for one in chosen])

    return conclude(0, say)


def _command(count: int, every: bool, seed: int, operators: list[str], places: list[str], names: list[str], profile: str, seconds: float) -> str:
    """The command line that decides the same mutants."""
    words = ["sendright", "mutants", *(["--every"] if every else [] if names else ["--count", str(count)]), "--seed", str(seed)]
    for option, values in (("--operator", operators), ("--in", places), ("--mutant", names)):
        words += [word for value in values for word in (option, value)]
    return command_line([*words, "--profile", profile, *(["--seconds", f"{seconds:g}"] if seconds != SECONDS else [])])
