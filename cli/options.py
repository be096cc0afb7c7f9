"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sendright.mach.profiles import PROFILES

_PROFILES = ", ".join(PROFILES)

ProfileName = Annotated[str, typer.Option("--profile", "-p", metavar="NAME", help=f"Which kernel's answers are right: {_PROFILES}.")]
ProfileOfSut = Annotated[
    str | None,
    typer.Option("--profile", "-p", metavar="NAME", help=f"Which kernel's answers are right: {_PROFILES}. Usual: manual, or what is checked itself."),
]
ProfileOverride = Annotated[
    str | None, typer.Option("--profile", "-p", metavar="NAME", help=f"Instead of the profile that each script names: {_PROFILES}.")
]
FaultName = Annotated[
    str | None, typer.Option("--fault", metavar="NAME", help="Seed this fault in the reference kernel; see --list-faults of check.")
]
Sut = Annotated[
    str,
    typer.Option(
        "--sut",
        metavar="WHAT",
        help="What to check: 'reference', 'gnumach' (a live one), 'stdio:PROGRAM', or package.module:Class of your own kernel.",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on standard output and nothing else there.")]
Traces = Annotated[bool, typer.Option("--traces", help="With --json: include whole traces.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress on standard error.")]
ReportDirectory = Annotated[
    Path, typer.Option("--report-dir", metavar="DIR", help="Where a run that does not hold writes its page, JUnit, SARIF, script and trace.")
]
HtmlFile = Annotated[Path | None, typer.Option("--html", metavar="FILE", help="Write the page here, whatever the verdict.")]
JunitFile = Annotated[Path | None, typer.Option("--junit", metavar="FILE", help="Write JUnit XML here, whatever the verdict.")]
SarifFile = Annotated[Path | None, typer.Option("--sarif", metavar="FILE", help="Write SARIF here, whatever the verdict.")]
TraceFile = Annotated[
    Path | None,
    typer.Option("--trace", metavar="FILE", help="Write the failing run, or else the last one, here for [bold]graph[/bold], whatever the verdict."),
]

DEFAULT_REPORTS = Path("sendright-report")
