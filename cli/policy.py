"""``sendright policy``: proves that the calls keep a policy, or compares runs with it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sendright.cli.bad_input import BadInput
from sendright.cli.baselines import read_baseline
from sendright.cli.implementations import REFERENCE, implementation_factory
from sendright.cli.options import DEFAULT_REPORTS, BaselineFile, HtmlFile, Json, JunitFile, ProfileOfProofOrRun, Quiet, ReportDirectory, SarifFile
from sendright.cli.plugins import command_line, profile_given
from sendright.cli.progress import ProgressBar
from sendright.cli.prove import open_own_cache
from sendright.cli.reporting import Outputs, finish
from sendright.mach.kernel.profiles import Profile, UnknownProfile, profile_named
from sendright.mach.results.policies import CheckedRun, PolicyResult
from sendright.mach.results.verdicts import Verdict, combine

if TYPE_CHECKING:
    from sendright.model.policy.policy import Policy
    from sendright.model.proof.solver.cache import Cache
    from sendright.properties.scripts.load import Script


def policy(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A policy, a TOML file (docs/policies.md).")],
    trace: Annotated[
        list[Path] | None, typer.Option("--trace", metavar="TRACE", help="Compare this recorded run with the policy. Can be repeated.")
    ] = None,
    state: Annotated[
        list[Path] | None, typer.Option("--state", metavar="STATE", help="Compare this state, a JSON file, with the policy. Can be repeated.")
    ] = None,
    script: Annotated[
        list[Path] | None,
        typer.Option("--script", metavar="SCRIPT", help="Run this script on the reference kernel and compare its runs. Can be repeated."),
    ] = None,
    call: Annotated[
        list[str] | None, typer.Option("--call", "-c", metavar="CALL", help="Prove only this call, or a rule that calls share. Can be repeated.")
    ] = None,
    profile: ProfileOfProofOrRun = None,
    jobs: Annotated[int, typer.Option("--jobs", "-j", min=1, help="Number of processes.")] = 2,
    cache: Annotated[
        Path | None,
        typer.Option("--cache", metavar="DIR", help="Cache proofs in DIR instead of your own cache directory.", show_default=False),
    ] = None,
    no_cache: Annotated[bool, typer.Option("--no-cache", help="Prove everything again, and cache nothing (as CI should).")] = False,
    baseline: BaselineFile = None,
    json: Json = False,
    quiet: Quiet = False,
    report_dir: ReportDirectory = DEFAULT_REPORTS,
    html: HtmlFile = None,
    junit: JunitFile = None,
    sarif: SarifFile = None,
) -> int:
    """Prove that the calls keep a policy: labels, and which label may have which authority over which.

    The proof covers any number of tasks, ports and messages. It starts from any state that keeps the policy. A policy
    that the calls don't keep is REFUTED, with the call that breaks it and what the policy lacks.

    With --trace, --state or --script nothing is proved. Instead the runs and states are compared with the policy, and
    the first right that it doesn't allow is shown with the calls that it came by.

    [bold]Examples[/bold]

      sendright policy clients.toml
      sendright policy clients.toml --call mach_msg_send --profile xnu-792
      sendright policy clients.toml --trace sendright-report/trace.json

    [bold]Exit status[/bold]

      0    the calls keep the policy, or the runs and states do
      1    a call, a run or a state breaks it
      2    the input or the command line is wrong
      3    the processes that worked on a case died, and nothing was refuted
      4    undetermined: a case was neither proved nor refuted, or a script ended early
      130  interrupted, and nothing was refuted
    """
    kernel_profile = profile_given(profile or "manual")
    profile = kernel_profile.name if profile else None
    from sendright.properties.policy.load import BadPolicy, load_policy
    from sendright.reports.rerun import Rerun

    outputs = Outputs(directory=report_dir, html=html, junit=junit, sarif=sarif, json=json, baseline=read_baseline(baseline))
    outputs.prepare([file, *(trace or []), *(state or []), *(script or []), *([baseline] if baseline else [])])
    try:
        read = load_policy(file)
    except BadPolicy as error:
        raise BadInput(str(error)) from error
    if trace or state or script:
        if call:
            raise BadInput("--call: selects what is proved, and --trace, --state and --script prove nothing (leave one of them out)")
        result = _compared(read, file, profile, trace or [], state or [], script or [])
    else:
        from sendright.model.proof.prove import UnknownSelection

        kept = None if no_cache else open_own_cache(cache)
        try:
            with ProgressBar("proving", quiet) as progress:
                result = _proved(read, file, kernel_profile, call, jobs, kept, progress)
        except UnknownSelection as error:
            raise BadInput(f"policy: {error}") from error

    chosen = [word for name in call or [] for word in ("--call", name)]
    compared = [
        word
        for option, paths in (("--trace", trace), ("--state", state), ("--script", script))
        for path in paths or []
        for word in (option, str(path))
    ]
    rerun = Rerun(commands=(command_line(["sendright", "policy", str(file), *(["--profile", profile] if profile else []), *chosen, *compared]),))
    return finish(result, outputs, rerun)


def _proved(
    read: Policy, file: Path, profile: Profile, calls: list[str] | None, jobs: int, kept: Cache | None, progress: ProgressBar
) -> PolicyResult:
    """Prove that the calls keep the policy, beginning with the boot state."""
    from sendright.model.proof.policy import Decided, assumed, prove_policy, solver
    from sendright.properties.policy.boot import check_boot

    start = time.perf_counter()
    boot = _with_labels(file, lambda: check_boot(read, profile))
    decided: list[Decided] = []
    interrupted = False
    try:
        for one in prove_policy(read, profile, calls, jobs, progress.update, kept):
            decided.append(one)
    except KeyboardInterrupt:
        interrupted = True
    found = [one.obligation.verdict for one in decided] + ([Verdict.REFUTED] if boot.broken else [])
    verdict = combine(found)
    return PolicyResult(
        verdict=Verdict.UNDETERMINED if interrupted and verdict is not Verdict.REFUTED else verdict,
        policy=read.title,
        file=str(file),
        profile=profile.name,
        trusted=tuple(sorted(read.trusted)),
        obligations=tuple(one.obligation for one in decided),
        broken=tuple(one.broken for one in decided if one.broken is not None),
        runs=(boot,),
        seconds=time.perf_counter() - start,
        solver=solver(),
        assumed=assumed(calls),
        interrupted=interrupted,
    )


def _compared(read: Policy, file: Path, profile: str | None, traces: list[Path], states: list[Path], scripts: list[Path]) -> PolicyResult:
    """Compare runs and states with the policy. Raises BadInput for a run of another ``profile``."""
    from sendright.cli.traces import read_state, read_trace
    from sendright.properties.policy.check import check_state, check_trace
    from sendright.properties.scripts.load import load_script

    start = time.perf_counter()
    recorded = [(path, read_trace(path)) for path in traces]
    for path, trace in recorded:
        _check_profile(path, trace.profile, profile)
    found = [(path, read_state(path)) for path in states]
    of_states = _profile_of_states(profile, {trace.profile for _, trace in recorded}) if states else ""
    loaded = [load_script(path) for path in scripts]
    runs: list[CheckedRun] = []
    for path, trace in recorded:
        runs.append(_with_labels(path, lambda trace=trace, path=path: check_trace(read, trace, str(path))))  # type: ignore[misc]
    for path, state in found:
        runs.append(_with_labels(path, lambda state=state, path=path: check_state(read, state, of_states, str(path))))  # type: ignore[misc]
    not_run: list[str] = []
    interrupted = False
    try:
        for run in _of_scripts(read, loaded, not_run):
            runs.append(run)
    except KeyboardInterrupt:
        interrupted = True
    failed = any(run.broken is not None for run in runs)
    return PolicyResult(
        verdict=Verdict.FAILED if failed else Verdict.PASSED if runs and not not_run and not interrupted else Verdict.UNDETERMINED,
        policy=read.title,
        file=str(file),
        profile=profile or ", ".join(dict.fromkeys([*(run.profile for run in runs), *_profiles_of(loaded)])),
        runs=tuple(runs),
        not_run=tuple(not_run),
        seconds=time.perf_counter() - start,
        interrupted=interrupted,
    )


def _profile_of_states(wanted: str | None, of_traces: set[str]) -> str:
    """The profile of the states beside these traces; a state doesn't say it. Raises BadInput if the traces' differ."""
    if wanted is None and len(of_traces) > 1:
        raise BadInput(f"--state: the traces are of the profiles {' and '.join(sorted(of_traces))}, and a state doesn't say its own (add --profile)")
    return wanted or next(iter(of_traces), "manual")


def _profiles_of(scripts: list[Script]) -> Iterator[str]:
    """The profiles of all cases, run or not."""
    for script in scripts:
        for case in script.cases:
            yield case.profile


def _check_profile(path: Path, of_run: str, wanted: str | None) -> None:
    """Raises BadInput if there is no profile ``of_run``, or if it isn't the ``wanted`` one."""
    try:
        profile_named(of_run)
    except UnknownProfile as error:
        raise BadInput(f"{path}: $.profile: {error}") from error
    if wanted not in (None, of_run):
        raise BadInput(f"{path}: is a run under the profile {of_run}, not {wanted} (leave out --profile, or write --profile {of_run})")


def _of_scripts(read: Policy, scripts: list[Script], not_run: list[str]) -> Iterator[CheckedRun]:
    """The runs of all cases on the reference kernel. Those that end early go to ``not_run``. Raises KeyboardInterrupt
    after Ctrl-C."""
    if not scripts:
        return
    from sendright.model.execution.oracle import Oracle
    from sendright.properties.policy.check import check_trace
    from sendright.properties.scripts.replay import replay

    for script in scripts:
        result = replay([script], implementation_factory(REFERENCE, None), Oracle)
        for case in result.cases:
            source = f"{script.path}, case {case.id}"
            if case.trace is None or not case.trace.steps or case.verdict == "not_modelled":
                not_run.append(f"{source}: {case.reason or case.verdict}")
            if case.trace is not None and case.trace.steps:
                yield _with_labels(Path(script.path), lambda trace=case.trace, source=source: check_trace(read, trace, source))  # type: ignore[misc]
        if result.interrupted:
            raise KeyboardInterrupt


def _with_labels(file: Path, compare: Callable[[], CheckedRun]) -> CheckedRun:
    """The result of ``compare``. Raises BadInput if a task or port has no label."""
    from sendright.properties.policy.check import NoLabel

    try:
        return compare()
    except NoLabel as error:
        raise BadInput(f"{file}: {error}") from error
