"""``sendright check``: makes random calls on a kernel and compares each with the specification."""

from __future__ import annotations

import shlex
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sendright.cli.bad_input import BadInput, NotThere
from sendright.cli.baselines import read_baseline
from sendright.cli.clusters import cluster, greet, pool_of
from sendright.cli.durations import seconds_of
from sendright.cli.implementations import REFERENCE, NamedKernel, implementation_factory, profile_for
from sendright.cli.options import (
    DEFAULT_REPORTS,
    BaselineFile,
    Database,
    FaultName,
    Format,
    HtmlFile,
    Jobs,
    Json,
    JunitFile,
    MaxTime,
    NoCache,
    NoDatabase,
    OnCluster,
    OutputFormat,
    ProfileOfSut,
    Quiet,
    ReportDirectory,
    SarifFile,
    Sut,
    TraceFile,
    Verbose,
)
from sendright.cli.plugins import command_line
from sendright.cli.progress import ProgressBar
from sendright.cli.reporting import Outputs, finish
from sendright.cli.specification import keep_specification
from sendright.cli.streams import complain, show, show_json

if TYPE_CHECKING:
    from sendright.mach.state.trace import Trace
    from sendright.properties.checking.own_database import OwnDatabase

EXAMPLES, STEPS, SEED = 250, 100, 0


def check(
    examples: Annotated[int, typer.Option("--examples", "-n", min=1, help="Number of random runs, each from a fresh boot.")] = EXAMPLES,
    steps: Annotated[int, typer.Option("--steps", min=1, help="Maximum number of calls in each run.")] = STEPS,
    seed: Annotated[int, typer.Option("--seed", "-s", help="Seed of the random calls: the same seed makes the same calls.")] = SEED,
    profile: ProfileOfSut = None,
    fault: FaultName = None,
    list_faults: Annotated[bool, typer.Option("--list-faults", help="List the faults that --fault accepts, and check nothing.")] = False,
    sut: Sut = REFERENCE,
    max_time: MaxTime = None,
    jobs: Jobs = 1,
    on: OnCluster = None,
    all_shortest: Annotated[
        bool, typer.Option("--all-shortest", help="Of a failing run, list all equally short runs that minimizing found.")
    ] = False,
    keep_going: Annotated[bool, typer.Option("--keep-going", help="After a failing run go on, and report one run per different failure.")] = False,
    database: Database = None,
    no_database: NoDatabase = False,
    baseline: BaselineFile = None,
    form: OutputFormat = Format.text,
    json: Json = False,
    no_cache: NoCache = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
    report_dir: ReportDirectory = DEFAULT_REPORTS,
    html: HtmlFile = None,
    junit: JunitFile = None,
    sarif: SarifFile = None,
    trace: TraceFile = None,
) -> int:
    """Make random calls on a kernel and compare each with the specification.

    After each call, sendright compares the return code, the results and the whole state with what the specification
    says. The first runs are short recorded ones that together reach every case of the specification. Random runs
    follow: several tasks make calls, with good, stale, dead, reserved and foreign names.

    At the end of a run, sendright also evaluates the invariants on the kernel's state and looks for rights without
    an origin. It minimizes a failing run until every remaining call is needed, and writes it to --report-dir as an
    HTML page and as a script for [bold]sendright replay[/bold].

    Failing runs are also kept in your own cache directory, or in --database. The next check of the same kernel tries
    them first. With --baseline the check goes on after a failing run, so that an accepted finding hides no new one.

    [bold]Examples[/bold]

      sendright check
      sendright check --profile gnumach --seed 7 --examples 1000
      sendright check --fault move-send-keeps-sender --all-shortest
      sendright check --sut mykernel:Kernel --junit results.xml
      sendright check --sut gnumach --steps 30
      sendright check -n 100000 --max-time 10m -j 4
      sendright check --baseline accepted.toml --format markdown >> "$GITHUB_STEP_SUMMARY"
      sendright check --sut "stdio:./driver" --profile gnumach
      sendright check --examples 1 --trace run.json && sendright graph run.json

    [bold]Exit status[/bold]

      0    every call did what the specification says
      1    a call did something else
      2    the input or the command line is wrong
      3    the kernel crashed or hung, or a process or the cluster that should work is lost
      4    undetermined: no call was made, or the time was up before the first random run
      130  interrupted, and no failure was found
    """
    if list_faults:
        return _list_faults(json)
    greet(on)
    factory = implementation_factory(sut, fault)
    kernel_profile = profile_for(profile, factory)
    seconds = seconds_of("--max-time", max_time)
    outputs = Outputs(
        directory=report_dir,
        html=html,
        junit=junit,
        sarif=sarif,
        trace=trace,
        json=json,
        form=form,
        baseline=read_baseline(baseline),
        verbose=verbose,
    )
    outputs.prepare([baseline] if baseline else [])
    keep_specification(not no_cache)
    from sendright.model.execution.oracle import Oracle
    from sendright.model.execution.witnesses import witnessed_calls
    from sendright.properties.check import check as run_check
    from sendright.properties.checking.earlier_failures import EarlierFailures, failing_runs
    from sendright.properties.distribution.pool import WorkersDied
    from sendright.reports.rerun import Rerun, script_text
    from sendright.reports.write import scripts

    kept, why_not = (None, "") if no_database else _database(database)
    earlier = EarlierFailures(kept, shlex.join([sut, *(["--fault", fault] if fault else [])]), kernel_profile)
    last: deque[Trace] = deque(maxlen=1)
    try:
        with ProgressBar("checking", quiet) as progress, cluster(on) as found:
            result = run_check(
                factory,
                Oracle,
                kernel_profile,
                examples=examples,
                steps=steps,
                seed=seed,
                first=witnessed_calls(kernel_profile),
                on_progress=progress.update,
                on_run=last.append if trace is not None else None,
                keep_going=keep_going or baseline is not None,
                earlier=earlier.runs,
                jobs=jobs,
                max_seconds=seconds,
                worker_factory=NamedKernel(sut, fault),
                pool=None if found is None else pool_of(found),
                all_shortest=all_shortest,
            )
    except WorkersDied as error:
        raise NotThere(str(error)) from error
    if kept is None and why_not and failing_runs(result):
        complain(f"failing runs are not kept: {why_not}")
    try:
        earlier.update(result)
    except OSError as error:
        where = "" if kept is None else f"{kept.folder}: "
        complain(f"failing runs are not kept: {where}{error.strerror or error} (make it writable, or choose another folder with --database)")
    chosen = [*(["--fault", fault] if fault else []), *(["--sut", sut] if sut != REFERENCE else [])]
    written = scripts(result)
    commands = [command_line(["sendright", "replay", str(report_dir / name), *chosen]) for name in written]
    options = ["--seed", str(seed), "--examples", str(examples), "--steps", str(steps), "--profile", kernel_profile.name, *chosen]
    again = ["sendright", "check", *options, *(["--keep-going"] if keep_going or baseline is not None else [])]
    rerun = Rerun(commands=(*commands, command_line(again)), scripts={name: script_text(script) for name, script in written.items()})
    return finish(result, outputs, rerun, result.failure or (last[0] if last else None))


def _database(folder: Path | None) -> tuple[OwnDatabase | None, str]:
    """The database of failing runs in the folder that the user named, or in their own; None, and why, if they can have
    none. Raises BadInput if the named folder can't be used."""
    from sendright.mach.own_files import Unusable
    from sendright.properties.checking.own_database import OwnDatabase

    try:
        return OwnDatabase(folder), ""
    except Unusable as error:
        if folder is not None:
            raise BadInput(f"--database: {error}") from error
        return None, str(error)


def _list_faults(json: bool) -> int:
    from rich.table import Table
    from rich.text import Text

    from sendright.impl.faults import FAULTS

    if json:
        show_json({"faults": [{"name": fault.name, "title": fault.title, "history": fault.history} for fault in FAULTS.values()]})
        return 0
    table = Table("fault", "what it does, and where it comes from")
    for fault in FAULTS.values():
        table.add_row(Text(fault.name, "bold"), Text(f"{fault.title}\n{fault.history}\n"))
    show(table)
    return 0
