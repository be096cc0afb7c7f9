"""Fingerprints: the same fault has the same one in every run, whatever numbers tasks, ports and processes have there.

SARIF's ``partialFingerprints`` and baselines use them. A fingerprint begins with the command that found the fault.
"""

from __future__ import annotations

import re
from hashlib import sha256

from sendright.mach.results.audits import AuditFinding
from sendright.reports.findings import Finding, call_at

KEY = "sendright/v1"
"""Their name in ``partialFingerprints``. Another version of this module's rules has another one."""
FORM = re.compile(r"[a-z-]+:[0-9a-f]{16}")
"""What a fingerprint looks like."""


def fingerprint(finding: Finding) -> str:
    """The fingerprint of a finding of a check, replay, proof or policy.

    It rests on the rule, the profile, the case of a script or rule, the call, and the broken clause.
    """
    crash = finding.violation.crash if finding.violation is not None else ""
    call = call_at(finding.trace, finding.step) or "" if finding.violation is not None else ""
    profile = finding.profile or (finding.trace.profile if finding.trace is not None else "")
    parts = (finding.rule, finding.found_as or finding.level, profile, finding.about, call, finding.clause, _without_places(crash))
    return f"{finding.rule.partition('/')[0]}:{_hash(parts)}"


def audit_fingerprint(finding: AuditFinding) -> str:
    """The fingerprint of a finding of an audit: of the rule, the severity, the host and the words, without the numbers
    of processes and ports."""
    return f"audit:{_hash((finding.rule, finding.severity.word, finding.host, _without_places(finding.words)))}"


_PLACES = re.compile(r"\bpid \d+(, (version|lifetime) \d+)?|\b0x[0-9a-f]+|\b(port|message|task t?) ?\d+", re.IGNORECASE)


def _without_places(words: str) -> str:
    return _PLACES.sub("#", words)


def _hash(parts: tuple[str, ...]) -> str:
    text = "".join(f"{len(part)} {part}\n" for part in parts)
    return sha256(text.encode("utf-8", "backslashreplace")).hexdigest()[:16]
