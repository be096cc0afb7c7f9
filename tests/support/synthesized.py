"""Synthesized logs for tests of the audit."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from sendright.impl.synthesis.logs import Recorder, log_of
from sendright.mach.results.audits import GroupAudit, Severity
from sendright.properties.audit.audit import Log, audit_group


def write_log(path: Path, events: int, seed: int = 1, plants: Sequence[str] = (), recorder: Recorder | None = None, form: str = "eslogger") -> Path:
    """A log at ``path``, which is given back."""
    with path.open("wb") as file:
        file.writelines(log_of(form, events, seed, plants, recorder))
    return path


def audited(*paths: Path) -> GroupAudit:
    """The audit of logs of one host."""
    group, _ = audit_group([Log(str(path)) for path in paths])
    return group


def faults(group: GroupAudit) -> set[str]:
    """The rules that found more than notes."""
    return {finding.rule for finding in group.findings if finding.severity > Severity.NOTE}
