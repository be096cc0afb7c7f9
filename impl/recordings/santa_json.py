"""Santa's protobuf messages in JSON (``santa.proto``), also its inner messages alone, with field names in snake_case or camelCase.

Of an audit token only pid and pid version are there; the users and groups stand beside it. ``session_id`` is POSIX's, not audit's.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import msgspec

from sendright.impl.recordings.decoding import UNDECODABLE, decoded, why_undecodable
from sendright.impl.recordings.json_values import json_values
from sendright.impl.recordings.source import Source
from sendright.impl.recordings.token_spellings import word
from sendright.mach.facts import (
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
)

_MARKS = re.compile(rb'"(?:machine_id|machineId|boot_session_uuid|bootSessionUuid|instigator)"\s*:')
_PROCESS = re.compile(rb'"(?:pidversion|event_time|eventTime)"\s*:')
_UPPER = re.compile(r"(?<=[a-z0-9])[A-Z]")
_ENVELOPE = frozenset(["machine_id", "event_time", "processed_time", "boot_session_uuid", "event_id"])
_DEPTH = 12


class SantaJson:
    """Santa's protobuf JSON."""

    name = "santa-json"
    about = "Santa's protobuf messages in JSON"
    versions = True

    def recognizes(self, head: bytes) -> bool:
        return head.lstrip()[:1] in (b"{", b"[") and bool(_MARKS.search(head)) and bool(_PROCESS.search(head))

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
            except (*UNDECODABLE, TypeError, AttributeError, KeyError) as error:
                yield source.cannot_read(line, why_undecodable(error))


def _snake(value: Any, depth: int) -> Any:
    if isinstance(value, dict) and depth:
        return {_UPPER.sub(lambda upper: "_" + upper[0].lower(), key): _snake(part, depth - 1) for key, part in value.items()}
    return value


def _facts(source: Source, line: int, message: dict[str, Any]) -> Iterator[Fact]:
    inner = {name: part for name, part in message.items() if name not in _ENVELOPE}
    enveloped = inner.keys() != message.keys()
    kind = next((name for name, part in inner.items() if isinstance(part, dict)), "") if enveloped else ""
    event = inner.get(kind, {}) if enveloped else inner
    if not enveloped:
        kind = _kind(event)
    record = source.record(line, kind, _time(message.get("event_time")), None, str(message.get("machine_id", "")))
    source.read(kind)
    actor = _instigator(event, 3)
    if actor is None:
        return
    if kind == "fork" and "child" in event:
        yield TaskBegan(record, _task(event["child"]), actor, "fork")
    elif kind == "execution" and _decided(event):
        target = event["target"]
        stat = target.get("executable", {}).get("stat", {})
        after = _task(target)
        yield ImageReplaced(record, actor, after, after.executable, stat.get("mode"), _id(stat, "user", "uid"), _id(stat, "group", "gid"))
    elif kind == "exit":
        yield TaskEnded(record, actor, _status(event))
    elif kind in ("proc_suspend_resume", "process_suspend_resume") and "target" in event:
        yield ActedOn(record, actor, _task(event["target"]), str(event.get("type", "")).removeprefix("TYPE_").lower()[:40])
    else:
        yield from _handled(record, actor, event)


def _kind(event: dict[str, Any]) -> str:
    """The name, in ``SantaMessage``, of a message that stands alone."""
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
    """A daemon's event about a request: who triggered it."""
    inside = next((part for part in event.values() if isinstance(part, dict) and "instigator" in part), event)
    process, identity = inside.get("trigger_process"), inside.get("trigger_id")
    if process is None and identity is None:
        yield TaskSeen(record, actor)
        return
    token = None if identity is None else Token(pid=_number(identity, "pid"), pidversion=_number(identity, "pidversion"))
    yield Message(record, "handled", actor, None if process is None else _task(process), token, None, record.kind)


def _instigator(event: dict[str, Any], depth: int) -> Task | None:
    if isinstance(event.get("instigator"), dict):
        return _task(event["instigator"])
    for part in event.values():
        if depth and isinstance(part, dict) and (found := _instigator(part, depth - 1)) is not None:
            return found
    return None


def _task(process: dict[str, Any]) -> Task:
    identity = process["id"]
    pid, version = _number(identity, "pid"), _number(identity, "pidversion")
    if pid is None:
        raise ValueError("a process without a pid")
    token = Token(
        None,
        _id(process, "effective_user", "uid"),
        _id(process, "effective_group", "gid"),
        _id(process, "real_user", "uid"),
        _id(process, "real_group", "gid"),
        pid,
        None,
        version,
    )
    executable = process.get("executable", {}).get("path", "")
    return Task(pid, version, 0, False, token, str(executable), _other(process.get("parent_id")), _other(process.get("responsible_id")))


def _other(identity: dict[str, Any] | None) -> Token | None:
    """Another task's pid and version; pid 0, version 0 stands for none."""
    if identity is None:
        return None
    pid, version = _number(identity, "pid"), _number(identity, "pidversion")
    return Token(pid=pid, pidversion=version) if pid or version else None


def _id(value: dict[str, Any], which: str, name: str) -> int | None:
    part = value.get(which)
    return _number(part, name) if isinstance(part, dict) else None


def _number(value: dict[str, Any], name: str) -> int | None:
    """A number; protobuf's JSON writes those of 64 bits as text."""
    part = value.get(name)
    if part is None:
        return None
    if isinstance(part, str) and part.removeprefix("-").isdecimal() and len(part) < 12:
        part = int(part)
    if type(part) is not int:
        raise ValueError(f"{name}: not a number: {str(part)[:40]!r}")
    return word(part)


def _status(event: dict[str, Any]) -> int | None:
    """What wait(2) gives: of an exit its status in the second byte, of a signal its number."""
    exited, signaled = event.get("exited"), event.get("signaled")
    if isinstance(exited, dict) and type(status := exited.get("exit_status", 0)) is int:
        return (status & 0xFF) << 8
    if isinstance(signaled, dict) and type(signal := signaled.get("signal", 0)) is int:
        return signal & 0x7F
    return None


def _time(shown: Any) -> datetime | None:
    try:
        time = msgspec.convert(shown, datetime | None)
    except msgspec.ValidationError:
        return None
    return None if time is None else time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
