"""``sendright check-server``: sends random requests to the servers of scripts, and judges what they hold afterwards."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sendright.cli.bad_input import BadInput
from sendright.cli.baselines import read_baseline
from sendright.cli.implementations import REFERENCE, implementation_factory, profile_for
from sendright.cli.options import (
    DEFAULT_REPORTS,
    BaselineFile,
    FaultName,
    HtmlFile,
    Json,
    JunitFile,
    NoCache,
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
from sendright.cli.replay import failed_or_last
from sendright.cli.reporting import Outputs, finish
from sendright.cli.specification import keep_specification

EXAMPLES, ACTS, SEED = 250, 20, 0


def check_server(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Scripts with servers (docs/servers.md).")],
    server: Annotated[list[str] | None, typer.Option("--server", metavar="NAME", help="Check only this server; may be repeated.")] = None,
    examples: Annotated[int, typer.Option("--examples", "-n", min=1, help="Number of random runs of each server.")] = EXAMPLES,
    acts: Annotated[int, typer.Option("--acts", min=1, help="Maximum number of things that the client does in each run.")] = ACTS,
    seed: Annotated[int, typer.Option("--seed", "-s", help="Seed of the random requests: the same seed makes the same runs.")] = SEED,
    profile: ProfileOverride = None,
    fault: FaultName = None,
    sut: Sut = REFERENCE,
    baseline: BaselineFile = None,
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
    """Send random requests to the servers of scripts, and judge what each server holds afterwards.

    A client sends good requests, wrong ones and spoofed notifications, and lets reply ports die. After each request,
    the server must hold what it held before, and what its routine says that it keeps. Anything more is a leak. Anything
    less is a double drop: it gave up a right of its own, or of another client. A failing run is made as simple as
    possible. docs/servers.md describes how to write a server.

    [bold]Examples[/bold]

      sendright check-server docs/examples/servers/cve-2018-4280.json
      sendright check-server servers.json --server launchd --profile gnumach

    [bold]Exit status[/bold]

      0    at least one server passed; the others passed or are not modelled
      1    a server leaks or drops too much, or a call did something else than the specification says
      2    the input or the command line is wrong
      3    the kernel crashed or hung
      4    undetermined: no server could be checked
      130  interrupted, and no failure was found
    """
    from sendright.properties.scripts.load import load_script
    from sendright.reports.rerun import Rerun

    factory = implementation_factory(sut, fault)
    override = profile_for(profile, factory) if profile is not None else None
    profile = None if override is None else override.name
    found = [each for path in files for each in load_script(path, override).servers]
    names = {planned.name for planned, _ in found}
    missing = [name for name in server or () if name not in names]
    if missing or not found:
        known = f"the servers there are {', '.join(sorted(names))}" if names else "add one (see docs/servers.md)"
        raise BadInput(f"{files[0]}: " + (f"no server {missing[0]}" if missing else "the file has no servers") + f": {known}")
    accepted = read_baseline(baseline)
    outputs = Outputs(
        directory=report_dir, html=html, junit=junit, sarif=sarif, trace=trace, json=json, traces=traces, baseline=accepted, verbose=verbose
    )
    outputs.prepare([*files, *([baseline] if baseline else [])])
    keep_specification(not no_cache)
    from sendright.model.execution.oracle import Oracle
    from sendright.properties.scripts.serving import random_servers
    from sendright.properties.servers.random_requests import check_servers

    chosen = random_servers((planned, limits) for planned, limits in found if not server or planned.name in server)
    with ProgressBar("checking", quiet) as progress:
        result = check_servers(
            chosen,
            factory,
            Oracle,
            examples=examples,
            acts=acts,
            seed=seed,
            files=tuple(map(str, files)),
            on_run=lambda name: progress.count(max(examples * len(chosen), progress.done + 1), name),
        )
    options = [
        *[word for name in server or () for word in ("--server", name)],
        *(["--profile", profile] if profile else []),
        *(["--fault", fault] if fault else []),
        *(["--sut", sut] if sut != REFERENCE else []),
    ]
    again = ["sendright", "check-server", *map(str, files), "--seed", str(seed), "--examples", str(examples), "--acts", str(acts), *options]
    return finish(result, outputs, Rerun(commands=(command_line(again),)), failed_or_last(result))
