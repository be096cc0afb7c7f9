"""Progress on standard error, for anything that takes more than a second."""

from __future__ import annotations

import os
import sys
import time
from contextlib import redirect_stdout, suppress
from types import TracebackType
from typing import TYPE_CHECKING

from sendright.reports.escape import one_line

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

SILENCE = 1.0
"""Seconds before the first sign of progress."""
LINE_EVERY = 10.0
"""Seconds between lines where standard error isn't a terminal."""


class ProgressBar:
    """Shows how far a command is: a bar on a terminal, elsewhere a line every ten seconds. ``update`` it as the work
    goes on.

    While it is open, whatever a kernel prints goes to standard error too: standard output is for the result.
    """

    def __init__(self, what: str, quiet: bool = False) -> None:
        self.what = what
        self.quiet = quiet
        self.done = 0
        self.began = time.monotonic()
        self.next_line = self.began + LINE_EVERY
        self.bar: Progress | None = None
        self.task: TaskID | None = None
        self.redirection = redirect_stdout(sys.stderr)

    def __enter__(self) -> ProgressBar:
        self.redirection.__enter__()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self.redirection.__exit__(kind, error, traceback)
        if self.bar is not None:
            with suppress(OSError, ValueError):
                self.bar.stop()

    def count(self, total: float, words: str = "") -> None:
        """Show that one more of ``total`` is done."""
        self.done += 1
        self.update(self.done, total, words)

    def update(self, done: float, total: float | None, words: str = "") -> None:
        """Show that ``done`` of ``total`` (None: not known) is done. ``words`` name the current work.

        Where standard error can't be written to, nothing is shown: that must not cost the command's result.
        """
        try:
            self._show(done, total, words)
        except (OSError, ValueError):
            self.quiet = True

    def _show(self, done: float, total: float | None, words: str) -> None:
        now = time.monotonic()
        if self.quiet or now - self.began < SILENCE:
            return
        if sys.stderr.isatty() and os.environ.get("TERM") != "dumb":
            self._draw(done, total, one_line(words))
        elif now >= self.next_line:
            self.next_line = now + LINE_EVERY
            of = f" of {total:,.0f}" if total is not None else ""
            print(f"sendright: {self.what}: {done:,.0f}{of} {one_line(words)}".rstrip(), file=sys.stderr, flush=True)

    def _draw(self, done: float, total: float | None, words: str) -> None:
        if self.bar is None:
            from rich.console import Console
            from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn
            from rich.text import Text

            columns = (
                TextColumn("{task.description}", markup=False),
                BarColumn(),
                TaskProgressColumn(),
                TextColumn("{task.fields[words]}", markup=False),
                TimeElapsedColumn(),
            )
            self.bar = Progress(*columns, console=Console(stderr=True), transient=True)
            self.task = self.bar.add_task(Text(self.what).plain, total=total, words=words)
            self.bar.start()
        assert self.task is not None
        self.bar.update(self.task, completed=done, total=total, words=words)
