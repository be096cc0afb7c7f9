"""``lsmp -j``: the listing of port rights in JSON (``system_cmds``, ``lsmp/port_details.c``).

lsmp fills ``port destroy request`` from the wrong field, and the flags from beyond their table, so neither is read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import msgspec

from sendright.impl.recordings.decoding import UNDECODABLE, decoded, why_undecodable
from sendright.impl.recordings.json_values import json_begins, json_values
from sendright.impl.recordings.lsmp.rows import KINDS, Listings, right_to_task, task
from sendright.impl.recordings.source import Source
from sendright.mach.abi.rights import SlotKind
from sendright.mach.results.facts import Fact, Holding, HoldingTotals, Status, Task, Word

_MARKS = re.compile(rb'"ipc-object"\s*:|"processes"\s*:\s*\[|"port_status_flags"\s*:')
_ARRAYS = frozenset([b"processes"])
_MEMBERS = 1 << 16


class _Row(msgspec.Struct, rename={"ipc_object": "ipc-object"}):
    name: str | int | None = None
    ipc_object: str | int | None = None
    type: str = ""
    rights: list[str] | str = []
    send_rights: Word | None = None
    send_once_rights: Word | None = None
    oref: bool | int | str | None = None
    queue_limit: Word | None = None
    msg_count: Word | None = None
    identifier: str | int | None = None
    description: str = ""
    pid: Status | None = None
    process: str = ""
    members: list[_Row] = []


class _Totals(msgspec.Struct):
    total: Word | None = None
    send_rights: Word | None = None
    receive_rights: Word | None = None
    send_once_rights: Word | None = None
    port_sets: Word | None = None
    dead_names: Word | None = None


class _Process(_Totals):
    pid: Status | None = None
    name: str = ""
    process: str = ""
    ports: list[Any] = []
    totals: _Totals | None = None


class LsmpJson:
    """lsmp's JSON."""

    name = "lsmp-json"
    about = "lsmp's listing of port rights, in JSON (-j)"
    versions = False

    def recognizes(self, head: bytes) -> bool:
        return bool(json_begins(head) and _MARKS.search(head))

    def read(self, source: Source) -> Iterator[Fact]:
        listings = Listings(source)
        for line, text, wrong in json_values(source, _ARRAYS):
            if wrong:
                yield source.cannot_read(line, wrong)
                continue
            try:
                value, note = decoded(text)
                if note:
                    yield source.cannot_read(line, note)
                process = msgspec.convert(value, _Process, strict=False)
            except UNDECODABLE as error:
                yield source.cannot_read(line, why_undecodable(error))
                continue
            if process.pid is None or not 0 <= process.pid < 1 << 31:
                yield source.cannot_read(line, "not a process: it has no pid")
                continue
            yield from _holdings(source, listings, line, process, process.pid)


def _holdings(source: Source, listings: Listings, line: int, process: _Process, pid: int) -> Iterator[Fact]:
    record = listings.process(line, pid)
    holder = task(pid, process.name or process.process)
    for index, port in enumerate(process.ports):
        try:
            row = msgspec.convert(port, _Row, strict=False)
            holding = _holding(source, line, holder, listings.number, row)
        except UNDECODABLE as error:
            yield source.cannot_read(record, f"port {index} of process {pid}: {why_undecodable(error)}")
            continue
        source.read(holding.record.kind)
        yield holding
    totals = process.totals or process
    counts = (totals.total, totals.send_rights, totals.receive_rights, totals.send_once_rights, totals.port_sets, totals.dead_names)
    if any(count is not None for count in counts):
        yield HoldingTotals(record, holder, listings.number, *counts)


def _holding(source: Source, line: int, holder: Task, listing: int, row: _Row) -> Holding:
    """The facts of a row. Raises ValueError if it doesn't have its name or its rights."""
    rights = ",".join([row.rights] if isinstance(row.rights, str) else row.rights).replace(" ", "-")
    shown = {"port set": "port-set", "dead name": "dead-name"}.get(row.type, rights)
    kind = KINDS.get(shown)
    if kind is None:
        raise ValueError(f"unknown rights {shown[:40]!r}")
    name = _hexadecimal(row.name)
    record = source.record(line, shown)
    port = "" if kind == SlotKind.DEAD_NAME else f"{_hexadecimal(row.ipc_object, 64):08x}"
    if kind == SlotKind.PORT_SET:
        members = tuple(_hexadecimal(member.identifier) for member in row.members[:_MEMBERS])
        return Holding(record, holder, name, kind, port, listing, members=members)
    if kind in (SlotKind.RECEIVE, SlotKind.SEND_RECEIVE):
        senders = row.oref in (True, 1, "true", "Y", "yes") if row.oref is not None else None
        return Holding(record, holder, name, kind, port, listing, row.send_rights, row.send_once_rights, senders, row.queue_limit, row.msg_count)
    urefs = row.send_rights if kind in (SlotKind.SEND, SlotKind.DEAD_NAME) else None
    if row.type and kind != SlotKind.DEAD_NAME:
        right = right_to_task(row.type)
        target = task(row.pid, row.process) if right is not None and row.pid is not None and row.pid >= 0 else None
        itself = target is not None and target.pid == holder.pid
        return Holding(record, holder, name, kind, port, listing, urefs, target=target, right=right, object=row.type, is_self=itself)
    known = kind != SlotKind.DEAD_NAME and row.pid is not None and row.pid >= 0
    return Holding(record, holder, name, kind, port, listing, urefs, receiver=(row.pid or 0, _hexadecimal(row.identifier)) if known else None)


def _hexadecimal(shown: str | int | None, bits: int = 32) -> int:
    """A name or a port's hash, which lsmp writes in hexadecimal."""
    value = shown if isinstance(shown, int) else int(shown, 16) if isinstance(shown, str) and len(shown) < 20 else -1
    if not 0 <= value < 1 << bits:
        raise ValueError(f"not a hexadecimal number: {str(shown)[:40]!r}")
    return value
