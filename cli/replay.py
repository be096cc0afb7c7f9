"""``sendright replay``: runs scripts of calls on a kernel and judges them by their expectations and the
specification."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sendright.cli.bad_input import NotThere
from sendright.cli.baselines import read_baseline
from sendright.cli.clusters import cluster, greet, pool_of
from sendright.cli.implementations import REFERENCE, NamedKernel, implementation_factory, profile_for
from sendright.cli.options import (
    DEFAULT_REPORTS,
    BaselineFile,
    FaultName,
    Format,
    HtmlFile,
    Jobs,
    Json,
    JunitFile,
    NoCache,
    OnCluster,
    OutputFormat,
    ProfileOverride,
    Quiet,
    ReportDirectory,
    SarifFile,
    Sut,
    TraceFile,
    Traces,
    Verbose,
)
from sendright.cli.plugins import command_line
from sendright.cli.progress import ProgressBar
from sendright.cli.reporting import Outputs, finish
from sendright.cli.specification import keep_specification
from sendright.mach.files import CantRead, read_regular

if TYPE_CHECKING:
    from sendright.mach.results.checks import ReplayResult
    from sendright.mach.state.trace import Trace


def replay(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Scripts in the form mach-cases/1 (docs/scripts.md).")],
    profile: ProfileOverride = None,
    fault: FaultName = None,
    sut: Sut = REFERENCE,
    jobs: Jobs = 1,
    on: OnCluster = None,
    baseline: BaselineFile = None,
    form: OutputFormat = Format.text,
    json: Json = False,
    traces: Traces = False,
    no_cache: NoCache = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
    report_dir: ReportDirectory = DEFAULT_REPORTS,
    html: HtmlFile = None,
    junit: JunitFile = None,
    sarif: SarifFile = None,
    trace: TraceFile = None,
) -> int:
    """Run scripts of calls on a kernel and judge each step by the script's expectations and by the specification.

    Every case starts from a fresh boot. A case ends at the first step that sendright doesn't model (an unknown call or
    argument, a number that no rule is about) or can't read. The case then counts as not modelled, never as passed.
    docs/scripts.md describes how to write a script.

    [bold]Examples[/bold]

      sendright replay cases.json
      sendright replay sendright-report/script.json --fault move-send-keeps-sender
      sendright replay cases/*.json -j 4
      sendright replay cases/*.json --json | jq '.cases[] | select(.verdict == "failed")'

    [bold]Exit status[/bold]

      0    at least one case passed; the others passed or are not modelled
      1    a case failed
      2    the input or the command line is wrong
      3    the kernel crashed or hung in a case, and no case failed; or what should work is lost
      4    undetermined: no case passed and none failed
      130  interrupted, and no failure was found
    """
    from sendright.properties.scripts.load import load_script

    greet(on)
    factory = implementation_factory(sut, fault)
    override = profile_for(profile, factory) if profile is not None else None
    profile = None if override is None else override.name
    scripts = [load_script(path, override) for path in files]
    known = read_baseline(baseline)
    outputs = Outputs(
        directory=report_dir, html=html, junit=junit, sarif=sarif, trace=trace, json=json, traces=traces, form=form, baseline=known, verbose=verbose
    )
    outputs.prepare([*files, *([baseline] if baseline else [])])
    keep_specification(not no_cache)
    from sendright.model.execution.oracle import Oracle
    from sendright.properties.distribution.pool import WorkersDied
    from sendright.properties.scripts.replay import replay as run_replay
    from sendright.reports.rerun import Rerun

    total = sum(len(script.cases) for script in scripts)
    try:
        with ProgressBar("replaying", quiet) as progress, cluster(on) as found:
            result = run_replay(
                scripts,
                factory,
                Oracle,
                override,
                on_case=lambda case: progress.count(total, case.id),
                jobs=min(jobs, max(total, 1)),
                worker_factory=NamedKernel(sut, fault),
                pool=None if found is None else pool_of(found),
            )
    except WorkersDied as error:
        raise NotThere(str(error)) from error
    chosen = [*(["--profile", profile] if profile else []), *(["--fault", fault] if fault else []), *(["--sut", sut] if sut != REFERENCE else [])]
    command = command_line(["sendright", "replay", *map(str, files), *chosen])
    texts = dict(_texts(files)) if result.failed or result.crashed else {}
    return finish(result, outputs, Rerun(commands=(command,), scripts=texts), failed_or_last(result))


def _texts(files: Sequence[Path]) -> Iterator[tuple[str, str]]:
    """The scripts, for the report, as far as they can still be read: that must not cost the verdict."""
    from sendright.properties.scripts.load import LARGEST_FILE

    for path in files:
        with contextlib.suppress(CantRead):
            yield str(path), read_regular(path, LARGEST_FILE).decode("utf-8", "backslashreplace")


def failed_or_last(result: ReplayResult) -> Trace | None:
    """The trace of the first case that failed or crashed, or of the last case if there is none. None without traces."""
    traced = [case for case in result.cases if case.trace is not None]
    wrong = [case.trace for case in traced if case.verdict in ("failed", "crashed")]
    return wrong[0] if wrong else traced[-1].trace if traced else None
