"""The facts about tasks, tokens and rights in each kind of Endpoint Security message."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TypeAlias

from sendright.impl.recordings.endpoint_security.message import Authentication, Credential, Message, Process, RequestEvent, TargetEvent
from sendright.impl.recordings.token_spellings import token
from sendright.mach.results import facts
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

FactsOf: TypeAlias = Callable[[Record, Task, Message], Sequence[Fact]]

_GET_TASK_TYPES = ("task_for_pid", "expose_task", "identity_token")
"""``es_get_task_type_t``."""
_RESUME_TYPES = {0: "suspend", 1: "resume", 3: "shutdown_sockets"}
"""``es_proc_suspend_resume_type_t``."""


def task(process: Process) -> Task:
    """``process`` as a task. Raises ValueError, with a message of one line, if it doesn't identify a task."""
    own = process.audit_token
    if type(own) is not Token:
        own = token(own if own is not None else process.audit_token_string)
    pid = own.pid
    if pid is None:
        raise ValueError("an audit token without a pid")
    parent = process.parent_audit_token
    if parent is None:
        ppid = process.ppid
        parent = Token(None, None, None, None, None, ppid) if ppid is not None and 0 <= ppid < 1 << 32 else None
    elif type(parent) is not Token:
        parent = token(parent)
    responsible = process.responsible_audit_token
    if responsible is not None and type(responsible) is not Token:
        responsible = token(responsible)
    executable = process.executable
    return Task(
        pid, own.pidversion, 0, False, own, executable.path if executable is not None else "", parent, responsible, process.is_platform_binary
    )


def _exec(record: Record, actor: Task, message: Message) -> Sequence[Fact]:
    content = message.event and message.event.exec
    if not content:
        return (TaskSeen(record, actor),)
    after = task(content.target)
    stat = content.target.executable.stat if content.target.executable is not None else None
    if stat is None:
        return (ImageReplaced(record, actor, after, after.executable),)
    return (ImageReplaced(record, actor, after, after.executable, stat.st_mode, stat.st_uid, stat.st_gid),)


def _fork(record: Record, actor: Task, message: Message) -> Sequence[Fact]:
    content = message.event and message.event.fork
    return (TaskBegan(record, task(content.child), actor, "fork") if content else TaskSeen(record, actor),)


def _exit(record: Record, actor: Task, message: Message) -> Sequence[Fact]:
    content = message.event and message.event.exit
    return (TaskEnded(record, actor, content.stat if content else None),)


def _get_task(kind: str, right: TaskRight) -> FactsOf:
    def facts_of(record: Record, actor: Task, message: Message) -> Sequence[Fact]:
        content: TargetEvent | None = getattr(message.event, kind)
        if content is None or content.target is None:
            return (TaskSeen(record, actor),)
        how = _GET_TASK_TYPES[content.type] if content.type is not None and 0 <= content.type < len(_GET_TASK_TYPES) else ""
        return (RightToTask(record, actor, task(content.target), right, how, None, not message.denied),)

    return facts_of


def _acted_on(kind: str, how: Callable[[TargetEvent], str]) -> FactsOf:
    def facts_of(record: Record, actor: Task, message: Message) -> Sequence[Fact]:
        content: TargetEvent | None = getattr(message.event, kind)
        if content is None or content.target is None:
            return (TaskSeen(record, actor),)
        return (ActedOn(record, actor, task(content.target), how(content), not message.denied),)

    return facts_of


def _credentials(kind: str, fields: Sequence[str]) -> FactsOf:
    def facts_of(record: Record, actor: Task, message: Message) -> Sequence[Fact]:
        content: Credential | None = getattr(message.event, kind)
        values = tuple(value & 0xFFFFFFFF for name in fields if (value := getattr(content, name, None)) is not None)
        return (CredentialsSet(record, actor, kind, values, not message.denied),)

    return facts_of


def _handled(record: Record, actor: Task, content: RequestEvent | None) -> Sequence[Fact]:
    """A daemon's event about a request in a message: the requester, and the token that the daemon took for the
    sender's.
    """
    if content is None:
        return (TaskSeen(record, actor),)
    said: list[Fact] = []
    for who, spelled in ((content.instigator, content.instigator_token), (content.petitioner, content.petitioner_token)):
        if who is not None or spelled is not None:
            sender = task(who) if who is not None else None
            said.append(facts.Message(record, "handled", actor, sender, token(spelled) if spelled is not None else None, None, record.kind))
    return said or (TaskSeen(record, actor),)


def _requested(kind: str) -> FactsOf:
    return lambda record, actor, message: _handled(record, actor, getattr(message.event, kind))


def _authentication(record: Record, actor: Task, message: Message) -> Sequence[Fact]:
    content: Authentication | None = getattr(message.event, "authentication", None)
    data = content.data if content is not None else None
    return _handled(record, actor, None if data is None else data.od or data.touchid or data.token)


_REQUESTED = """
    authorization_petition authorization_judgement btm_launch_item_add btm_launch_item_remove profile_add profile_remove tcc_modify
    od_group_add od_group_remove od_group_set od_modify_password od_disable_user od_enable_user od_attribute_value_add
    od_attribute_value_remove od_attribute_set od_create_user od_create_group od_delete_user od_delete_group
"""
_REQUESTS = _REQUESTED.split()


def requesters(message: Message) -> Iterator[Process]:
    """The processes that requested something of a daemon, from a message that doesn't have the daemon itself."""
    for kind in _REQUESTS:
        content: RequestEvent | None = getattr(message.event, kind, None)
        if content is not None:
            yield from (process for process in (content.instigator, content.petitioner) if process is not None)


FACTS_OF: dict[str, FactsOf] = {
    "exec": _exec,
    "fork": _fork,
    "exit": _exit,
    "get_task": _get_task("get_task", TaskRight.CONTROL),
    "get_task_read": _get_task("get_task_read", TaskRight.READ),
    "get_task_inspect": _get_task("get_task_inspect", TaskRight.INSPECT),
    "get_task_name": _get_task("get_task_name", TaskRight.NAME),
    "signal": _acted_on("signal", lambda content: f"signal {content.sig}"),
    "trace": _acted_on("trace", lambda content: "trace"),
    "proc_check": _acted_on("proc_check", lambda content: f"proc_check {content.type}"),
    "proc_suspend_resume": _acted_on("proc_suspend_resume", lambda content: _RESUME_TYPES.get(content.type or 0, f"type {content.type}")),
    "remote_thread_create": _acted_on("remote_thread_create", lambda content: "remote_thread_create"),
    "setuid": _credentials("setuid", ("uid",)),
    "setgid": _credentials("setgid", ("gid",)),
    "seteuid": _credentials("seteuid", ("euid",)),
    "setegid": _credentials("setegid", ("egid",)),
    "setreuid": _credentials("setreuid", ("ruid", "euid")),
    "setregid": _credentials("setregid", ("rgid", "egid")),
    "authentication": _authentication,
    **{kind: _requested(kind) for kind in _REQUESTS},
}
"""The readers, by kind. Events of other kinds only have the fact of their actor."""
