"""A result's verdict and findings as plain text: the same words as on the terminal, without the tables."""

from __future__ import annotations

import io

from rich.console import Console

from sendright.reports.findings import AnyResult
from sendright.reports.terminal import how_found, verdict_and_findings

_WIDTH = 10_000
"""Columns: so many that each line stays whole. What shows the text may wrap it."""


def counterexample_text(result: AnyResult) -> str:
    """What the terminal prints of the verdict and the findings of ``result``, and how they were found."""
    console = Console(file=io.StringIO(), width=_WIDTH, color_system=None, force_terminal=False, highlight=False, markup=False, emoji=False)
    for part in (*verdict_and_findings(result), *how_found(result)):
        console.print(part)
    assert isinstance(console.file, io.StringIO)
    lines = [line.rstrip() for line in console.file.getvalue().splitlines()]
    return "\n".join(lines).strip()
