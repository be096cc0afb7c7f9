"""Options that several commands share."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from sendright.mach.kernel.profiles import PROFILES


class Format(StrEnum):
    """The form of the result on standard output."""

    text = "text"
    json = "json"
    markdown = "markdown"


def form_unless_json_is_typed(context: typer.Context, form: str) -> str:
    """The form that ``--format`` names; text, if the form is pyproject.toml's and the user has typed ``--json``."""
    return Format.text if form in Format.__members__ and _overridden(context, "form", "json") else form


def _json_unless_form_is_typed(context: typer.Context, json: bool) -> bool:
    return json and not (_overridden(context, "json", "form") and context.params["form"] in Format.__members__)


def _overridden(context: typer.Context, option: str, by: str) -> bool:
    """Whether the value of ``option`` is pyproject.toml's, and the user has typed the option ``by``. (The command line
    reads first what is typed.)"""
    sources = [getattr(context.get_parameter_source(name), "name", "") for name in (option, by)]
    return sources == ["DEFAULT_MAP", "COMMANDLINE"]


_PROFILES = f"{', '.join(PROFILES)}, one of a plugin, or a file of switches, my.toml"

ProfileName = Annotated[str, typer.Option("--profile", "-p", metavar="NAME", help=f"Kernel profile: {_PROFILES}.")]
ProfileOfProofOrRun = Annotated[
    str | None,
    typer.Option("--profile", "-p", metavar="NAME", help=f"Kernel profile: {_PROFILES}. Default: that of the recorded run, or manual."),
]
ProfileOfSut = Annotated[
    str | None,
    typer.Option("--profile", "-p", metavar="NAME", help=f"Kernel profile to check against: {_PROFILES}. Default: the kernel's own, or manual."),
]
ProfileOverride = Annotated[
    str | None,
    typer.Option("--profile", "-p", metavar="NAME", help=f"Kernel profile to check against, instead of the one that each script names: {_PROFILES}."),
]
FaultName = Annotated[
    str | None, typer.Option("--fault", metavar="NAME", help="Seed this fault in the reference kernel (sendright check --list-faults lists them).")
]
Sut = Annotated[
    str,
    typer.Option(
        "--sut",
        metavar="WHAT",
        help="Kernel to run: reference, gnumach (a live one under QEMU), stdio:PROGRAM, a plugin's, or package.module:Class for your own.",
    ),
]
Json = Annotated[
    bool,
    typer.Option(
        "--json", callback=_json_unless_form_is_typed, help="Print the result as one JSON value on standard output, and nothing else there."
    ),
]
Traces = Annotated[bool, typer.Option("--traces", help="With --json: include the full trace of each case.")]
NoCache = Annotated[bool, typer.Option("--no-cache", help="Compile the specification again, and cache nothing (as CI should).")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Don't show progress on standard error.")]
Verbose = Annotated[
    bool, typer.Option("--verbose", "-v", help="Print the tables and lists too, not only the verdict, what was found, and how much was left out.")
]
ReportDirectory = Annotated[
    Path, typer.Option("--report-dir", metavar="DIR", help="Directory for the reports of a failing run: HTML page, JUnit, SARIF, script and trace.")
]
HtmlFile = Annotated[Path | None, typer.Option("--html", metavar="FILE", help="Write an HTML report to FILE, even if everything passes.")]
JunitFile = Annotated[Path | None, typer.Option("--junit", metavar="FILE", help="Write a JUnit XML report to FILE, even if everything passes.")]
SarifFile = Annotated[Path | None, typer.Option("--sarif", metavar="FILE", help="Write a SARIF report to FILE, even if everything passes.")]
TraceFile = Annotated[
    Path | None,
    typer.Option("--trace", metavar="FILE", help="Write the trace of the failing run (or, if all pass, the last one) to FILE, for sendright graph."),
]

Jobs = Annotated[int, typer.Option("--jobs", "-j", min=1, max=1024, metavar="N", help="Number of processes. The result is the same with any number.")]
OnCluster = Annotated[
    str | None,
    typer.Option("--on", metavar="ADDRESS", help="Use the Dask cluster at tcp://…, whose workers need the same sendright and this directory."),
]
MaxTime = Annotated[
    str | None,
    typer.Option("--max-time", metavar="TIME", help="Begin no call after this time: 90 (seconds), 5m or 1h. With a large -n: as many runs as fit."),
]
Database = Annotated[
    Path | None,
    typer.Option("--database", metavar="DIR", help="Keep failing runs in DIR, instead of in your own cache directory.", show_default=False),
]
NoDatabase = Annotated[bool, typer.Option("--no-database", help="Don't try earlier failing runs first, and keep none.")]


OutputFormat = Annotated[
    Format,
    typer.Option(
        "--format",
        callback=form_unless_json_is_typed,
        help="Form of the result on standard output. markdown: a short summary for a pull request; json: as --json.",
    ),
]
BaselineFile = Annotated[
    Path | None,
    typer.Option("--baseline", metavar="BASELINE", help="Findings that are accepted (docs/ci.md): only others, and expired ones, are failures."),
]

DEFAULT_REPORTS = Path("sendright-report")
