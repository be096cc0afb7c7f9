"""What was added from outside, in the form in which SARIF has it."""

from __future__ import annotations

from typing import Any

from sendright.mach.extensions import extensions
from sendright.reports.escape import one_line


def with_extensions() -> dict[str, Any]:
    """The ``extensions`` of SARIF's tool; nothing if nothing was added."""
    added = [{"name": one_line(one.name), **({"version": one_line(one.version)} if one.version else {})} for one in extensions()]
    return {"extensions": added} if added else {}
