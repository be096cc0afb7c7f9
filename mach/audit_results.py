"""What an audit of recorded logs found: what ``--json`` prints and reports are made of.

All text that comes from a log is as it was there: reports take it for hostile.
"""

from __future__ import annotations

from enum import IntEnum

import msgspec

from sendright.mach.facts import Token
from sendright.mach.verdicts import Verdict


class Severity(IntEnum):
    """How bad a finding is; SARIF's levels. A note is worth knowing, or can't be told from what nobody saw: it is no fault."""

    NOTE = 0
    WARNING = 1
    ERROR = 2

    @property
    def word(self) -> str:
        """As SARIF calls it."""
        return self.name.lower()


class Identity(msgspec.Struct, frozen=True, order=True):
    """Which task: on one host, during one of its boots, a process id and a version, or where there are no versions which lifetime of that id."""

    world: int
    """Which boot of which host, within one group of logs, from 0."""
    pid: int
    version: int
    """The pid version; negative where the log has none: -1 - lifetime."""

    def __str__(self) -> str:
        if self.version >= 0:
            return f"pid {self.pid}, version {self.version}"
        return f"pid {self.pid}" + (f", lifetime {-1 - self.version}" if self.version < -1 else "")


class Evidence(msgspec.Struct, frozen=True):
    """A record of a log."""

    file: str
    place: int
    """The line, from 1; in a binary trail the byte, from 0."""
    words: str = ""
    """What it says, as far as it matters."""
    binary: bool = False

    def __str__(self) -> str:
        return f"{self.file}:{'byte ' if self.binary else ''}{self.place}"


class Link(msgspec.Struct, frozen=True, kw_only=True):
    """One part of a derivation path: a task, and how the path comes to it from the one before."""

    task: Identity
    token: Token
    program: str = ""
    how: str = ""
    """``made``, ``became another image``, ``got control of``…; "" for the first."""
    evidence: Evidence | None = None
    wrong: bool = False
    """This step is what is wrong."""


class AuditFinding(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that a rule found in a log."""

    rule: str
    """The rule's name: ``inheritance``."""
    invariants: tuple[int, ...]
    """The numbers of the model's invariants that the rule stands for."""
    severity: Severity
    host: str
    time: int | None
    """Microseconds since 1970, UTC."""
    title: str
    words: str
    evidence: tuple[Evidence, ...]
    path: tuple[Link, ...] = ()
    tasks: tuple[Identity, ...] = ()
    group: int = 0
    """Which group of logs, as ``AuditResult.groups`` has them."""


class ReportedTask(msgspec.Struct, frozen=True, kw_only=True):
    """A task in the report's tree."""

    task: Identity
    parent: Identity | None
    token: Token
    program: str
    began: int | None
    how: str
    evidence: Evidence | None


class ReportedRight(msgspec.Struct, frozen=True, kw_only=True):
    """A right to a task's port that somebody got, or was seen with."""

    holder: Identity
    target: Identity
    right: str
    how: str
    crosses: bool
    """Holder and target are not the same identity, as far as the log tells."""
    evidence: Evidence
    times: int = 1
    """So many records say so."""


class Bucket(msgspec.Struct, frozen=True):
    """A part of the timeline."""

    begins: int
    """Microseconds since 1970."""
    facts: int
    rights: int
    gaps: int


class World(msgspec.Struct, frozen=True, kw_only=True):
    """One boot of one host, as one clock saw it."""

    host: str
    files: tuple[str, ...]
    first: int | None
    last: int | None
    numbered: bool
    """Its records are numbered, so that it is known where some are missing."""
    missing: int
    """So many, as far as the numbers tell."""
    calls_recorded: bool
    """Some credential call was recorded, so their absence says something."""
    unseen_births: int
    """Tasks whose beginning nobody saw."""
    timeline: tuple[Bucket, ...] = ()


class GroupAudit(msgspec.Struct, frozen=True, kw_only=True):
    """What was found in the logs of one group: those that are read together, as of one host."""

    files: tuple[str, ...]
    formats: tuple[str, ...]
    records: int
    facts: int
    bytes: int
    seconds: float
    worlds: tuple[World, ...]
    findings: tuple[AuditFinding, ...]
    counts: dict[str, dict[str, int]]
    """Rule -> severity -> how many, those too that are not among ``findings``."""
    tasks: tuple[ReportedTask, ...]
    tasks_left_out: int
    rights: tuple[ReportedRight, ...]
    rights_left_out: int
    complaints: tuple[str, ...]
    """What couldn't be read, a line each."""
    unreadable: int
    """How many records that are."""
    refused: tuple[str, ...] = ()
    """Files of which nothing could be read, and why."""


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What a question about the derivation graph came to."""

    question: str
    host: str
    words: str
    paths: tuple[tuple[Link, ...], ...] = ()
    cut: tuple[Link, ...] | None = None
    """The rights that, taken away, leave no way; each the target's link. None: not asked, or no rights do that."""


class AuditResult(msgspec.Struct, frozen=True, kw_only=True):
    """``sendright audit``: logs of any number of hosts."""

    verdict: Verdict
    fail_on: Severity
    groups: tuple[GroupAudit, ...]
    findings: tuple[AuditFinding, ...]
    answers: tuple[Answer, ...] = ()
    seconds: float
    interrupted: bool = False
