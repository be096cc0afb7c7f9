"""Santa's protobuf messages in JSON (``santa.proto``), also its inner messages alone, with field names in snake_case or
camelCase.

Of an audit token it has only the pid and pid version; users and groups are beside it. ``session_id`` is POSIX's, not
audit's.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Annotated, Any

import msgspec

from sendright.impl.recordings.decoding import UNDECODABLE, decoded, why_undecodable
from sendright.impl.recordings.json_values import json_begins, json_values
from sendright.impl.recordings.source import Source
from sendright.impl.recordings.token_spellings import word
from sendright.mach.results.facts import (
    ActedOn,
    Fact,
    ImageReplaced,
    Message,
    Record,
    Task,
    TaskBegan,
    TaskEnded,
    TaskSeen,
    Token,
    Word,
)

_MARKS = re.compile(rb'"(?:machine_id|machineId|boot_session_uuid|bootSessionUuid|instigator)"\s*:')
_PROCESS = re.compile(rb'"(?:pidversion|event_time|eventTime)"\s*:')
_UPPER = re.compile(r"(?<=[a-z0-9])[A-Z]")
_ENVELOPE = frozenset(["machine_id", "event_time", "processed_time", "boot_session_uuid", "event_id"])
_DEPTH = 12
_Number = Annotated[int, msgspec.Meta(ge=-(1 << 31), le=(1 << 32) - 1)]
"""Protobuf's integers of 32 bits, signed or not; its JSON can write them as strings."""


class _Identity(msgspec.Struct, frozen=True):
    pid: _Number | None = None
    pidversion: _Number | None = None

    @property
    def token(self) -> Token:
        return Token(pid=_word(self.pid), pidversion=_word(self.pidversion))


class _Owner(msgspec.Struct, frozen=True):
    uid: _Number | None = None
    gid: _Number | None = None


class _Stat(msgspec.Struct, frozen=True):
    mode: Word | None = None
    user: _Owner = _Owner()
    group: _Owner = _Owner()


class _File(msgspec.Struct, frozen=True):
    path: str = ""
    stat: _Stat = _Stat()


class _Process(msgspec.Struct, frozen=True):
    id: _Identity
    parent_id: _Identity | None = None
    responsible_id: _Identity | None = None
    effective_user: _Owner = _Owner()
    effective_group: _Owner = _Owner()
    real_user: _Owner = _Owner()
    real_group: _Owner = _Owner()
    executable: _File = _File()


class _Exited(msgspec.Struct, frozen=True):
    exit_status: int = 0


class _Signaled(msgspec.Struct, frozen=True):
    signal: int = 0


class _Ending(msgspec.Struct, frozen=True):
    exited: _Exited | None = None
    signaled: _Signaled | None = None


class SantaJson:
    """Santa's protobuf JSON."""

    name = "santa-json"
    about = "Santa's protobuf messages in JSON"
    versions = True

    def recognizes(self, head: bytes) -> bool:
        return bool(json_begins(head) and _MARKS.search(head)) and bool(_PROCESS.search(head))

    def read(self, source: Source) -> Iterator[Fact]:
        for line, text, wrong in json_values(source):
            if wrong:
                yield source.cannot_read(line, wrong)
                continue
            try:
                value, note = decoded(text)
                if note:
                    yield source.cannot_read(line, note)
                yield from _facts(source, line, _snake(value, _DEPTH))
            except UNDECODABLE as error:
                yield source.cannot_read(line, why_undecodable(error))


def _snake(value: Any, depth: int) -> Any:
    if isinstance(value, dict) and depth:
        return {_UPPER.sub(lambda upper: "_" + upper[0].lower(), key): _snake(part, depth - 1) for key, part in value.items()}
    return value


def _facts(source: Source, line: int, message: dict[str, Any]) -> Iterator[Fact]:
    inner = {name: part for name, part in message.items() if name not in _ENVELOPE}
    enveloped = inner.keys() != message.keys()
    kind, event = next(((name, part) for name, part in inner.items() if isinstance(part, dict)), ("", {})) if enveloped else (_kind(inner), inner)
    actor = _instigator(event, 3)
    if actor is None and not enveloped:
        raise ValueError("not an event of santa: it has no instigator")
    record = source.record(line, kind, _time(message.get("event_time")), None, str(message.get("machine_id", "")))
    source.read(kind)
    if actor is None:
        return
    if kind == "fork" and "child" in event:
        yield TaskBegan(record, _task(event["child"]), actor, "fork")
    elif kind == "execution" and _decided(event):
        after, stat = _task(event["target"]), _process(event["target"]).executable.stat
        yield ImageReplaced(record, actor, after, after.executable, stat.mode, _word(stat.user.uid), _word(stat.group.gid))
    elif kind == "exit":
        yield TaskEnded(record, actor, _status(event))
    elif kind in ("proc_suspend_resume", "process_suspend_resume") and "target" in event:
        yield ActedOn(record, actor, _task(event["target"]), str(event.get("type", "")).removeprefix("TYPE_").lower()[:40])
    else:
        yield from _handled(record, actor, event)


def _kind(event: dict[str, Any]) -> str:
    """The name in ``SantaMessage`` of a message that is written without it."""
    if "child" in event:
        return "fork"
    if event.keys() & {"exited", "signaled", "stopped"}:
        return "exit"
    target = event.get("target")
    if isinstance(target, dict) and "id" in target:
        return "execution" if "decision" in event or "args" in event else "proc_suspend_resume"
    return next((name for name, part in event.items() if isinstance(part, dict) and "instigator" in part), "")


def _decided(event: dict[str, Any]) -> bool:
    """An execution that was allowed."""
    return isinstance(event.get("target"), dict) and "DENY" not in str(event.get("decision", ""))


def _handled(record: Record, actor: Task, event: dict[str, Any]) -> Iterator[Fact]:
    """A daemon's event about a request: the process that triggered it."""
    inside = next((part for part in event.values() if isinstance(part, dict) and "instigator" in part), event)
    process, identity = inside.get("trigger_process"), inside.get("trigger_id")
    if process is None and identity is None:
        yield TaskSeen(record, actor)
        return
    token = None if identity is None else msgspec.convert(identity, _Identity, strict=False).token
    yield Message(record, "handled", actor, None if process is None else _task(process), token, None, record.kind)


def _instigator(event: dict[str, Any], depth: int) -> Task | None:
    if isinstance(event.get("instigator"), dict):
        return _task(event["instigator"])
    for part in event.values():
        if depth and isinstance(part, dict) and (found := _instigator(part, depth - 1)) is not None:
            return found
    return None


def _process(shown: Any) -> _Process:
    return msgspec.convert(shown, _Process, strict=False)


def _task(shown: Any) -> Task:
    process = _process(shown)
    pid, version = _word(process.id.pid), _word(process.id.pidversion)
    if pid is None:
        raise ValueError("a process without a pid")
    euid, egid = _word(process.effective_user.uid), _word(process.effective_group.gid)
    token = Token(None, euid, egid, _word(process.real_user.uid), _word(process.real_group.gid), pid, None, version)
    return Task(pid, version, 0, False, token, process.executable.path, _other(process.parent_id), _other(process.responsible_id))


def _other(identity: _Identity | None) -> Token | None:
    """Another task's pid and version; pid 0, version 0 stands for none."""
    return identity.token if identity is not None and (identity.pid or identity.pidversion) else None


def _word(number: int | None) -> int | None:
    return None if number is None else word(number)


def _status(event: dict[str, Any]) -> int | None:
    """The status as from wait(2): an exit's status in the second byte, or a signal's number."""
    ending = msgspec.convert(event, _Ending, strict=False)
    if ending.exited is not None:
        return (ending.exited.exit_status & 0xFF) << 8
    return None if ending.signaled is None else ending.signaled.signal & 0x7F


def _time(shown: Any) -> datetime | None:
    try:
        time = msgspec.convert(shown, datetime | None)
    except msgspec.ValidationError:
        return None
    return None if time is None else time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
