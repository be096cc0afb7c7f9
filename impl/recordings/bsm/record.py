"""A BSM audit record, independent of its form, and its facts about tasks, tokens and rights (audit.log(5), XNU's
``bsd/security/audit``).

The kernel records the subject when a call begins: it is the caller *before* the call. The caller after the call is the
subject of its next record.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime

from sendright.impl.recordings.lifetimes import Lifetimes
from sendright.impl.recordings.sequences import Sequences
from sendright.impl.recordings.source import Source
from sendright.mach.results.facts import (
    ActedOn,
    CredentialsSet,
    Fact,
    ImageReplaced,
    Record,
    RightToTask,
    Task,
    TaskBegan,
    TaskEnded,
    TaskRight,
    TaskSeen,
    Token,
)


@dataclass
class AuditRecord:
    """The content of a record that facts are read from."""

    place: int
    event: str = ""
    """Its ``AUE_`` name, or if it isn't in ``bsm_events`` its name in the record."""
    time: datetime | None = None
    host: str = ""
    subject: Token | None = None
    subject_path: str = ""
    """The subject's executable, if recorded."""
    process: Token | None = None
    """The target."""
    process_path: str = ""
    arguments: dict[str, int] = field(default_factory=dict)
    """The arguments, by their text in lower case with spaces."""
    path: str = ""
    """The last path: a record has a path first as given, then as resolved."""
    mode: int | None = None
    owner: int | None = None
    group: int | None = None
    """The attributes of the first file, which in an exec is the executable."""
    error: int | None = None
    """``errno``; 0 is success."""
    value: int | None = None
    exit_status: int | None = None
    sequence: int | None = None
    wrong: str = ""
    """Why a part of the record couldn't be read."""


_FORKS = {
    "AUE_FORK": "fork",
    "AUE_FORK1": "fork",
    "AUE_VFORK": "vfork",
    "AUE_RFORK": "rfork",
    "AUE_PDFORK": "pdfork",
    "AUE_POSIX_SPAWN": "posix_spawn",
}
_EXECS = frozenset(["AUE_EXEC", "AUE_EXECVE", "AUE_MAC_EXECVE", "AUE_FEXECVE", "AUE_POSIX_SPAWN"])
_RIGHTS = {"AUE_TASKFORPID": ("task_for_pid", TaskRight.CONTROL), "AUE_TASKNAMEFORPID": ("task_name_for_pid", TaskRight.NAME)}
_CREDENTIALS = {
    "AUE_SETUID": "setuid",
    "AUE_SETGID": "setgid",
    "AUE_SETEUID": "seteuid",
    "AUE_SETEGID": "setegid",
    "AUE_SETREUID": "setreuid",
    "AUE_SETREGID": "setregid",
    "AUE_SETRESUID": "setresuid",
    "AUE_SETRESGID": "setresgid",
    "AUE_SETGROUPS": "setgroups",
    "AUE_SETAUID": "setauid",
    "AUE_SETAUDIT": "setaudit",
    "AUE_SETAUDIT_ADDR": "setaudit_addr",
}
_IDS = frozenset(["uid", "gid", "euid", "egid", "ruid", "rgid", "suid", "sgid", "setauid", "auid", "setaudit:auid", "setaudit addr:auid"])


class AuditFacts:
    """Yields the facts of one recording's records, in order."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._lifetimes = Lifetimes()
        self._sequences = Sequences()

    def of(self, audited: AuditRecord) -> Iterator[Fact]:
        """The facts of ``audited``. Counts the record."""
        record = self._source.record(audited.place, audited.event, audited.time, None, audited.host, audited.sequence)
        if audited.sequence is not None and (gap := self._sequences.gap(record, "", audited.sequence)) is not None:
            yield gap
        if audited.wrong:
            yield self._source.cannot_read(record, audited.wrong)
        self._source.read(audited.event)
        if audited.subject is not None and audited.subject.pid is not None:
            yield from self._facts(record, audited, audited.subject)

    def _facts(self, record: Record, audited: AuditRecord, subject: Token) -> Iterator[Fact]:
        event, done = audited.event, audited.error == 0
        if event == "AUE_EXIT":
            yield TaskEnded(record, self._task(record, subject, audited.subject_path, ended=True), audited.exit_status)
            return
        actor = self._task(record, subject, audited.subject_path)
        child = audited.arguments.get("child pid", audited.value if event != "AUE_POSIX_SPAWN" else None)
        if event in _FORKS and done and child is not None and _is_pid(child):
            lifetime, ambiguous = self._lifetimes.began(record.host, child)
            began = Task(child, None, lifetime, ambiguous, Token(pid=child), "", subject)
            yield TaskBegan(record, began, actor, _FORKS[event])
            if event == "AUE_POSIX_SPAWN":
                yield self._image(record, audited, began, "posix_spawn")
        elif event in _EXECS and done:
            yield self._image(record, audited, actor, "posix_spawn" if event == "AUE_POSIX_SPAWN" else "exec")
        elif event in _CREDENTIALS:
            values = tuple(value & 0xFFFFFFFF for text, value in audited.arguments.items() if text in _IDS)
            yield CredentialsSet(record, actor, _CREDENTIALS[event], values, self._succeeded(audited))
        elif event in _RIGHTS and (target := self._target(record, audited)):
            how, right = _RIGHTS[event]
            yield RightToTask(record, actor, target, right, how, _port_name(audited, "task port"), self._succeeded(audited))
        elif event == "AUE_PIDFORTASK" and (target := self._pid(record, audited.arguments.get("pid"))):
            name = _port_name(audited, "port")
            yield RightToTask(record, actor, target, TaskRight.NAME, "pid_for_task", name, self._succeeded(audited), False)
        elif event in ("AUE_KILL", "AUE_KILLPG", "AUE_PDKILL") and (target := self._target(record, audited)):
            yield ActedOn(record, actor, target, f"signal {audited.arguments.get('signal')}", self._succeeded(audited))
        elif event == "AUE_PTRACE" and (target := self._target(record, audited)):
            yield ActedOn(record, actor, target, f"ptrace {audited.arguments.get('request')}", self._succeeded(audited))
        else:
            yield TaskSeen(record, actor)

    @staticmethod
    def _succeeded(audited: AuditRecord) -> bool | None:
        return None if audited.error is None else audited.error == 0

    @staticmethod
    def _image(record: Record, audited: AuditRecord, before: Task, how: str) -> ImageReplaced:
        return ImageReplaced(record, before, None, audited.path, audited.mode, audited.owner, audited.group, how)

    def _task(self, record: Record, token: Token, path: str, *, ended: bool = False) -> Task:
        pid = token.pid or 0
        lifetime, ambiguous = (self._lifetimes.ended if ended else self._lifetimes.seen)(record.host, pid)
        return Task(pid, None, lifetime, ambiguous, token, path)

    def _target(self, record: Record, audited: AuditRecord) -> Task | None:
        """The call's target: a process token, or only a pid. Pid 0 and negative pids name groups or nothing: then
        None.
        """
        if audited.process is not None and audited.process.pid is not None:
            return self._task(record, audited.process, audited.process_path)
        return self._pid(record, audited.arguments.get("process", audited.arguments.get("pid")))

    def _pid(self, record: Record, pid: int | None) -> Task | None:
        return self._task(record, Token(pid=pid), "") if pid is not None and _is_pid(pid) else None


def _is_pid(number: int) -> bool:
    return 0 < number < 1 << 31


def _port_name(audited: AuditRecord, text: str) -> int | None:
    name = audited.arguments.get(text)
    return name if name is not None and 0 <= name < 1 << 32 else None
