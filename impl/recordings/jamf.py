"""Jamf Protect's older JSON, before it had Endpoint Security's shape: BSM records (telemetry), and alerts with their
processes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from typing import Annotated, Any

import msgspec

from sendright.impl.recordings.bsm.events import event_name
from sendright.impl.recordings.bsm.record import AuditFacts, AuditRecord
from sendright.impl.recordings.bsm.tokens import argument_key, moment
from sendright.impl.recordings.decoding import UNDECODABLE, decoded, why_undecodable
from sendright.impl.recordings.json_values import json_begins, json_values
from sendright.impl.recordings.lifetimes import Lifetimes
from sendright.impl.recordings.source import Source
from sendright.impl.recordings.token_spellings import word
from sendright.mach.results.facts import Fact, Status, Task, TaskSeen, Token, Word

_MARKS = re.compile(rb'"(?:_event_score|host_info|event_name)"\s*:|"related"\s*:|"vendor"\s*:\s*"Jamf"|"protectVersion"\s*:')
_Id = Annotated[int, msgspec.Meta(ge=-(1 << 31), le=(1 << 32) - 1)]


class _Identity(msgspec.Struct):
    process_id: _Id
    audit_id: _Id | None = None
    effective_user_id: _Id | None = None
    effective_group_id: _Id | None = None
    user_id: _Id | None = None
    group_id: _Id | None = None
    session_id: _Id | None = None
    process_name: str = ""

    @property
    def token(self) -> Token:
        ids = (self.audit_id, self.effective_user_id, self.effective_group_id, self.user_id, self.group_id, self.process_id, self.session_id)
        return Token(*[None if part is None else word(part) for part in ids])


class _Header(msgspec.Struct):
    event_id: int | None = None
    event_name: str = ""
    time_seconds_epoch: int | None = None
    time_milliseconds_offset: int = 0


class _Return(msgspec.Struct):
    error: int | None = None
    return_value: int | None = None


class _Attributes(msgspec.Struct):
    file_access_mode: Word | None = None
    owner_user_id: _Id | None = None
    owner_group_id: _Id | None = None


class _HostInfo(msgspec.Struct):
    host_uuid: str = ""
    host_name: str = ""


class _Exit(msgspec.Struct):
    status: Status | None = None


class _Telemetry(msgspec.Struct, rename={"returned": "return"}):
    header: _Header
    subject: _Identity | None = None
    process: _Identity | None = None
    arguments: dict[str, Any] = {}
    returned: _Return | None = None
    exit: _Exit | None = None
    attributes: _Attributes | list[_Attributes] | None = None
    path: list[str] | str | None = None
    host_info: _HostInfo | None = None


class _Process(msgspec.Struct):
    pid: _Id
    uid: _Id | None = None
    gid: _Id | None = None
    ruid: _Id | None = None
    rgid: _Id | None = None
    ppid: _Id | None = None
    responsiblePID: _Id | None = None
    path: str = ""


class _Related(msgspec.Struct):
    processes: list[_Process] = []


class _AlertHost(msgspec.Struct):
    provisioningUDID: str = ""
    hostname: str = ""


class _Alert(msgspec.Struct):
    related: _Related | None = None
    host: _AlertHost | None = None
    eventType: str = ""
    match: dict[str, Any] = {}


class Jamf:
    """Jamf Protect's telemetry, alerts and streams."""

    name = "jamf"
    about = "Jamf Protect's JSON: BSM records and alerts"
    versions = False

    def recognizes(self, head: bytes) -> bool:
        return bool(json_begins(head) and _MARKS.search(head))

    def read(self, source: Source) -> Iterator[Fact]:
        facts = AuditFacts(source)
        lifetimes = Lifetimes()
        for line, text, wrong in json_values(source):
            if wrong:
                yield source.cannot_read(line, wrong)
                continue
            try:
                value, note = decoded(text)
                if note:
                    yield source.cannot_read(line, note)
                inside = value.get("input")
                alert = inside if isinstance(inside, dict) else value
                if "header" in value:
                    yield from facts.of(_audited(line, msgspec.convert(value, _Telemetry, strict=False)))
                elif alert.keys() & {"related", "match"}:
                    yield from _alert(source, lifetimes, line, msgspec.convert(alert, _Alert, strict=False))
                elif "$schema" in value:
                    yield source.cannot_read(line, "a JSON schema, not a record")
                elif _vendor(value) == "Jamf":
                    source.read("stream")
                else:
                    yield source.cannot_read(line, "neither a BSM record nor an alert")
            except UNDECODABLE as error:
                yield source.cannot_read(line, why_undecodable(error))


def _vendor(value: Any) -> Any:
    """The actor of a stream event that isn't about processes."""
    for name in ("event", "metadata", "vendor"):
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _audited(line: int, telemetry: _Telemetry) -> AuditRecord:
    header = telemetry.header
    audited = AuditRecord(line, event_name(header.event_name or header.event_id or 0))
    if header.time_seconds_epoch is not None:
        audited.time = moment(header.time_seconds_epoch, header.time_milliseconds_offset)
    if telemetry.host_info is not None:
        audited.host = telemetry.host_info.host_uuid or telemetry.host_info.host_name
    if telemetry.subject is not None:
        audited.subject, audited.subject_path = telemetry.subject.token, telemetry.subject.process_name
    if telemetry.process is not None:
        audited.process, audited.process_path = telemetry.process.token, telemetry.process.process_name
    for text, value in telemetry.arguments.items():
        if type(value) is int:
            audited.arguments.setdefault(argument_key(text), value)
    if telemetry.returned is not None:
        audited.error, audited.value = telemetry.returned.error, telemetry.returned.return_value
    if telemetry.exit is not None:
        audited.exit_status = telemetry.exit.status
    paths = [telemetry.path] if isinstance(telemetry.path, str) else telemetry.path
    if paths:
        audited.path = paths[-1]
    attributes = telemetry.attributes if isinstance(telemetry.attributes, list) else [telemetry.attributes]
    if attributes and (first := attributes[0]) is not None:
        audited.mode = first.file_access_mode
        audited.owner, audited.group = (None if part is None else word(part) for part in (first.owner_user_id, first.owner_group_id))
    return audited


def _alert(source: Source, lifetimes: Lifetimes, line: int, alert: _Alert) -> Iterator[Fact]:
    """The facts of an alert. It has the processes at its time, with users and groups, without tokens."""
    host = (alert.host.provisioningUDID or alert.host.hostname) if alert.host is not None else ""
    event = alert.match.get("event")
    seconds = event.get("timestamp") if isinstance(event, dict) else None
    time: datetime | None = moment(0, int(seconds * 1000)) if isinstance(seconds, (int, float)) and abs(seconds) < 1e12 else None
    record = source.record(line, alert.eventType, time, None, host)
    source.read(alert.eventType)
    for process in alert.related.processes if alert.related is not None else ():
        pid = word(process.pid)
        euid, egid, ruid, rgid = [None if part is None else word(part) for part in (process.uid, process.gid, process.ruid, process.rgid)]
        parent, responsible = [None if part is None else Token(pid=word(part)) for part in (process.ppid, process.responsiblePID)]
        lifetime, ambiguous = lifetimes.seen(host, pid)
        yield TaskSeen(record, Task(pid, None, lifetime, ambiguous, Token(None, euid, egid, ruid, rgid, pid), process.path, parent, responsible))
