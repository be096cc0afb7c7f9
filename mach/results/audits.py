"""What an audit of recorded logs found: ``--json`` prints it, and reports are made from it.

Text from a log is unchanged. Reports must treat it as hostile.
"""

from __future__ import annotations

from enum import IntEnum

import msgspec

from sendright.mach.results.baselines import BaselineUse
from sendright.mach.results.facts import Token
from sendright.mach.results.verdicts import Verdict


class Severity(IntEnum):
    """How bad a finding is, in SARIF's levels. A note isn't a fault: it is worth knowing, or a missing record could
    explain it."""

    NOTE = 0
    WARNING = 1
    ERROR = 2

    @property
    def word(self) -> str:
        """SARIF's word for it."""
        return self.name.lower()


class Identity(msgspec.Struct, frozen=True, order=True):
    """Identifies a task of one boot of one host: by process id and version, or without versions by process id and
    lifetime."""

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
    """The part of its content that matters."""
    binary: bool = False

    def __str__(self) -> str:
        return f"{self.file}:{'byte ' if self.binary else ''}{self.place}"


class Link(msgspec.Struct, frozen=True, kw_only=True):
    """One task of a derivation path, and how the path leads to it from the task before."""

    task: Identity
    token: Token
    program: str = ""
    how: str = ""
    """``made``, ``became another image``, ``got control of``…; "" for the first."""
    evidence: Evidence | None = None
    wrong: bool = False
    """Whether this step is the fault."""


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
    about: str = ""
    """What the rule checks."""
    evidence: tuple[Evidence, ...]
    path: tuple[Link, ...] = ()
    tasks: tuple[Identity, ...] = ()
    group: int = 0
    """Index of the group of logs in ``AuditResult.groups``."""


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
    """A right to a task's port that another task got or held."""

    holder: Identity
    target: Identity
    right: str
    how: str
    crosses: bool
    """Whether, as far as the log says, holder and target are different identities."""
    evidence: Evidence
    times: int = 1
    """How many records say so."""


class Bucket(msgspec.Struct, frozen=True):
    """An interval of the timeline."""

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
    """Whether its records are numbered, so that gaps can be found."""
    missing: int
    """How many records are missing, by their numbers."""
    calls_recorded: bool
    """Whether any credential call was recorded. If so, a missing one is evidence."""
    unseen_births: int
    """How many tasks have no record of their beginning."""
    timeline: tuple[Bucket, ...] = ()


class GroupAudit(msgspec.Struct, frozen=True, kw_only=True):
    """What was found in one group of logs: logs that are read together, as those of one host."""

    files: tuple[str, ...]
    formats: tuple[str, ...]
    records: int
    facts: int
    bytes: int
    seconds: float
    worlds: tuple[World, ...]
    findings: tuple[AuditFinding, ...]
    counts: dict[str, dict[str, int]]
    """Rule -> severity -> number of findings, including those left out of ``findings``."""
    tasks: tuple[ReportedTask, ...]
    tasks_left_out: int
    rights: tuple[ReportedRight, ...]
    rights_left_out: int
    complaints: tuple[str, ...]
    """Records that couldn't be read, one line each."""
    unreadable: int
    """How many records couldn't be read."""
    refused: tuple[str, ...] = ()
    """Files that couldn't be read at all, and why."""
    lost: bool = False
    """Whether that is because what read them died."""


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to a question about the derivation graph."""

    question: str
    host: str
    words: str
    paths: tuple[tuple[Link, ...], ...] = ()
    cut: tuple[Link, ...] | None = None
    """The rights whose removal leaves no path, each as the link of its target. None: not requested, or no rights do
    that."""


class AuditResult(msgspec.Struct, frozen=True, kw_only=True):
    """The result of ``sendright audit``: logs of any number of hosts."""

    verdict: Verdict
    fail_on: Severity
    groups: tuple[GroupAudit, ...]
    findings: tuple[AuditFinding, ...]
    answers: tuple[Answer, ...] = ()
    seconds: float
    interrupted: bool = False
    baseline: BaselineUse | None = None
    """If the findings were compared with a baseline: what came of it."""

    @property
    def lost(self) -> bool:
        """Whether what read some of the logs died."""
        return any(group.lost for group in self.groups)
