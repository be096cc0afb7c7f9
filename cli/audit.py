"""``sendright audit``: finds, in recorded logs, which task got which token and which right from which task."""

from __future__ import annotations

import os
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer
from rich.text import Text

from sendright.cli.bad_input import BadInput, NotThere
from sendright.cli.baselines import read_baseline
from sendright.cli.clusters import cluster, greet
from sendright.cli.options import BaselineFile, Format, HtmlFile, Json, Quiet, SarifFile, form_unless_json_is_typed
from sendright.cli.plugins import command_line
from sendright.cli.progress import ProgressBar
from sendright.cli.reporting import added_lines, check_files, conclude, one_form, today, write_files
from sendright.cli.streams import complain, show, show_json, write
from sendright.cli.version import version
from sendright.mach.results.audits import AuditResult, Severity
from sendright.mach.results.verdicts import ExitStatus, exit_status

if TYPE_CHECKING:
    from sendright.properties.audit.questions import Question

STANDARD_INPUT = "-"
COMPLAINTS = 5
"""Unreadable logs that are reported one by one; further ones are counted."""


class FailOn(StrEnum):
    """The lowest severity of a finding that makes the exit status 1."""

    error = "error"
    warning = "warning"
    note = "note"


def audit(
    logs: Annotated[
        list[str] | None, typer.Argument(metavar="LOG...", help="Recorded logs; each is taken to come from a different host. - is standard input.")
    ] = None,
    log_format: Annotated[
        str | None,
        typer.Option("--log-format", "-f", metavar="NAME", help="Format of the logs, instead of detecting it (--list-formats lists them)."),
    ] = None,
    same_host: Annotated[bool, typer.Option("--same-host", help="Treat all logs as one host's, and read them in the given order.")] = False,
    fail_on: Annotated[FailOn, typer.Option("--fail-on", help="Exit with status 1 on a finding of this severity or worse.")] = FailOn.warning,
    reach: Annotated[
        list[str] | None,
        typer.Option(
            "--who-can-reach", "-w", metavar="TASK", help="Which tasks can get control of TASK: a process id, PID:VERSION or root. Can be repeated."
        ),
    ] = None,
    path: Annotated[tuple[str, str] | None, typer.Option("--path", metavar="A B", help="How task A can get control of task B.")] = None,
    cut: Annotated[bool, typer.Option("--cut", help="With these questions: find the fewest rights to remove to prevent it.")] = False,
    jobs: Annotated[int | None, typer.Option("--jobs", "-j", min=1, metavar="N", help="Number of processes. Default: one per processor.")] = None,
    on: Annotated[
        str | None,
        typer.Option("--on", metavar="ADDRESS", help="Use the Dask cluster at tcp://…; its workers must find the logs at the same paths."),
    ] = None,
    html: HtmlFile = None,
    sarif: SarifFile = None,
    baseline: BaselineFile = None,
    form: Annotated[
        str,
        typer.Option(
            "--format",
            metavar="[text|json|markdown]",
            callback=form_unless_json_is_typed,
            help="Form of the result on standard output; markdown: a summary for a pull request. (A log's format is taken as --log-format.)",
        ),
    ] = "text",
    json: Json = False,
    quiet: Quiet = False,
    list_rules: Annotated[bool, typer.Option("--list-rules", help="List the rules that an audit checks, and exit.")] = False,
    list_formats: Annotated[bool, typer.Option("--list-formats", help="List the formats of logs that sendright reads, and exit.")] = False,
) -> int:
    """Find tasks in recorded logs that have a token, or a right to another task, that they should not have.

    Reads Endpoint Security messages (eslogger), BSM trails, Santa's logs, lsmp listings and sendright traces; the
    format is detected. Findings that a missing record could explain are reported as notes.

    [bold]Examples[/bold]

      sendright audit eslogger.json
      sendright audit host-*.json --html audit.html --sarif audit.sarif --fail-on error
      sendright audit eslogger.json --who-can-reach root --cut
      eslogger exec fork exit get_task setuid | sendright audit -

    [bold]Exit status[/bold]

      0    no finding of the severity that --fail-on names, or worse
      1    such a finding
      2    the input or the command line is wrong
      3    a log is lost, as the processes that read it died, and there is no such finding
      4    undetermined: no such finding, but one of the logs can't be read
      130  interrupted, and no such finding
    """
    needs_the_store()
    if list_rules or list_formats:
        return _list(list_rules, json)
    paths = list(dict.fromkeys(logs or []))
    if not paths:
        raise BadInput("no log given (name one or more, or - for standard input)")
    known = read_baseline(baseline)
    output, log_format = _forms(form, log_format, json)
    check_files({"--html": html, "--sarif": sarif}, [*map(Path, paths), *([baseline] if baseline else [])])
    questions = _questions(reach or [], path, cut)
    greet(on)
    from sendright.model.proof.processes.cluster import Watch
    from sendright.properties.audit.audit import Log
    from sendright.properties.audit.many import audit_logs

    each = [Log(name, log_format, str(Path(name).absolute())) for name in paths]
    groups = [tuple(each)] if same_host else [(log,) for log in each]
    with ProgressBar("auditing", quiet) as progress, cluster(on) as found:
        result = audit_logs(
            groups,
            questions=questions,
            fail_on=Severity[fail_on.name.upper()],
            jobs=jobs or os.cpu_count() or 1,
            executor=None if found is None else found.executor,
            problem=None if found is None else Watch(found).problem,
            on_progress=progress.update,
        )
    from sendright.reports.baseline import audit_with_baseline

    result = audit_with_baseline(result, known, today())
    options = [
        *(["--log-format", log_format] if log_format else []),
        *(["--same-host"] if same_host else []),
        *(["--fail-on", fail_on.value] if fail_on is not FailOn.warning else []),
        *(word for name in reach or [] for word in ("--who-can-reach", name)),
        *(["--path", *path] if path is not None else []),
        *(["--cut"] if cut else []),
    ]
    return _finish(result, len(paths), html, sarif, output, command_line(["sendright", "audit", *paths, *options]))


def _forms(form: str, log_format: str | None, json: bool) -> tuple[Format, str | None]:
    """The form of the result, and that of the logs, from ``--format`` and ``--log-format``. Raises BadInput."""
    from sendright.impl.recordings.read import form_names

    output = Format.text
    if form in Format.__members__:
        output = Format(form)
    elif form in form_names():
        log_format = log_format or form
    else:
        known = ", ".join(Format.__members__)
        raise BadInput(f"--format: unknown format {form!r} (choose one of {known}, or a log's: {', '.join(form_names())})")
    if log_format is not None and log_format not in form_names():
        raise BadInput(f"--log-format: unknown format {log_format!r} (choose one of {', '.join(form_names())})")
    one_form(json, output)
    return Format.json if json else output, log_format


def _finish(result: AuditResult, logs: int, html: Path | None, sarif: Path | None, output: Format, command: str) -> int:
    nothing = nothing_read(result, logs)
    if nothing is not None:
        raise NotThere(nothing) if result.lost else BadInput(nothing)
    refused = [words for group in result.groups for words in group.refused]
    for words in refused[:COMPLAINTS]:
        complain(words)
    if len(refused) > COMPLAINTS:
        complain(f"{len(refused) - COMPLAINTS} more logs can't be read")
    status = exit_status(result.verdict)
    if status is ExitStatus.UNDETERMINED and result.lost:
        status = ExitStatus.CRASHED
    from sendright.reports.audit.html import audit_page
    from sendright.reports.audit.sarif import audit_sarif

    failed: list[str] = []
    files = {"--html": (html, lambda: audit_page(result, [command])), "--sarif": (sarif, lambda: audit_sarif(result, version()))}
    written = write_files(files, failed)

    def say() -> None:
        if output is Format.markdown:
            from sendright.reports.markdown import audit_markdown

            write(audit_markdown(result, command))
        elif output is Format.json:
            show_json(_data(result) | {"reports": [str(file) for file in written]})
        else:
            from sendright.reports.audit.terminal import audit_terminal

            show(audit_terminal(result), *added_lines(), *(Text(f"Written: {file}") for file in written))

    return conclude(status, say, failed, result.interrupted)


def nothing_read(result: AuditResult, logs: int) -> str | None:
    """Why none of this number of ``logs`` could be read; None: some could."""
    refused = [words for group in result.groups for words in group.refused]
    if len(refused) == logs:
        more = f" (and {len(refused) - 1} more that can't be read)" if len(refused) > 1 else ""
        return refused[0] + more
    if not result.interrupted and not sum(group.records for group in result.groups):
        complaints = [complaint for group in result.groups for complaint in group.complaints]
        return (complaints or ["the logs have no records"])[0] + " (nothing could be read)"
    return None


def _data(result: AuditResult) -> dict[str, Any]:
    from sendright.reports.fingerprints import audit_fingerprint

    data: dict[str, Any] = msgspec.to_builtins(result, str_keys=True)
    data["fail_on"] = result.fail_on.word
    for found, finding in zip(data["findings"], result.findings, strict=True):
        found["severity"] = finding.severity.word
        found["fingerprint"] = audit_fingerprint(finding)
    for group in data["groups"]:
        del group["findings"]  # they are above, all together
    return data


def _questions(reach: list[str], path: tuple[str, str] | None, cut: bool) -> list[Question]:
    from sendright.properties.audit.questions import NoSuchTask, Question, parse_task

    if cut and not reach and path is None:
        raise BadInput("--cut: no question to answer (use it with --who-can-reach or --path)")
    try:
        for name in (*reach, *(path or ())):
            parse_task(name)
    except NoSuchTask as error:
        raise BadInput(str(error)) from error
    questions = [Question("who-can-reach", name, cut=cut) for name in reach]
    return questions + ([Question("path", path[1], path[0], cut)] if path is not None else [])


def needs_the_store() -> None:
    """Raise BadInput if the packages that an audit needs aren't installed."""
    try:
        import duckdb  # noqa: F401
        import numpy  # noqa: F401
    except ImportError as error:
        if error.name not in ("duckdb", "numpy"):  # it is there, and can't be loaded
            raise
        raise BadInput(f"sendright audit needs the package {error.name} (pip install {error.name})") from error


def known_form(form: str) -> None:
    """Raise BadInput if there is no ``form`` of logs with this name."""
    from sendright.impl.recordings.read import form_names

    if form not in form_names():
        raise BadInput(f"--format: unknown format {form!r} (choose one of {', '.join(form_names())})")


def _list(rules: bool, json: bool) -> int:
    from rich.table import Table

    from sendright.impl.recordings.forms import FORMS
    from sendright.properties.audit.audit import RULES

    if rules:
        titles = {rule.name: rule.title[:1].upper() + rule.title[1:] for rule in RULES.values()}
        rows = [(rule.name, ", ".join(map(str, rule.invariants)), f"{titles[rule.name]}. {rule.about}") for rule in RULES.values()]
        keys, heads = ("rule", "invariants", "what holds"), ("rule", "invariants", "what the rule checks")
    else:
        rows = [(each.name, "yes" if each.versions else "no", each.about) for each in FORMS]
        keys, heads = ("form", "pid versions", "what it is"), ("format", "pid versions", "description")
    if json:
        show_json([dict(zip(keys, row, strict=True)) for row in rows])
        return 0
    table = Table(*heads)
    for row in rows:
        table.add_row(*map(Text, row))
    show(table)
    return 0
