"""What goes to standard output and what to standard error.

Results go to standard output, everything else to standard error. A reader of standard output who left early is no error.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

from rich.console import Console, RenderableType
from rich.text import Text

from sendright.reports.visible import one_line

PIPE_WIDTH = 160
"""Columns of a table when standard output is no terminal."""


def width() -> int:
    """Columns for what goes to standard output."""
    return _console().width


def _console() -> Console:
    wide = None if sys.stdout.isatty() or os.environ.get("COLUMNS") else PIPE_WIDTH
    return Console(file=sys.stdout, width=wide, highlight=False, markup=False, emoji=False)


def show(*what: RenderableType) -> None:
    """Print to standard output. A line of text stays one line where no terminal has to hold it."""
    console = _console()
    with console.capture() as capture:
        for one in what:
            console.print(one, soft_wrap=isinstance(one, Text) and not sys.stdout.isatty())
    write(capture.get())


def show_json(data: Any) -> None:
    """Print one JSON value, on one line, to standard output."""
    write(json.dumps(data) + "\n")


def write(text: str) -> None:
    """Write ``text`` to standard output. Once nobody reads it any more, nothing is written to it."""
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        # What is left in the buffer would fail again when the interpreter ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def complain(words: str) -> None:
    """Say one line on standard error."""
    print(f"sendright: {one_line(words)}", file=sys.stderr)
