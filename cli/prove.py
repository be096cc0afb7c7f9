"""``sendright prove``: invariants and theorems of the specification."""

from __future__ import annotations

import shlex
from typing import Annotated

import typer

from sendright.cli.bad_input import BadInput
from sendright.cli.options import DEFAULT_REPORTS, HtmlFile, Json, JunitFile, ProfileName, Quiet, ReportDirectory, SarifFile
from sendright.cli.outcome import Outputs, finish
from sendright.cli.progress import Shown
from sendright.mach.profiles import profile_named
from sendright.reports.rerun import Rerun


def prove(
    call: Annotated[list[str] | None, typer.Option("--call", "-c", metavar="CALL", help="Only this call; may be given again.")] = None,
    invariant: Annotated[list[int] | None, typer.Option("--invariant", "-i", metavar="N", help="Only this invariant; may be given again.")] = None,
    profile: ProfileName = "manual",
    jobs: Annotated[int, typer.Option("--jobs", "-j", min=1, help="Processes to prove in.")] = 2,
    json: Json = False,
    quiet: Quiet = False,
    report_dir: ReportDirectory = DEFAULT_REPORTS,
    html: HtmlFile = None,
    junit: JunitFile = None,
    sarif: SarifFile = None,
) -> int:
    """Prove that every call keeps every invariant, for any number of tasks, ports, names and messages.

    What can't be proved is refuted by a concrete state and call, or is UNDETERMINED and never counts as proved (exit status 4).

    [bold]Examples[/bold]

      sendright prove

      sendright prove --call mach_port_insert_right --invariant 8

      sendright prove --json | jq '.obligations[] | select(.verdict != "PROVED")'
    """
    kernel_profile = profile_named(profile)
    outputs = Outputs(directory=report_dir, html=html, junit=junit, sarif=sarif, json=json)
    outputs.prepare()
    from sendright.model.prove import UnknownSelection
    from sendright.model.prove import prove as run_prove

    try:
        with Shown("proving", quiet) as shown:
            result = run_prove(kernel_profile, calls=call, invariants=invariant, jobs=jobs, on_progress=shown.update)
    except UnknownSelection as error:
        raise BadInput(f"prove: {error}") from error
    chosen = [word for name in call or [] for word in ("--call", name)] + [
        word for number in invariant or [] for word in ("--invariant", str(number))
    ]
    rerun = Rerun(commands=(shlex.join(["sendright", "prove", "--profile", profile, *chosen]),))
    return finish(result, outputs, rerun)
