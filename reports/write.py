"""Writes reports to disk."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Any

import msgspec

from sendright.mach.results import CheckResult
from sendright.mach.trace import Trace
from sendright.reports.findings import AnyResult, findings
from sendright.reports.html import page
from sendright.reports.junit import junit
from sendright.reports.rerun import Rerun, script_text
from sendright.reports.sarif import sarif


def write_reports(result: AnyResult, directory: Path, rerun: Rerun, version: str) -> tuple[Path, ...]:
    """Write ``report.html``, ``junit.xml``, ``report.sarif``, and any scripts and traces (``trace.json``, ``trace-2.json`` …).

    Gives the files written, the page first. Makes ``directory``. Each file is written whole or not at all.
    Raises OSError.
    """
    directory.mkdir(parents=True, exist_ok=True)
    written = []
    for name, text in _files(result, rerun, version):
        written.append(directory / name)
        write_text(written[-1], text())
    return tuple(written)


_NAMES = re.compile(r"report\.html|junit\.xml|report\.sarif|script(-\d+)?\.json|trace(-\d+)?\.json")
_SIGNS = (b"sendright", b"mach-cases/1")
"""Each report has one of these at its beginning."""


def clear_reports(directory: Path, but: Collection[Path] = ()) -> None:
    """Remove the reports of an earlier run from ``directory``, which may be missing.

    Reports are files that have a report's name and begin as a report does. Files in ``but`` stay. Raises OSError.
    """
    if not directory.is_dir():
        return
    kept = {path.resolve() for path in but}
    for path in directory.iterdir():
        if _NAMES.fullmatch(path.name) and path.is_file() and path.resolve() not in kept:
            with path.open("rb") as file:
                beginning = file.read(2000)
            if any(sign in beginning for sign in _SIGNS):
                path.unlink()


def _files(result: AnyResult, rerun: Rerun, version: str) -> Iterator[tuple[str, Callable[[], str]]]:
    yield "report.html", lambda: page(result, rerun)
    yield "junit.xml", lambda: junit(result)
    yield "report.sarif", lambda: sarif(result, version)
    if isinstance(result, CheckResult):
        for name, script in scripts(result).items():
            yield name, lambda script=script: script_text(script)  # type: ignore[misc]
    traces: list[Trace] = []
    for finding in findings(result):
        if finding.trace is not None and finding.trace not in traces:
            traces.append(finding.trace)
    for number, trace in enumerate(traces, 1):
        yield ("trace.json" if number == 1 else f"trace-{number}.json"), lambda trace=trace: trace_text(trace)  # type: ignore[misc]


def scripts(result: CheckResult) -> dict[str, dict[str, Any]]:
    """The scripts of the failing runs, by the files that they are written to."""
    found = [result.script, *(other.script for other in result.others)]
    return {"script.json" if number == 1 else f"script-{number}.json": script for number, script in enumerate(found, 1) if script is not None}


def trace_text(trace: Trace) -> str:
    """A trace as it is written to a file, for ``sendright graph``."""
    return msgspec.json.format(msgspec.json.encode(trace), indent=1).decode() + "\n"


def write_text(path: Path, text: str) -> Path:
    """Put ``text`` into the file at ``path``, replacing it in one step; gives ``path``. Raises OSError."""
    handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "w", encoding="utf-8", errors="backslashreplace") as file:
            file.write(text)
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    return path


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
