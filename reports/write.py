"""Writes every file that sendright makes for a user: whole or not at all, and never over a file that sendright
didn't write."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import stat
import sys
import tempfile
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import msgspec

from sendright.mach.results.checks import CheckResult, ProofResult
from sendright.mach.results.policies import PolicyResult
from sendright.mach.state.trace import Trace
from sendright.reports.findings import AnyResult, findings
from sendright.reports.rerun import Rerun, script_text


def write_reports(
    result: AnyResult, directory: Path, rerun: Rerun, version: str, refused: Callable[[Path, OSError], object] | None = None
) -> tuple[Path, ...]:
    """Write ``report.html``, ``junit.xml``, ``report.sarif``, and any scripts and traces (``trace.json``,
    ``trace-2.json`` …).

    Gives the files written, the page first. Makes ``directory``. Each file is written whole or not at all. With
    ``refused``, which gets each file that can't be written and why, the others are written all the same. Raises
    OSError.
    """
    directory.mkdir(parents=True, exist_ok=True)
    written = []
    for name, text in _files(result, rerun, version):
        try:
            written.append(write_text(directory / name, text()))
        except OSError as error:
            if refused is None:
                raise
            refused(directory / name, error)
    return tuple(written)


_NAMES = re.compile(r"report\.html|junit\.xml|report\.sarif|script(-\d+)?\.json|trace(-\d+)?\.json")
_HEAD = 4096
_SIGNS = (
    rb'<!doctype html>.*<meta name="generator" content="sendright">',
    rb"(<\?xml[^>]*\?>\s*)?<!-- written by sendright -->\n<(graphml|testsuites)\b",
    rb'\{[^{}]*"runs":\s*\[\s*\{\s*"tool":\s*\{\s*"driver":\s*\{\s*"name":\s*"sendright"',  # SARIF
    rb'\{\s*"format":\s*"sendright-trace/',
    rb'\{\s*"format":\s*"mach-cases/1",\s*"source":\s*\{\s*"generator":\s*"sendright"',
    rb'\{"generator":"sendright",',  # a synthesized log
    rb"(//|#) written by sendright\n",  # DOT, and a synthesized listing
    rb"%% written by sendright\n",  # Mermaid
    rb"/\* written by sendright \*/\n",  # a program in C
    rb'\{\s*"#meta":\s*\{\s*"format":\s*"ITF",\s*"source":\s*"sendright"',
    rb"; written by sendright\n",  # SMT-LIB
    rb'\{\s*"format":\s*"sendright-smtlib/',
    rb"<!-- written by sendright -->\n# ",  # a page of the score of mutants
    rb'\[\s*\{"profile":"[^"]*","urefs_max":',  # witnesses
)
_SIGN = re.compile(b"|".join(_SIGNS), re.DOTALL)
"""How each file that sendright writes begins, and no other."""


def clear_reports(directory: Path, but: Collection[Path] = ()) -> list[str]:
    """Remove the reports of an earlier run from ``directory``, which may be missing; gives their names.

    Reports are files that have a report's name and begin as a report does. Files in ``but`` stay. Raises OSError.
    """
    removed: list[str] = []
    if not directory.is_dir():
        return removed
    kept = {os.path.realpath(path) for path in but}
    for path in sorted(directory.iterdir()):
        if _NAMES.fullmatch(path.name) and not path.is_symlink() and os.path.realpath(path) not in kept and _beginning_of_ours(path):
            path.unlink(missing_ok=True)  # another run in the same directory may have removed it
            removed.append(path.name)
    return removed


def clear_scripts(directory: Path) -> None:
    """Remove the SMT-LIB scripts of an earlier run from ``directory``. Raises OSError."""
    for path in directory.iterdir():
        if path.suffix == ".smt2" and not path.is_symlink() and _beginning_of_ours(path):
            path.unlink(missing_ok=True)  # another run in the same directory may have removed it


def _files(result: AnyResult, rerun: Rerun, version: str) -> Iterator[tuple[str, Callable[[], str]]]:
    from sendright.reports.html import page
    from sendright.reports.junit import junit
    from sendright.reports.sarif import sarif

    yield "report.html", lambda: page(result, rerun)
    yield "junit.xml", lambda: junit(result)
    yield "report.sarif", lambda: sarif(result, version)
    for name, script in scripts(result).items():
        yield name, lambda script=script: script_text(script)  # type: ignore[misc]
    traces: list[Trace] = []
    for finding in findings(result) if not isinstance(result, PolicyResult) else ():  # whose runs are the user's
        if finding.trace is not None and finding.example is None and finding.trace not in traces:
            traces.append(finding.trace)
    for number, trace in enumerate(traces, 1):
        yield ("trace.json" if number == 1 else f"trace-{number}.json"), lambda trace=trace: trace_text(trace)  # type: ignore[misc]


def scripts(result: AnyResult) -> dict[str, dict[str, Any]]:
    """The scripts of the failing runs, and of runs to counterexamples, by the files that they are written to."""
    found: list[dict[str, Any] | None] = []
    if isinstance(result, CheckResult):
        found = [result.script, *(other.script for other in result.others)]
    elif isinstance(result, ProofResult):
        found = [one.example.reached.script for one in result.obligations if one.example is not None and one.example.reached is not None]
    return {"script.json" if number == 1 else f"script-{number}.json": script for number, script in enumerate(found, 1) if script is not None}


def trace_text(trace: Trace) -> str:
    """A trace as it is written to a file, for ``sendright graph``."""
    return msgspec.json.format(msgspec.json.encode(trace), indent=1).decode() + "\n"


def write_text(path: Path, text: str, known: bool = False) -> Path:
    """Put ``text`` into the file at ``path``, as ``replacing`` does; gives ``path``. Raises OSError."""
    with replacing(path, known) as file:
        file.write(text.encode("utf-8", "backslashreplace"))
    return path


@contextmanager
def replacing(path: Path, known: bool = False) -> Iterator[BinaryIO]:
    """What is written in the block is at ``path`` after it, in one step, or nothing has changed.

    A file is replaced only if ``check_target`` allows it, or if it is ``known``: the caller has read it, and what it
    writes has all that is to stay of it. Pipes, terminals and other character devices, and what this
    process has open (``/dev/stdout``) stay what they are: they get what is written. Links are followed. Raises OSError.
    """
    place, there = _target(path, known)
    if isinstance(place, int) or (there is not None and not stat.S_ISREG(there.st_mode)):
        with os.fdopen(_opened(place), "wb") as file:
            yield file
        return
    handle, temporary = tempfile.mkstemp(prefix=".sendright-", dir=os.path.dirname(place))
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
        os.chmod(temporary, 0o666 & ~_umask() if there is None else stat.S_IMODE(there.st_mode))
        os.replace(temporary, place)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def check_target(path: Path) -> None:
    """Raise OSError if there is something at ``path`` that ``replacing`` neither replaces nor writes to.

    It replaces files that sendright has written, which their beginnings say, and empty ones.
    """
    _target(path)


def _target(path: Path, known: bool = False) -> tuple[str | int, os.stat_result | None]:
    """Where ``path`` leads, or the descriptor of this process that it stands for; and what is there. Raises OSError
    as ``check_target``."""
    descriptor = _descriptor(path)
    if descriptor is not None:
        return descriptor, os.fstat(descriptor)
    place = os.path.realpath(path)
    try:
        there = os.stat(place)
    except (FileNotFoundError, NotADirectoryError):
        return place, None
    for number in (1, 2):
        with contextlib.suppress(OSError):
            if os.path.samestat(there, os.fstat(number)):
                return number, there
    if stat.S_ISDIR(there.st_mode):
        raise OSError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if stat.S_ISBLK(there.st_mode):
        raise OSError(errno.EINVAL, "a disk isn't written to", str(path))
    if stat.S_ISREG(there.st_mode):
        if there.st_size and not known and not _beginning_of_ours(Path(place)):
            raise OSError(errno.EEXIST, "there is a file that sendright didn't write; remove it first", str(path))
        if not os.access(place, os.W_OK):
            raise OSError(errno.EACCES, os.strerror(errno.EACCES), str(path))
    return place, there


def _beginning_of_ours(path: Path) -> bool:
    """Whether ``path`` is a regular file that sendright has written. Raises OSError."""
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            return False
        handle = os.open(path, os.O_RDONLY | _DONT_WAIT)
    except FileNotFoundError:
        return False
    with open(handle, "rb") as file:
        return stat.S_ISREG(os.fstat(file.fileno()).st_mode) and _SIGN.match(file.read(_HEAD)) is not None


_DONT_WAIT = getattr(os, "O_NONBLOCK", 0)


def _descriptor(path: Path) -> int | None:
    """The number in ``/dev/fd/1``, and in what links to such a path, as ``/dev/stdout`` does."""
    for _ in range(40):
        folder = os.path.realpath(path.parent)
        if re.fullmatch(rf"/dev/fd|/proc/{os.getpid()}(/task/\d+)?/fd", folder) and path.name.isdecimal():
            return int(path.name)
        if not path.is_symlink():
            return None
        path = Path(folder, os.readlink(path))
    return None


def _opened(place: str | int) -> int:
    """A descriptor of what isn't replaced. Raises OSError."""
    if isinstance(place, int):
        sys.stdout.flush()
        return os.dup(place)
    try:
        handle = os.open(place, os.O_WRONLY | _DONT_WAIT | getattr(os, "O_NOCTTY", 0))
    except OSError as error:
        if error.errno == errno.ENXIO:
            raise OSError(errno.ENXIO, "no process reads from this pipe", place) from error
        raise
    os.set_blocking(handle, True)
    return handle


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
