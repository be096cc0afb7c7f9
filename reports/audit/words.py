"""An audit's results in words, for all reports."""

from __future__ import annotations

from datetime import UTC, datetime

from sendright.mach.results.audits import AuditFinding, AuditResult, Link, Severity
from sendright.mach.results.facts import UNSET, Token

_RECENT = 1 << 53
"""Microseconds from which on a time can't be a date."""


def moment(micros: int | None) -> str:
    """A time as date and time of day in UTC; empty if it isn't known."""
    if micros is None or not 0 <= micros < _RECENT:
        return ""
    return datetime.fromtimestamp(micros / 1_000_000, UTC).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]


def token_words(token: Token) -> str:
    """The known fields of a token."""
    names = ("auid", "euid", "egid", "ruid", "rgid", "asid")
    known = [(name, getattr(token, name)) for name in names]
    return ", ".join(f"{name} {'unset' if value == UNSET else value}" for name, value in known if value is not None) or "token not recorded"


def link_words(link: Link) -> str:
    """One link of a path."""
    program = f" {link.program}" if link.program else ""
    return f"{link.task}{program} ({token_words(link.token)})"


def invariants_words(finding: AuditFinding) -> str:
    """The invariants of the model that a finding breaks."""
    numbers = [str(number) for number in finding.invariants]
    return f"invariant{'s' if len(numbers) > 1 else ''} {' and '.join(numbers)} of the model"


def counted(result: AuditResult) -> dict[Severity, int]:
    """The number of findings of each severity, including those that reports don't list."""
    total = dict.fromkeys(sorted(Severity, reverse=True), 0)
    for group in result.groups:
        for counts in group.counts.values():
            for word, count in counts.items():
                total[Severity[word.upper()]] += count
    return total


def summary(result: AuditResult) -> str:
    """``result`` in one sentence, the verdict first."""
    counts = ", ".join(f"{count:,} {severity.word}{'s' if count != 1 else ''}" for severity, count in counted(result).items())
    records = sum(group.records for group in result.groups)
    logs = sum(len(group.files) - len(group.refused) for group in result.groups)
    hosts = len({(number, world.host) for number, group in enumerate(result.groups) for world in group.worlds})
    stopped = " Interrupted: this is only what was found so far." if result.interrupted else ""
    read = f"{records:,} records ({logs:,} log{'s' if logs != 1 else ''}, {hosts:,} host{'s' if hosts != 1 else ''})"
    return f"{result.verdict.value}: {counts} in {read}, after {result.seconds:.1f} s.{stopped}"


def missing_words(result: AuditResult) -> list[str]:
    """What the logs lack, and what that means for the findings."""
    lines = []
    for group in result.groups:
        for world in group.worlds:
            if world.missing:
                events = "event is" if world.missing == 1 else "events are"
                lines.append(f"{world.host}: {world.missing:,} {events} missing; findings that they could explain are notes")
            elif not world.numbered and world.first is not None:
                lines.append(f"{world.host}: the log doesn't number its records, so missing ones can't be detected")
        if group.unreadable:
            lines.append(f"{', '.join(group.files)}: {group.unreadable:,} record{'s' if group.unreadable != 1 else ''} couldn't be read")
        lines += group.refused
    return lines
