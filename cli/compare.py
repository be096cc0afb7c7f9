"""``sendright compare``: what two kernels do differently."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer

from sendright.cli.bad_input import BadInput
from sendright.cli.implementations import REFERENCE, implementation_factory, profile_for
from sendright.cli.options import Json, Quiet
from sendright.cli.progress import ProgressBar
from sendright.cli.reporting import check_files, conclude, write_files
from sendright.cli.streams import show, show_json
from sendright.mach.kernel.profiles import PROFILES, Profile, profile_named
from sendright.mach.results.checks import Obligation
from sendright.mach.results.comparisons import CallComparison, CompareResult, RunDifference
from sendright.mach.results.verdicts import Verdict, combine, exit_status

if TYPE_CHECKING:
    from sendright.mach.kernel.implementation import Implementation
    from sendright.properties.compare import Compared

EXAMPLES, STEPS, SEED = 100, 60, 0


def compare(
    first: Annotated[str, typer.Argument(metavar="FIRST", help=f"A kernel profile: {', '.join(PROFILES)}.")],
    second: Annotated[str | None, typer.Argument(metavar="[SECOND]", help="Another profile; or leave it out and name a kernel with --sut.")] = None,
    sut: Annotated[
        str | None, typer.Option("--sut", metavar="WHAT", help="A kernel to compare with FIRST: gnumach, stdio:PROGRAM, or package.module:Class.")
    ] = None,
    call: Annotated[list[str] | None, typer.Option("--call", "-c", metavar="CALL", help="Prove only this call. Can be repeated.")] = None,
    examples: Annotated[int, typer.Option("--examples", "-n", min=1, help="Number of random runs in each direction.")] = EXAMPLES,
    steps: Annotated[int, typer.Option("--steps", min=1, help="Maximum number of calls in each run.")] = STEPS,
    seed: Annotated[int, typer.Option("--seed", "-s", help="Seed of the random calls.")] = SEED,
    no_proofs: Annotated[bool, typer.Option("--no-proofs", help="Only make runs.")] = False,
    no_runs: Annotated[bool, typer.Option("--no-runs", help="Only prove.")] = False,
    jobs: Annotated[int, typer.Option("--jobs", "-j", min=1, help="Number of processes that prove.")] = 2,
    scripts: Annotated[
        Path | None, typer.Option("--scripts", metavar="FILE", help="Write the shortest runs to FILE, as a script for sendright replay.")
    ] = None,
    json: Json = False,
    quiet: Quiet = False,
) -> int:
    """Show what two kernels do differently: two profiles, or a profile and a kernel.

    Of two profiles, sendright proves for each call that they do the same in all states, or finds a state in which they
    don't. It also runs the reference kernel as each of them and lets the other profile judge it. Of a profile and a
    kernel, it makes runs only. There is one shortest run for each cause of a difference: each case of the profile that
    judges the run.

    [bold]Examples[/bold]

      sendright compare osf gnumach
      sendright compare xnu-792 xnu --call mach_port_mod_refs --no-runs
      sendright compare osf manual --scripts differences.json
      sendright compare gnumach --sut "stdio:./driver"

    [bold]Exit status[/bold]

      0    they do the same: everything is proved, or there was nothing to prove and no run differed
      1    they differ
      2    the input or the command line is wrong
      4    undetermined: no difference was found, and not all is proved
      130  interrupted, and no difference was found
    """
    start = time.perf_counter()
    if (second is None) == (sut is None):
        raise BadInput("compare: compares FIRST with SECOND or with --sut (name one of the two)")
    if no_proofs and no_runs:
        raise BadInput("compare: nothing is left to do (leave out --no-proofs or --no-runs)")
    if sut is not None and (no_runs or call):
        raise BadInput("compare: of a kernel nothing is proved (leave out --no-runs and --call)")
    one = profile_named(first)
    check_files({"--scripts": scripts})
    if sut is not None:
        factory = implementation_factory(sut, None)
        result = _with_kernel(profile_for(first, factory), factory, sut, examples, steps, seed, quiet)
    else:
        other = profile_named(second or "")
        if one.name == other.name:
            raise BadInput(f"compare: {first} is the same as {first} (name two profiles)")
        result = _two_profiles(one, other, call, examples, steps, seed, no_proofs, no_runs, jobs, quiet)
    result = msgspec.structs.replace(result, seconds=time.perf_counter() - start)
    failed: list[str] = []
    written = write_files({"--scripts": (scripts, lambda: _script(result))}, failed)

    def say() -> None:
        if json:
            show_json(_data(result) | {"reports": [str(path) for path in written]})
        else:
            from sendright.reports.comparison import terminal

            show(terminal(result))

    return conclude(exit_status(result.verdict), say, failed, result.interrupted)


def _two_profiles(
    one: Profile,
    other: Profile,
    calls: list[str] | None,
    examples: int,
    steps: int,
    seed: int,
    no_proofs: bool,
    no_runs: bool,
    jobs: int,
    quiet: bool,
) -> CompareResult:
    from sendright.impl.reference import ReferenceKernel
    from sendright.model.proof.equal_rules import compared_calls

    both, only_first, only_second = compared_calls(one, other)
    for name in calls or ():
        if name not in both:
            raise BadInput(f"--call: {name!r} is not a call that {one.name} and {other.name} both serve (sendright calls lists them)")
    interrupted = False
    compared: list[CallComparison] = []
    found: list[Compared] = []
    try:
        if not no_proofs:
            compared = _proved(one, other, calls or both, jobs, quiet)
        if not no_runs:
            found += [_runs(ReferenceKernel, *pair, examples, steps, seed, quiet) for pair in ((one, other), (other, one))]
    except KeyboardInterrupt:
        interrupted = True
    interrupted = interrupted or any(each.interrupted for each in found)
    runs = _distinct([run for each in found for run in each.runs])
    return CompareResult(
        verdict=_verdict(compared, runs, interrupted, bool(found)),
        first=one.name,
        second=other.name,
        only_first=tuple(only_first),
        only_second=tuple(only_second),
        calls=tuple(compared),
        runs=runs,
        examples=sum(each.examples for each in found),
        judged=sum(each.judged for each in found),
        interrupted=interrupted,
    )


def _with_kernel(
    profile: Profile, factory: Callable[[], Implementation], sut: str, examples: int, steps: int, seed: int, quiet: bool
) -> CompareResult:
    found = _runs(factory, None, profile, examples, steps, seed, quiet)
    runs = _distinct(found.runs)
    return CompareResult(
        verdict=_verdict([], runs, found.interrupted, found.judged > 0),
        first=profile.name,
        second=factory().name if sut != REFERENCE else "the reference kernel",
        runs=runs,
        examples=found.examples,
        judged=found.judged,
        not_compared=found.not_compared,
        interrupted=found.interrupted,
    )


def _verdict(calls: list[CallComparison], runs: tuple[RunDifference, ...], interrupted: bool, ran: bool) -> Verdict:
    proofs = combine(one.verdict for one in calls) if calls else None
    if runs or proofs is Verdict.REFUTED:
        return Verdict.FAILED
    if proofs is Verdict.CRASHED:
        return Verdict.CRASHED
    if interrupted or proofs is Verdict.UNDETERMINED or (proofs is None and not ran):
        return Verdict.UNDETERMINED
    return proofs or Verdict.PASSED


def _proved(one: Profile, other: Profile, calls: list[str], jobs: int, quiet: bool) -> list[CallComparison]:
    """What is decided of each call: of its own rule and of all that are steps of it."""
    from sendright.model.language.sequences import rules_of
    from sendright.model.proof.equal_rules import compare_rules, compared_rules

    rules = compared_rules(one, other, calls)
    decided: dict[str, list[Obligation]] = {}
    with ProgressBar("proving", quiet) as progress:
        for found in compare_rules(one, other, rules, jobs):
            decided[found[0].call] = found
            progress.update(len(decided), len(rules), found[0].call)
    compared = []
    for call in calls:
        here, there = rules_of(call, one), rules_of(call, other)
        steps_of_one = tuple(rule for rule in dict.fromkeys([*here, *there]) if (rule in here) != (rule in there))
        differences = [each for rule in here if rule in there for each in decided[rule] if each.verdict is not Verdict.PROVED]
        verdicts = [Verdict.PROVED, *(each.verdict for each in differences), *(Verdict.REFUTED for _ in steps_of_one)]
        compared.append(CallComparison(call=call, verdict=combine(verdicts), differences=tuple(differences), steps_of_one=steps_of_one))
    return compared


def _runs(
    factory: Callable[[], Implementation], behaves_as: Profile | None, judged_as: Profile, examples: int, steps: int, seed: int, quiet: bool
) -> Compared:
    from sendright.model.execution.oracle import Oracle
    from sendright.model.execution.witnesses import witnessed_calls
    from sendright.properties.compare import compare_runs

    known = [*witnessed_calls(judged_as), *(witnessed_calls(behaves_as) if behaves_as is not None else ())]
    with ProgressBar("making runs", quiet) as progress:
        return compare_runs(
            factory, behaves_as, judged_as, Oracle, first=known, examples=examples, steps=steps, seed=seed, on_progress=progress.update
        )


def _distinct(runs: list[RunDifference] | tuple[RunDifference, ...]) -> tuple[RunDifference, ...]:
    """The shortest run of each cause."""
    found: dict[tuple[str, str, str, str], RunDifference] = {}
    for run in sorted(runs, key=lambda one: (len(one.trace.steps), one.call, one.clause)):
        found.setdefault((run.judged_as, run.call, run.clause, run.words), run)
    return tuple(found.values())


def _script(result: CompareResult) -> str:
    """All runs as the cases of one script. Each expects what the profile that judged the run says."""
    from sendright.reports.rerun import script_text

    cases: list[dict[str, Any]] = []
    for run in result.runs:
        for case in (run.script or {"cases": []})["cases"]:
            title = f"{run.call}: {run.behaves_as} does not do as {run.judged_as} says"
            cases.append(case | {"id": f"difference-{len(cases) + 1}", "title": title, "profile": run.judged_as})
    source = {"generator": "sendright", "kind": "a comparison", "implementation": f"{result.first} and {result.second}"}
    return script_text({"format": "mach-cases/1", "source": source, "profile": result.first, "cases": cases})


def _data(result: CompareResult) -> dict[str, Any]:
    """The result for ``--json``: without the states of the runs, which ``--scripts`` makes again."""
    data: dict[str, Any] = msgspec.to_builtins(result, str_keys=True)
    for run in data["runs"]:
        del run["trace"]
    for call in data["calls"]:
        for each in call["differences"]:
            del each["example"]
    return data
