"""``sendright compare``: what two kernels do differently."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer

from sendright.cli.bad_input import BadInput
from sendright.cli.implementations import REFERENCE, implementation_factory, profile_for
from sendright.cli.options import Json, Quiet
from sendright.cli.plugins import profile_given
from sendright.cli.progress import ProgressBar
from sendright.cli.reporting import added_lines, check_files, conclude, write_files
from sendright.cli.streams import show, show_json
from sendright.mach.kernel.profiles import PROFILES, Profile
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
        str | None,
        typer.Option("--sut", metavar="WHAT", help="A kernel to compare with FIRST: reference, gnumach, stdio:PROGRAM, package.module:Class."),
    ] = None,
    call: Annotated[list[str] | None, typer.Option("--call", "-c", metavar="CALL", help="Compare only this call. Can be repeated.")] = None,
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
    kernel, it makes runs only. It shows the shortest run for each cause: a case of the judging profile that the other
    kernel doesn't follow.

    [bold]Examples[/bold]

      sendright compare osf gnumach
      sendright compare xnu-792 xnu --call mach_port_mod_refs --no-runs
      sendright compare osf manual --scripts differences.json
      sendright compare gnumach --sut "stdio:./driver"

    [bold]Exit status[/bold]

      0    they do the same: everything is proved, or there was nothing to prove and no run differed
      1    they differ
      2    the input or the command line is wrong
      3    the kernel crashed or hung, or a process that proves crashed; nothing else differs
      4    undetermined: no difference was found, and not all is proved
      130  interrupted, and no difference was found
    """
    start = time.perf_counter()
    if (second is None) == (sut is None):
        raise BadInput("compare: name either SECOND or --sut")
    if no_proofs and no_runs:
        raise BadInput("compare: nothing is left to do (leave out --no-proofs or --no-runs)")
    if sut is not None and (no_runs or call):
        raise BadInput("compare: with --sut sendright only makes runs (leave out --no-runs and --call)")
    if no_runs and scripts is not None:
        raise BadInput("--scripts: there are no runs to write (leave out --no-runs)")
    one = profile_given(first)
    check_files({"--scripts": scripts})
    _check_place(scripts)
    factory: Callable[[], Implementation]
    if sut is not None:
        factory = implementation_factory(sut, None)
        result = _with_kernel(profile_for(first, factory), factory, sut, examples, steps, seed, quiet)
    else:
        other = profile_given(second or "")
        if one.name == other.name:
            raise BadInput(f"compare: FIRST and SECOND are both {first} (name two different profiles)")
        from sendright.impl.reference import ReferenceKernel

        factory = ReferenceKernel
        result = _two_profiles(one, other, call, examples, steps, seed, no_proofs, no_runs, jobs, quiet)
    result = msgspec.structs.replace(result, seconds=time.perf_counter() - start)
    failed: list[str] = []
    cases = [] if scripts is None else _cases(result, factory)
    left_out = len(result.runs) - len(cases)
    written = write_files({"--scripts": (scripts if cases else None, lambda: _script(cases, result))}, failed)

    def say() -> None:
        if json:
            show_json(_data(result) | {"reports": [str(path) for path in written]} | ({} if scripts is None else {"runs_left_out": left_out}))
        else:
            from sendright.reports.comparison import not_written, terminal

            show(terminal(result), *added_lines(), *([] if scripts is None else not_written(str(scripts), len(cases), left_out)))

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
    from sendright.properties.compare import distinct

    both, only_first, only_second = compared_calls(one, other)
    for name in calls or ():
        if name not in both:
            raise BadInput(f"--call: {name!r} is not a call that {one.name} and {other.name} both serve (sendright calls lists them)")
    interrupted = False
    compared: list[CallComparison] = []
    found: list[Compared] = []
    try:
        if not no_proofs:
            compared, interrupted = _proved(one, other, calls or both, jobs, quiet)
        for pair in ((one, other), (other, one)) if not no_runs and not interrupted else ():
            found.append(_runs(ReferenceKernel, *pair, examples, steps, seed, quiet))
    except KeyboardInterrupt:
        interrupted = True
    interrupted = interrupted or any(each.interrupted for each in found)
    runs = distinct(run for each in found for run in each.runs if not calls or run.call in calls)
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
        not_compared=tuple(dict.fromkeys(words for each in found for words in each.not_compared)),
        interrupted=interrupted,
    )


def _with_kernel(
    profile: Profile, factory: Callable[[], Implementation], sut: str, examples: int, steps: int, seed: int, quiet: bool
) -> CompareResult:
    from sendright.properties.compare import distinct

    found = _runs(factory, None, profile, examples, steps, seed, quiet)
    runs = distinct(found.runs)
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
    crashes = [run for run in runs if run.trace.violations[0].kind in ("crash", "hang")]
    if len(crashes) < len(runs) or proofs is Verdict.REFUTED:
        return Verdict.FAILED
    if crashes or proofs is Verdict.CRASHED:
        return Verdict.CRASHED
    if interrupted or proofs is Verdict.UNDETERMINED or (proofs is None and not ran):
        return Verdict.UNDETERMINED
    return proofs or Verdict.PASSED


def _proved(one: Profile, other: Profile, calls: list[str], jobs: int, quiet: bool) -> tuple[list[CallComparison], bool]:
    """What is decided of each call: of its own rule and of all that are steps of it; and whether Ctrl-C stopped it
    before all was decided."""
    from sendright.model.proof.equal_rules import compare_rules, compared_rules, steps_of

    rules = compared_rules(one, other, calls)
    decided: dict[str, list[Obligation]] = {}
    interrupted = False
    try:
        with ProgressBar("proving", quiet) as progress:
            for found in compare_rules(one, other, rules, jobs):
                decided[found[0].call] = found
                progress.update(len(decided), len(rules), found[0].call)
    except KeyboardInterrupt:
        interrupted = True
    compared = []
    for call in calls:
        here, there = steps_of(call, one), steps_of(call, other)
        steps_of_one = tuple(rule for rule in dict.fromkeys([*here, *there]) if (rule in here) != (rule in there))
        of_both = [rule for rule in here if rule in there]
        differences = [each for rule in of_both for each in decided.get(rule, ()) if each.verdict is not Verdict.PROVED]
        verdicts = [Verdict.PROVED, *(each.verdict for each in differences), *(Verdict.REFUTED for _ in steps_of_one)]
        verdicts += [Verdict.UNDETERMINED for rule in of_both if rule not in decided]
        compared.append(CallComparison(call=call, verdict=combine(verdicts), differences=tuple(differences), steps_of_one=steps_of_one))
    return compared, interrupted


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


def _script(cases: list[dict[str, Any]], result: CompareResult) -> str:
    """``cases`` as one script. Each expects what the profile that judged the run says."""
    from sendright.reports.rerun import script_text

    numbered = [case | {"id": f"difference-{number}"} for number, case in enumerate(cases, 1)]
    source = {"generator": "sendright", "kind": "a comparison", "implementation": f"{result.first} and {result.second}"}
    return script_text({"format": "mach-cases/1", "source": source, "profile": result.first, "cases": numbered})


def _cases(result: CompareResult, factory: Callable[[], Implementation]) -> list[dict[str, Any]]:
    """The runs that can be written as cases of a script."""
    from sendright.impl.reference import ReferenceKernel
    from sendright.model.execution.oracle import Oracle
    from sendright.properties.compare import as_case

    found = [as_case(run, ReferenceKernel, factory, Oracle) for run in result.runs]
    return [case for case in found if case is not None]


def _check_place(path: Path | None) -> None:
    """Check that a file can be made there, before any run. Raises BadInput."""
    if path is None:
        return
    there = next(each for each in (path.absolute(), *path.absolute().parents) if each.exists())
    if there != path.absolute() and not there.is_dir():
        raise BadInput(f"--scripts: {path}: can't be written: {there} is not a directory (choose another place)")
    if not os.access(there, os.W_OK):
        raise BadInput(f"--scripts: {path}: can't be written: no permission (choose another place)")


def _data(result: CompareResult) -> dict[str, Any]:
    """The result for ``--json``: without the states of the runs, which ``--scripts`` makes again."""
    data: dict[str, Any] = msgspec.to_builtins(result, str_keys=True)
    for run in data["runs"]:
        del run["trace"]
    for call in data["calls"]:
        for each in call["differences"]:
            del each["example"]
    return data
