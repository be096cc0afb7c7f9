"""Standard output and standard error.

Results go to standard output, everything else to standard error. If the reader of standard output leaves early, that
isn't an error.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import sys
from typing import Any

from rich.console import Console, RenderableType
from rich.text import Text

from sendright.mach.extensions import extensions
from sendright.reports.escape import one_line

PIPE_WIDTH = 160
"""Columns of a table when standard output isn't a terminal."""


def open_streams() -> None:
    """Open closed standard streams, so that no file opened later takes their numbers. Writing to standard output
    then fails."""
    for number, mode in enumerate((os.O_RDONLY, os.O_RDONLY, os.O_WRONLY)):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, mode)
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
    is_terminal = sys.stdout.isatty()
    wide = None if is_terminal or os.environ.get("COLUMNS") else PIPE_WIDTH
    return Console(file=_Text(), force_terminal=is_terminal or None, width=wide, highlight=False, markup=False, emoji=False)


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
        _discard_the_rest()
    except (OSError, ValueError) as error:
        _discard_the_rest()
        raise NoOutput(getattr(error, "strerror", None) or str(error)) from error


def _discard_the_rest() -> None:
    """Redirect standard output to the null device: the rest of its buffer would fail again when the interpreter
    ends."""
    with contextlib.suppress(OSError, ValueError):
        nothing = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nothing, sys.stdout.fileno())
        os.close(nothing)


def complain(words: str) -> None:
    """Say one line on standard error, if that can be written to."""
    with contextlib.suppress(OSError, ValueError):
        print(f"sendright: {one_line(words)}", file=sys.stderr)
