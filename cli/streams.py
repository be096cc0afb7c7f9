"""Standard output and standard error.

Results go to standard output, everything else to standard error. If the reader of standard output leaves early, that
isn't an error.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import sys
from typing import Any

from rich.console import Console, RenderableType
from rich.text import Text

from sendright.mach.extensions import extensions
from sendright.reports.escape import one_line

PIPE_WIDTH = 100
"""Columns of a table where no stream of the process is a terminal."""
_SIZE = re.compile("[0-9]{1,9}")
NARROWEST, WIDEST = 20, 1000
"""A terminal that says it has fewer columns, or more, doesn't know how many it has."""


def open_streams() -> None:
    """Open closed standard streams, so that no file opened later takes their numbers. Writing to standard output
    then fails."""
    for number, mode in enumerate((os.O_RDONLY, os.O_RDONLY, os.O_WRONLY)):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, mode)
    if sys.stdin is None:
        sys.stdin = os.fdopen(0, "r", encoding="utf-8", closefd=False)
    if sys.stdout is None:
        sys.stdout = os.fdopen(1, "w", encoding="utf-8", closefd=False)
    if sys.stderr is None:
        sys.stderr = os.fdopen(2, "w", encoding="utf-8", closefd=False)


def width() -> int:
    """Columns for what goes to standard output."""
    return _console().width


class _Text(io.StringIO):
    """A buffer with the encoding of standard output, by which rich chooses how to draw tables."""

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return sys.stdout.encoding


def _console() -> Console:
    is_terminal = sys.stdout.isatty() or None
    return Console(file=_Text(), force_terminal=is_terminal, width=_columns(), highlight=False, markup=False, emoji=False, _environ=_environment())


def _environment() -> dict[str, str]:
    """The environment for rich, without sizes of the terminal that it can't read."""
    return {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES") or _SIZE.fullmatch(value)}


def forget_odd_sizes() -> None:
    """Remove sizes of the terminal from the environment that typer and rich can't read."""
    for name in ("COLUMNS", "LINES"):
        if not _SIZE.fullmatch(os.environ.get(name, "1")):
            del os.environ[name]


def _columns() -> int:
    """The width of the terminal that the user looks at, even if standard output is a pipe, as for a pager."""
    given = os.environ.get("COLUMNS", "")
    if _SIZE.fullmatch(given) and int(given) >= NARROWEST:
        return min(int(given), WIDEST)
    for number in (1, 2, 0):
        with contextlib.suppress(OSError, ValueError):
            columns = os.get_terminal_size(number).columns
            if columns >= NARROWEST:
                return columns
    return PIPE_WIDTH


def show(*what: RenderableType) -> None:
    """Print to standard output. A line of text stays one line where no terminal has to hold it."""
    console = _console()
    for one in what:
        console.print(one, soft_wrap=isinstance(one, Text) and not sys.stdout.isatty())
    write(console.file.getvalue())  # type: ignore[attr-defined]


def show_json(data: Any) -> None:
    """Print one JSON value, on one line, to standard output. An object says which plugins took part, if any did."""
    if added := extensions() if isinstance(data, dict) else ():
        data = data | {"plugins": [{"name": one.name, "version": one.version, "source": one.source, "adds": list(one.adds)} for one in added]}
    write(json.dumps(data) + "\n")


class NoOutput(Exception):
    """Raised if standard output can't be written to; the message says why."""


def write(text: str) -> None:
    """Write ``text`` to standard output; drop it if the reader has left. Raises NoOutput if the output is closed or
    full."""
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        discard_the_rest()
    except (OSError, ValueError) as error:
        discard_the_rest()
        raise NoOutput(getattr(error, "strerror", None) or str(error)) from error


def discard_the_rest() -> None:
    """Redirect standard output to the null device: the rest of its buffer would fail again when the interpreter
    ends."""
    with contextlib.suppress(OSError, ValueError):
        nothing = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nothing, sys.stdout.fileno())
        os.close(nothing)


_LONGEST_COMPLAINT = 1500
"""Characters. An input can have a value of any length, and a complaint names the value."""
_END_OF_COMPLAINT = 400
"""So many of them are of its end, which says what to do."""


def complain(words: str) -> None:
    """Say one line on standard error, if that can be written to. The middle of a very long line is left out."""
    line = one_line(words)
    left_out = len(line) - _LONGEST_COMPLAINT
    if left_out > 0:
        begins, ends = line[: _LONGEST_COMPLAINT - _END_OF_COMPLAINT], line[-_END_OF_COMPLAINT:]
        line = f"{begins}… ({left_out:,} characters left out) …{ends}"
    with contextlib.suppress(OSError, ValueError):
        print(f"sendright: {line}", file=sys.stderr)
