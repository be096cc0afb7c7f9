"""The end of a command: reports are written, the result is printed, the verdict becomes the exit status."""

from __future__ import annotations

import importlib.metadata
from pathlib import Path
from typing import Any

import msgspec
from rich.text import Text

from sendright.cli.streams import complain, show, show_json, width
from sendright.mach.interruption import INTERRUPTED
from sendright.mach.results import ReplayResult
from sendright.mach.verdicts import ExitStatus, exit_status
from sendright.reports.findings import AnyResult
from sendright.reports.rerun import Rerun


class Outputs(msgspec.Struct, frozen=True, kw_only=True):
    """What the options say of the outputs."""

    directory: Path
    html: Path | None = None
    junit: Path | None = None
    sarif: Path | None = None
    json: bool = False
    traces: bool = False


def version() -> str:
    """sendright's own version; 0 when it runs from a source tree that isn't installed."""
    try:
        return importlib.metadata.version("sendright")
    except importlib.metadata.PackageNotFoundError:
        return "0"


def finish(result: AnyResult, outputs: Outputs, rerun: Rerun) -> int:
    """Write, print, and give the exit status."""
    status = exit_status(result.verdict)
    written, refused = _write(result, outputs, rerun, bad=status != ExitStatus.HOLDS)
    if outputs.json:
        show_json(_data(result, outputs.traces) | {"reports": [str(path) for path in written]})
    else:
        from sendright.reports.terminal import terminal

        show(terminal(result, width()), *(Text(f"{'Report' if path.suffix == '.html' else 'Written'}: {path}") for path in written))
    if refused:
        complain(refused)
    if status == ExitStatus.HOLDS:
        return INTERRUPTED if result.interrupted else ExitStatus.BAD_INPUT if refused else status
    return INTERRUPTED if result.interrupted and status == ExitStatus.UNDETERMINED else status


def _write(result: AnyResult, outputs: Outputs, rerun: Rerun, bad: bool) -> tuple[list[Path], str]:
    """The files written, and what went wrong. What can't be written must not hide the result."""
    from sendright.reports.html import page
    from sendright.reports.junit import junit
    from sendright.reports.sarif import sarif
    from sendright.reports.write import write_reports, write_text

    written: list[Path] = []
    try:
        if bad:
            written += write_reports(result, outputs.directory, rerun, version())
        if outputs.html:
            write_text(outputs.html, page(result, rerun))
            written.append(outputs.html)
        if outputs.junit:
            write_text(outputs.junit, junit(result))
            written.append(outputs.junit)
        if outputs.sarif:
            write_text(outputs.sarif, sarif(result, version()))
            written.append(outputs.sarif)
    except OSError as error:
        return (
            written,
            f"{error.filename or outputs.directory}: the report can't be written: {error.strerror} (choose another place with --report-dir)",
        )
    return written, ""


def _data(result: AnyResult, traces: bool) -> dict[str, Any]:
    data: dict[str, Any] = msgspec.to_builtins(result, str_keys=True)
    if isinstance(result, ReplayResult) and not traces:
        for case in data["cases"]:
            del case["trace"]
    return data
