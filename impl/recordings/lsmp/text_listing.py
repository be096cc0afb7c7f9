"""lsmp(1)'s text: for each process a table with a row for each name (``system_cmds``, ``lsmp/port_details.c``).

Columns are recognized by their content, not by their position: lsmp prints 0 as blanks, and text that is copied from a
terminal loses blanks.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from sendright.impl.recordings.lsmp.rows import KINDS, Listings, right_to_task, task
from sendright.impl.recordings.source import Source
from sendright.impl.recordings.token_spellings import word
from sendright.mach.abi.rights import SlotKind
from sendright.mach.results.facts import Fact, Holding, HoldingElsewhere, HoldingTotals, Record, Task

_PROCESS = re.compile(r"\s*Process \((\d{1,9})\) : (.*)")
_HEADER = re.compile(r"\s*name\s+ipc-object\s+rights\s")
_ROW = re.compile(r"\s*0x([0-9a-fA-F]{1,8})\s+0x([0-9a-fA-F]{1,16})\s+(recv,send|recv|send-once|send|port-set|dead-name)\s+[-\w]{8}\s+(.*)")
_RECEIVE = re.compile(r"(\d{1,9})?\s+[-DNP]{3}\s+(\d+)\s+(?:(\d{1,10})\s+)?(?:(\d{1,10})\s+)?([YN])\s+(\d{1,10})\s+(\d{1,10})(?:\s.*)?")
_SEND = re.compile(r"[-D]..\s+(?:(\d{1,10})(?:\s+|$))?(.*)")
_RECEIVER = re.compile(r"->\s+\d+\s+\d+\s+0x[0-9a-fA-F]{1,16}\s+0x([0-9a-fA-F]{1,8})\s+\((-?\d{1,9})\)(.*)")
_OBJECT = re.compile(r"0x[0-9a-fA-F]{1,16}\s+(.*)")
_PID = re.compile(r"\((\d{1,9})\)\s*(.*)")
_MEMBER = re.compile(r"\s*-\s+0x[0-9a-fA-F]{1,16}\s+(?:recv,send|recv)\s.*\s0x([0-9a-fA-F]{1,8})\s+\(\d+\)")
_ELSEWHERE = re.compile(r"\s*\+\s+(send-once|send)\s.*<-\s+0x([0-9a-fA-F]{1,8})\s+\((\d{1,9})\)\s*(.*)")
_TOTAL = re.compile(r"\s*(total|SEND|RECEIVE|SEND_ONCE|PORT_SET|DEAD_NAME)\s*=\s*(\d{1,9})\s*$")
_ROW_BYTES = 4096
_MEMBERS = 1 << 16


@dataclass
class _Process:
    """The process of the current table."""

    record: Record
    task: Task
    listing: int
    totals: dict[str, int]
    set: Holding | None = None
    """The port set of the members that follow."""
    members: list[int] | None = None
    receive: Holding | None = None
    """The receive right of the other holders that follow."""


class LsmpText:
    """lsmp's text."""

    name = "lsmp"
    about = "lsmp's listing of port rights, in text"
    versions = False

    def recognizes(self, head: bytes) -> bool:
        text = head[:8192].decode("utf-8", "replace")
        return any(_HEADER.match(line) or _PROCESS.fullmatch(line) or _ROW.fullmatch(line.rstrip()) for line in text.splitlines()[:64])

    def read(self, source: Source) -> Iterator[Fact]:
        listings = Listings(source)
        process: _Process | None = None
        for number, line, _ in source.lines():
            text = line[:_ROW_BYTES].decode("utf-8", "replace").rstrip()
            begins = _PROCESS.fullmatch(text)
            if begins is not None:
                if process is not None:
                    yield from _end(process)
                pid = int(begins[1])
                process = _Process(listings.process(number, pid), task(pid, begins[2]), listings.number, {})
                continue
            if process is None:
                if _ROW.fullmatch(text):
                    yield source.cannot_read(number, "a row before any process; begin with the line Process (pid) : name")
                continue
            member = _MEMBER.match(text) if process.members is not None else None
            if member is not None and process.members is not None:
                if len(process.members) < _MEMBERS:
                    process.members.append(int(member[1], 16))
                continue
            yield from _end_of_set(process)
            yield from _line(source, process, number, text)
        if process is not None:
            yield from _end(process)


def _line(source: Source, process: _Process, number: int, text: str) -> Iterator[Fact]:
    row = _ROW.fullmatch(text)
    if row is not None:
        process.receive = None
        try:
            holding = _holding(process, source.record(number, row[3]), row)
        except ValueError:
            holding = None
        if holding is None:
            yield source.cannot_read(number, f"a row of {row[3]} that isn't one: {row[4][:60]!r}")
            return
        source.read(row[3])
        if holding.kind == SlotKind.PORT_SET:
            process.set, process.members = holding, []
            return
        if holding.kind in (SlotKind.RECEIVE, SlotKind.SEND_RECEIVE):
            process.receive = holding
        yield holding
    elif (other := _ELSEWHERE.fullmatch(text)) is not None:
        if process.receive is not None:
            kind, port = KINDS[other[1]], process.receive.port
            yield HoldingElsewhere(source.record(number, other[1]), task(int(other[3]), other[4]), int(other[2], 16), kind, port, process.listing)
    elif (total := _TOTAL.fullmatch(text)) is not None:
        process.totals.setdefault(total[1].lower(), int(total[2]))
    elif text.startswith("0x"):
        yield source.cannot_read(number, f"not a row: {text[:60]!r}")


def _holding(process: _Process, record: Record, row: re.Match[str]) -> Holding | None:
    """The row, or None if its columns aren't those of its rights. Raises ValueError if a number has more than 32
    bits.
    """
    kind = KINDS[row[3]]
    name, port, rest = int(row[1], 16), row[2].lower(), row[4]
    if kind == SlotKind.PORT_SET:
        return Holding(record, process.task, name, kind, port, process.listing)
    if kind == SlotKind.DEAD_NAME:
        dead = _SEND.match(rest)
        return None if dead is None else Holding(record, process.task, name, kind, "", process.listing, _number(dead[1]))
    if kind in (SlotKind.RECEIVE, SlotKind.SEND_RECEIVE):
        found = _RECEIVE.fullmatch(rest)
        if found is None:
            return None
        numbers = [_word(part) for part in (found[3], found[4]) if part is not None]
        sends = numbers.pop(0) if kind == SlotKind.SEND_RECEIVE and numbers else 0
        once = numbers[0] if numbers else 0
        return Holding(record, process.task, name, kind, port, process.listing, sends, once, found[5] == "Y", _word(found[6]), _word(found[7]))
    found = _SEND.fullmatch(rest)
    if found is None:
        return None
    urefs = _number(found[1]) if kind == SlotKind.SEND else None
    return _send(process, record, name, kind, port, urefs, found[2])


def _send(process: _Process, record: Record, name: int, kind: SlotKind, port: str, urefs: int | None, rest: str) -> Holding | None:
    to = _RECEIVER.fullmatch(rest)
    if to is not None:
        pid = int(to[2])
        return Holding(record, process.task, name, kind, port, process.listing, urefs, receiver=(pid, int(to[1], 16)) if pid >= 0 else None)
    what = _OBJECT.fullmatch(rest)
    if what is None:
        return None if rest else Holding(record, process.task, name, kind, port, process.listing, urefs)
    words = what[1]
    right = right_to_task(words)
    whose = _PID.search(words) if right is not None else None
    target = task(int(whose[1]), whose[2]) if whose is not None else None
    shown = "" if words.startswith("(") else words.partition("(")[0].strip()
    itself = shown.endswith(" SELF")
    return Holding(
        record, process.task, name, kind, port, process.listing, urefs,
        target=target, right=right, object=shown.removesuffix(" SELF"), is_self=itself,
    )  # fmt: skip


def _number(shown: str | None) -> int | None:
    return None if shown is None else _word(shown)


def _word(shown: str) -> int:
    return word(int(shown))


def _end_of_set(process: _Process) -> Iterator[Fact]:
    if process.set is not None:
        holding = process.set
        yield Holding(holding.record, holding.task, holding.name, holding.kind, holding.port, holding.snapshot, members=tuple(process.members or ()))
        process.set = process.members = None


def _end(process: _Process) -> Iterator[Fact]:
    yield from _end_of_set(process)
    totals = process.totals
    if totals:
        get = totals.get
        yield HoldingTotals(
            process.record, process.task, process.listing,
            get("total"), get("send"), get("receive"), get("send_once"), get("port_set"), get("dead_name"),
        )  # fmt: skip
