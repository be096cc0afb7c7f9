"""Compares a result's findings with a baseline: all accepted is ACCEPTED, anything else is what it was."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from typing import TypeVar

import msgspec

from sendright.mach.results.audits import AuditResult
from sendright.mach.results.baselines import Baseline, BaselineUse
from sendright.mach.results.verdicts import Verdict
from sendright.reports.audit.words import counted
from sendright.reports.findings import AnyResult, findings
from sendright.reports.fingerprints import audit_fingerprint, fingerprint

_R = TypeVar("_R", bound=AnyResult)
_BAD = (Verdict.FAILED, Verdict.REFUTED, Verdict.CRASHED, Verdict.UNDETERMINED)


def with_baseline(result: _R, baseline: Baseline | None, command: str, today: date) -> _R:
    """``result`` of ``command`` compared with ``baseline``; unchanged without one."""
    if baseline is None:
        return result
    faults = [finding for finding in findings(result) if finding.level != "note"]
    use = _use(baseline, command, (fingerprint(finding) for finding in faults if finding.acceptable), today)
    good = bool(faults) and all(finding.acceptable for finding in faults) and not use.new and not use.expired
    verdict = Verdict.ACCEPTED if good and result.verdict in _BAD and not result.interrupted else result.verdict
    return msgspec.structs.replace(result, baseline=use, verdict=verdict)


def audit_with_baseline(result: AuditResult, baseline: Baseline | None, today: date) -> AuditResult:
    """The same for an audit. Findings that it counts and doesn't list can't be accepted, and what is in logs that
    can't be read isn't known."""
    if baseline is None:
        return result
    bad = [finding for finding in result.findings if finding.severity >= result.fail_on]
    use = _use(baseline, "audit", map(audit_fingerprint, bad), today)
    listed = len(bad) == sum(count for severity, count in counted(result).items() if severity >= result.fail_on)
    whole = listed and not result.interrupted and not any(group.refused for group in result.groups)
    good = bool(bad) and whole and not use.new and not use.expired and result.verdict is Verdict.FAILED
    return msgspec.structs.replace(result, baseline=use, verdict=Verdict.ACCEPTED if good else result.verdict)


def _use(baseline: Baseline, command: str, found: Iterable[str], today: date) -> BaselineUse:
    found = list(dict.fromkeys(found))
    entries = {entry.fingerprint: entry for entry in baseline.entries}
    known = [entries[one] for one in found if one in entries]
    return BaselineUse(
        file=baseline.file,
        accepted=tuple(entry for entry in known if entry.until >= today.isoformat()),
        expired=tuple(entry for entry in known if entry.until < today.isoformat()),
        unused=tuple(entry for entry in baseline.entries if entry.fingerprint.partition(":")[0] == command and entry.fingerprint not in found),
        new=tuple(one for one in found if one not in entries),
    )


def baseline_lines(use: BaselineUse | None) -> list[str]:
    """What a reader has to know of a baseline, line by line."""
    if use is None:
        return []
    lines = [f"Baseline {use.file}: {use.words.partition(': ')[2]}."]
    lines += [f"  expired: {entry.fingerprint} {entry.finding} ({entry.words(expired=True)})" for entry in use.expired]
    lines += [f"  accepted: {entry.fingerprint} {entry.finding} ({entry.words()})" for entry in use.accepted]
    lines += [
        f"  not found: {entry.fingerprint} {entry.finding} (remove the entry if the fault is fixed; a check with fewer runs may have missed it)"
        for entry in use.unused
    ]
    return lines
