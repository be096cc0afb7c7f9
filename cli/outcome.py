"""The end of a command: writes reports, prints the result, and turns the verdict into the exit status."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

import msgspec
from rich.text import Text

from sendright.cli.bad_input import BadInput
from sendright.cli.streams import NoOutput, complain, show, show_json, width
from sendright.mach.interruption import INTERRUPTED
from sendright.mach.results import ReplayResult
from sendright.mach.trace import Trace
from sendright.mach.verdicts import ExitStatus, exit_status
from sendright.reports.findings import AnyResult
from sendright.reports.rerun import Rerun


class Outputs(msgspec.Struct, frozen=True, kw_only=True):
    """The outputs that the options ask for."""

    directory: Path
    html: Path | None = None
    junit: Path | None = None
    sarif: Path | None = None
    trace: Path | None = None
    json: bool = False
    traces: bool = False

    def prepare(self, inputs: Collection[Path] = ()) -> None:
        """Before a run: check that the files are distinct, and remove an earlier run's reports. Raises BadInput."""
        from sendright.reports.write import clear_reports

        distinct_files({"--html": self.html, "--junit": self.junit, "--sarif": self.sarif, "--trace": self.trace}, inputs)
        try:
            clear_reports(self.directory, inputs)
        except OSError as error:
            raise BadInput(f"--report-dir: {self.directory}: an old report can't be removed: {error.strerror} (choose another place)") from error


def distinct_files(files: Mapping[str, Path | None], inputs: Collection[Path]) -> None:
    """Check that no two options name one file, and that none names one of the ``inputs``. Raises BadInput."""
    seen: dict[Path, str] = {}
    read = {file.resolve() for file in inputs}
    for option, path in files.items():
        if path is None:
            continue
        first = seen.setdefault(path.resolve(), option)
        if first != option:
            raise BadInput(f"{option}: {path} is the file of {first} too (name another one)")
        if path.resolve() in read:
            raise BadInput(f"{option}: {path} is read by this command (name another one)")


def version() -> str:
    """sendright's own version; 0 when it runs from a source tree that isn't installed."""
    try:
        return importlib.metadata.version("sendright")
    except importlib.metadata.PackageNotFoundError:
        return "0"


def finish(result: AnyResult, outputs: Outputs, rerun: Rerun, trace: Trace | None = None) -> int:
    """Write, print, and give the exit status. ``trace`` is what ``--trace`` asks for, if there was a run."""
    status = exit_status(result.verdict)
    written, refused = _write(result, outputs, rerun, trace, bad=status != ExitStatus.HOLDS)
    try:
        if outputs.json:
            show_json(_data(result, outputs.traces) | {"reports": [str(path) for path in written]})
        else:
            from sendright.reports.terminal import terminal

            show(terminal(result, width()), *(Text(f"{'Report' if path.suffix == '.html' else 'Written'}: {path}") for path in written))
    except NoOutput as error:  # which must not hide the verdict
        refused = "; ".join(filter(None, [refused, f"the result can't be written to standard output: {error}"]))
    if refused:
        complain(refused)
    if status == ExitStatus.HOLDS:
        return INTERRUPTED if result.interrupted else ExitStatus.BAD_INPUT if refused else status
    return INTERRUPTED if result.interrupted and status == ExitStatus.UNDETERMINED else status


def _write(result: AnyResult, outputs: Outputs, rerun: Rerun, trace: Trace | None, bad: bool) -> tuple[list[Path], str]:
    """The files written, and what went wrong. What can't be written must not hide the result."""
    from sendright.reports.html import page
    from sendright.reports.junit import junit
    from sendright.reports.sarif import sarif
    from sendright.reports.write import trace_text, write_reports, write_text

    written: list[Path] = []
    refused: list[str] = []

    def write(option: str, path: Path | None, into: Callable[[Path], Iterable[Path]]) -> None:
        if path is not None:
            try:
                written.extend(into(path))
            except OSError as error:
                refused.append(f"{path}: the report can't be written: {error.strerror} (choose another place with {option})")

    if bad:
        write("--report-dir", outputs.directory, lambda directory: write_reports(result, directory, rerun, version()))
    write("--html", outputs.html, lambda path: [write_text(path, page(result, rerun))])
    write("--junit", outputs.junit, lambda path: [write_text(path, junit(result))])
    write("--sarif", outputs.sarif, lambda path: [write_text(path, sarif(result, version()))])
    if trace is not None:
        write("--trace", outputs.trace, lambda path: [write_text(path, trace_text(trace))])
    return written, "; ".join(refused)


def _data(result: AnyResult, traces: bool) -> dict[str, Any]:
    data: dict[str, Any] = msgspec.to_builtins(result, str_keys=True)
    if isinstance(result, ReplayResult) and not traces:
        for case in data["cases"]:
            del case["trace"]
    return data
