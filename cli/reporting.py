"""The end of a command: writes reports, prints the result, and turns the verdict into the exit status."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from sendright.cli.bad_input import BadInput
from sendright.cli.options import Format
from sendright.cli.streams import NoOutput, complain, show, show_json, width, write
from sendright.cli.version import version
from sendright.mach.extensions import extensions_in_words
from sendright.mach.interrupt import interrupted_status
from sendright.mach.results.baselines import Baseline
from sendright.mach.results.checks import CheckResult, ProofResult, ReplayResult
from sendright.mach.results.policies import PolicyResult
from sendright.mach.results.verdicts import ExitStatus, exit_status

if TYPE_CHECKING:
    from rich.text import Text

    from sendright.mach.state.trace import Trace
    from sendright.reports.findings import AnyResult
    from sendright.reports.rerun import Rerun

_COMMANDS: dict[type, str] = {CheckResult: "check", ReplayResult: "replay", ProofResult: "prove", PolicyResult: "policy"}


def today() -> date:
    """The day on which accepted findings are accepted or not."""
    return datetime.now(UTC).date()


class Outputs(msgspec.Struct, frozen=True, kw_only=True):
    """The outputs that the options ask for."""

    directory: Path
    html: Path | None = None
    junit: Path | None = None
    sarif: Path | None = None
    trace: Path | None = None
    json: bool = False
    traces: bool = False
    form: Format = Format.text
    baseline: Baseline | None = None
    """What is accepted."""

    verbose: bool = False
    """Print all tables."""

    removed: list[str] = []
    """Names of an earlier run's reports that were removed."""

    @property
    def output(self) -> Format:
        """The form of what goes to standard output."""
        return Format.json if self.json else self.form

    def prepare(self, inputs: Collection[Path] = ()) -> None:
        """Before a run: check that the files are distinct, and remove an earlier run's reports. Raises BadInput."""
        from sendright.reports.write import clear_reports

        one_form(self.json, self.form)
        check_files({"--html": self.html, "--junit": self.junit, "--sarif": self.sarif, "--trace": self.trace}, inputs)
        try:
            self.removed.extend(clear_reports(self.directory, inputs))
        except OSError as error:
            raise BadInput(f"--report-dir: {self.directory}: an old report can't be removed: {error.strerror} (choose another place)") from error


def one_form(json: bool, form: Format) -> None:
    """Check that ``--json`` and ``--format`` don't contradict each other. Raises BadInput."""
    if json and form is Format.markdown:
        raise BadInput("--json: --format asks for markdown (leave out one of them)")


def check_files(files: Mapping[str, Path | None], inputs: Collection[Path] = ()) -> None:
    """Check that no two options name one file, and that none names one of the ``inputs`` or a file that sendright
    didn't write. Raises BadInput."""
    from sendright.reports.write import check_target

    seen: dict[str, str] = {}
    read = {os.path.realpath(file) for file in inputs}
    for option, path in files.items():
        if path is None:
            continue
        place = os.path.realpath(path)
        first = seen.setdefault(place, option)
        if first != option:
            raise BadInput(f"{option}: {path} is the file of {first} too (name another one)")
        if place in read:
            raise BadInput(f"{option}: {path} is read by this command (name another one)")
        try:
            check_target(path)
        except OSError as error:
            raise BadInput(f"{option}: {path}: can't be written: {error.strerror} (or choose another place)") from error


def write_files(outputs: Mapping[str, tuple[Path | None, Callable[[], str]]], failed: list[str]) -> list[Path]:
    """Write the text of each option to its file, if it names one; gives the files written. Words for what can't be
    written go to ``failed``."""
    from sendright.reports.write import write_text

    written: list[Path] = []
    for option, (path, text) in outputs.items():
        if path is not None:
            try:
                written.append(write_text(path, text()))
            except OSError as error:
                failed.append(_cannot_write(option, path, error))
    return written


def _cannot_write(option: str, path: Path, error: OSError) -> str:
    return f"{path}: the report can't be written: {error.strerror} (choose another place with {option})"


def conclude(status: int, say: Callable[[], object], failed: Collection[str] = (), interrupted: bool = False) -> int:
    """Let ``say`` print the result, complain of outputs that ``failed``, and give the exit status.

    What was found comes before what couldn't be written.
    """
    failed = list(failed)
    try:
        say()
    except NoOutput as error:
        failed.append(f"the result can't be written to standard output: {error}")
    if failed:
        complain("; ".join(failed))
    if interrupted and status in (ExitStatus.HOLDS, ExitStatus.UNDETERMINED):
        return interrupted_status()
    return ExitStatus.BAD_INPUT if failed and status == ExitStatus.HOLDS else status


def added_lines() -> list[Text]:
    """A line that says what was added from outside, if anything was."""
    from rich.text import Text

    return [Text(f"Added from outside: {extensions_in_words()}")] if extensions_in_words() else []


def finish(
    result: AnyResult, outputs: Outputs, rerun: Rerun, trace: Trace | None = None, also_written: Collection[Path] = (), failed: Collection[str] = ()
) -> int:
    """Write, print, and give the exit status.

    ``trace`` is what ``--trace`` asks for, if there was a run. ``also_written`` are files that the command has written
    itself; ``failed`` says in words what went wrong before.
    """
    from sendright.reports.baseline import with_baseline

    result = with_baseline(result, outputs.baseline, _COMMANDS[type(result)], today())
    status = exit_status(result.verdict)
    failed = list(failed)
    written = list(also_written) + _write(result, outputs, rerun, trace, status != ExitStatus.HOLDS, failed)

    def say() -> None:
        if outputs.output is Format.json:
            show_json(_data(result, outputs.traces) | {"reports": [str(path) for path in written]})
        elif outputs.output is Format.markdown:
            from sendright.reports.markdown import markdown

            write(markdown(result, rerun))
        else:
            from rich.text import Text

            from sendright.reports.terminal import terminal

            files = [Text(f"{'Report' if path.suffix == '.html' else 'Written'}: {path}") for path in written]
            gone = [] if status != ExitStatus.HOLDS else outputs.removed
            files += [Text(f"Removed from {outputs.directory}: an earlier run's {', '.join(gone)}")] if gone else []
            show(terminal(result, width(), outputs.verbose), *added_lines(), *files)

    return conclude(status, say, failed, result.interrupted)


def _write(result: AnyResult, outputs: Outputs, rerun: Rerun, trace: Trace | None, bad: bool, failed: list[str]) -> list[Path]:
    """The files written; ``failed`` gets what went wrong. What can't be written must not hide the result."""
    from sendright.reports.write import trace_text, write_reports

    written: list[Path] = []
    if bad:

        def refused(path: Path, error: OSError) -> None:
            failed.append(_cannot_write("--report-dir", path, error))

        try:
            written += write_reports(result, outputs.directory, rerun, version(), refused)
        except OSError as error:
            refused(outputs.directory, error)

    def html() -> str:
        from sendright.reports.html import page

        return page(result, rerun)

    def junit() -> str:
        from sendright.reports.junit import junit

        return junit(result)

    def sarif() -> str:
        from sendright.reports.sarif import sarif

        return sarif(result, version())

    files: dict[str, tuple[Path | None, Callable[[], str]]] = {
        "--html": (outputs.html, html),
        "--junit": (outputs.junit, junit),
        "--sarif": (outputs.sarif, sarif),
    }
    if trace is not None:
        files["--trace"] = (outputs.trace, lambda: trace_text(trace))
    return written + write_files(files, failed)


def _findings_data(result: AnyResult) -> list[dict[str, Any]]:
    """The findings for ``--json``: what a baseline needs, and what a reader wants first."""
    from sendright.reports.findings import findings
    from sendright.reports.fingerprints import fingerprint

    return [
        {
            "rule": finding.rule,
            "level": finding.level,
            "title": finding.title,
            "about": finding.about,
            "words": finding.one_line,
            "fingerprint": fingerprint(finding) if finding.acceptable else None,
            "accepted": finding.accepted is not None,
        }
        for finding in findings(result)
    ]


def _data(result: AnyResult, traces: bool) -> dict[str, Any]:
    data: dict[str, Any] = msgspec.to_builtins(result, str_keys=True)
    data["findings"] = _findings_data(result)
    if isinstance(result, ReplayResult) and not traces:
        for case in data["cases"]:
            del case["trace"]
    if isinstance(result, PolicyResult):
        for run in data["runs"]:
            del run["trace"]
    if isinstance(result, ProofResult):
        data["counts"] = {basis.value: count for basis, count in result.counts.items()}
        data["asked_of_no_case"] = list(result.asked_of_no_case)
    return data
