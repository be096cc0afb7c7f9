"""Santa's log in text: a line for each event, ``[time] I santad: action=EXEC|pid=…|…`` (santa's
``docs/recordings.md``).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime

from sendright.impl.recordings.lifetimes import Lifetimes
from sendright.impl.recordings.source import LINE_BYTES, Source
from sendright.impl.recordings.token_spellings import word
from sendright.mach.results.facts import Fact, ImageReplaced, Record, SequenceGap, Task, TaskBegan, TaskEnded, TaskSeen, Token

_EVENT = re.compile(rb"(?:santad: |^|\s)action=([A-Z_]{1,40})(?:\||$)")
_TIME = re.compile(rb"\[?(\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.\d{1,6})?)\d*(Z?)")
_NUMBER = re.compile(r"-?\d{1,10}")
_DISCARDED = b"MESSAGES FROM THIS PROCESS HAVE BEEN DISCARDED"


class SantaLog:
    """Santa's text log."""

    name = "santa"
    about = "Santa's log in text"
    versions = True

    def recognizes(self, head: bytes) -> bool:
        return b"santad: action=" in head or bool(re.search(rb"(?m)^[^\n{]*\baction=(?:EXEC|FORK|EXIT|WRITE|RENAME|DELETE|LINK)\|", head[:8192]))

    def read(self, source: Source) -> Iterator[Fact]:
        lifetimes = Lifetimes()
        for number, line, whole in source.lines():
            found = _EVENT.search(line[:4096])
            if not whole:
                yield source.cannot_read(number, f"a line of more than {LINE_BYTES} bytes")
            elif _DISCARDED in line:
                yield SequenceGap(source.record(number, time=_time(line)), "", 0, 1)
            elif found is not None:
                fields = _fields(line[found.start() :])
                record = source.record(number, found[1].decode(), _time(line), host=fields.get("machineid", ""))
                try:
                    yield from _facts(record, fields, lifetimes)
                except ValueError as error:
                    yield source.cannot_read(record, str(error))
                else:
                    source.read(record.kind)
            elif line.strip():
                yield source.cannot_read(number, f"no action in it: {line[:40].decode('utf-8', 'replace')!r}")


def _time(line: bytes) -> datetime | None:
    """The time at a line's beginning; without a zone it is taken as UTC."""
    found = _TIME.match(line)
    try:
        return datetime.fromisoformat(found[1].decode()).replace(tzinfo=UTC) if found else None
    except ValueError:
        return None


def _fields(event: bytes) -> dict[str, str]:
    """An event's fields. A bar in a value is written ``<pipe>``; ``args`` comes last."""
    fields: dict[str, str] = {}
    for part in event.decode("utf-8", "replace").rstrip("\r\n").split("|", 64):
        key, _, value = part.partition("=")
        fields.setdefault(key.strip(), value.replace("<pipe>", "|"))
    return fields


def _facts(record: Record, fields: dict[str, str], lifetimes: Lifetimes) -> Iterator[Fact]:
    pid = _word(fields, "pid")
    if pid is None:
        return
    version = _word(fields, "pidversion")
    action = record.kind
    if version is not None:
        lifetime, ambiguous = 0, False
    elif action == "FORK":
        lifetime, ambiguous = lifetimes.began(record.host, pid)
    else:
        lifetime, ambiguous = (lifetimes.ended if action == "EXIT" else lifetimes.seen)(record.host, pid)
    ppid = _word(fields, "ppid")
    parent = None if ppid is None else Token(pid=ppid)
    shown = fields.get("path", "") if action == "EXEC" else fields.get("processpath", "")
    task = Task(pid, version, lifetime, ambiguous, _token(fields, pid, version), shown, parent)
    if action == "EXEC":
        if fields.get("decision", "ALLOW").startswith("DENY"):
            return
        yield ImageReplaced(record, None, task, shown)
    elif action == "FORK":
        yield TaskBegan(record, task, Task(ppid, None, *lifetimes.seen(record.host, ppid), Token(pid=ppid)) if ppid is not None else None, "fork")
    elif action == "EXIT":
        yield TaskEnded(record, task)
    else:
        yield TaskSeen(record, task)


def _token(fields: dict[str, str], pid: int, version: int | None) -> Token:
    """``uid`` and ``gid`` are the real ones since santa uses Endpoint Security, which is since it writes pid
    versions; its kernel extension wrote the effective ones.
    """
    uid, gid = _word(fields, "uid"), _word(fields, "gid")
    if version is None:
        return Token(None, uid, gid, None, None, pid)
    return Token(None, None, None, uid, gid, pid, None, version)


def _word(fields: dict[str, str], name: str) -> int | None:
    shown = fields.get(name)
    if shown is None:
        return None
    if not _NUMBER.fullmatch(shown.strip()):
        raise ValueError(f"{name}: not a number: {shown[:40]!r}")
    return word(int(shown))
