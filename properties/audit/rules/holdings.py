"""Snapshots: a listing of all rights must be consistent.

A listing is made task by task while the tasks run. So one task's rows may be older than another's, and inconsistencies
between tasks are warnings. The rows of one task are of the same moment.
"""

from __future__ import annotations

from collections.abc import Iterator

from sendright.mach.results.audits import Identity, Severity
from sendright.properties.audit.rules.rule import Suspect, evidence, rows, rule
from sendright.properties.audit.store import Store

_SAME = "world, file, snapshot"
"""The columns that identify a listing."""


@rule("receive-right", (1, 3), "one receive right for each port", needs=("holding",))
def receive_right(store: Store) -> Iterator[Suspect]:
    """Each port has exactly one receive right, and every send right agrees on who holds it."""
    question = f"""
        WITH receivers AS (SELECT DISTINCT ON ({_SAME}, port, pid, ver, name) * FROM holding WHERE receives = 1 AND port <> ''),
        several AS (SELECT {_SAME}, port, count(*) AS how_many FROM receivers GROUP BY ALL HAVING count(*) > 1)
        SELECT {_SAME}, port, how_many, min(n) AS n, max(tm) AS tm, list(place ORDER BY n) AS places, list(pid ORDER BY n) AS pids,
            list(ver ORDER BY n) AS vers, list(name ORDER BY n) AS names
        FROM receivers JOIN several USING ({_SAME}, port) GROUP BY ALL ORDER BY n
    """
    for row in rows(store, question):
        tasks = [Identity(row.world, pid, ver) for pid, ver in zip(row.pids, row.vers, strict=True)]
        seen = [
            evidence(store, row.file, place, f"{task} receives from port {row.port} under name {name:#x}")
            for place, task, name in zip(row.places, tasks, row.names, strict=True)
        ]
        places = "; ".join(f"{task}, name {name:#x}" for task, name in zip(tasks, row.names, strict=True))
        yield Suspect(
            severity=Severity.ERROR if len(set(tasks)) == 1 else Severity.WARNING,
            world=row.world,
            time=row.time,
            words=f"port {row.port} has {row.how_many} receive rights: {places}",
            evidence=tuple(seen),
            tasks=tuple(dict.fromkeys(tasks)),
        )
    yield from _elsewhere(store)


def _elsewhere(store: Store) -> Iterator[Suspect]:
    """A send right's row names a receiver, and the receiver's rows don't have the receive right."""
    question = """
        SELECT s.* FROM holding s
        WHERE s.sends = 1 AND s.receives = 0 AND s.r_pid > 0 AND s.port <> ''
            AND EXISTS (SELECT 1 FROM holding r WHERE (r.world, r.file, r.snapshot) = (s.world, s.file, s.snapshot) AND r.pid = s.r_pid)
            AND NOT EXISTS (SELECT 1 FROM holding r WHERE (r.world, r.file, r.snapshot) = (s.world, s.file, s.snapshot) AND r.pid = s.r_pid
                AND r.receives = 1 AND r.port = s.port)
        ORDER BY s.n
    """
    for row in rows(store, question):
        who, receiver = row.who(), Identity(row.world, row.r_pid, -1)
        yield Suspect(
            severity=Severity.WARNING,
            world=row.world,
            time=row.time,
            words=f"{who} has a send right to port {row.port} under name {row.name:#x}, with {receiver} as its receiver, which has no such right",
            evidence=(evidence(store, row.file, row.place, f"→ {receiver}, name {row.r_name:#x}"),),
            tasks=(who, receiver),
        )


@rule("counts", (8, 9), "rights are counted", needs=("holding", "totals"))
def counts(store: Store) -> Iterator[Suspect]:
    """A port has at most as many send-once rights as it counts, and no send rights if it counts none. A task has as
    many rights as its totals say."""
    yield from _more_than_counted(store)
    yield from _totals(store)


def _more_than_counted(store: Store) -> Iterator[Suspect]:
    question = f"""
        WITH held AS (
            SELECT {_SAME}, port, sum(once) AS once_rows, sum(sends) AS send_rows, list(place ORDER BY n) FILTER (once = 1 OR sends = 1) AS places
            FROM holding WHERE port <> '' GROUP BY ALL
        )
        SELECT r.n, r.world, r.file, r.place, r.tm, r.pid, r.ver, r.name, r.port, r.sonce, r.senders, once_rows, send_rows, places
        FROM (SELECT DISTINCT ON ({_SAME}, port) * FROM holding WHERE receives = 1 AND port <> '' ORDER BY {_SAME}, port, n) r
        JOIN held USING ({_SAME}, port)
        WHERE (sonce >= 0 AND once_rows > sonce) OR (r.senders = 0 AND send_rows > 0) ORDER BY r.n
    """
    for row in rows(store, question):
        who = row.who()
        once = row.sonce >= 0 and row.once_rows > row.sonce
        what = (
            f"{row.once_rows} send-once rights are listed where {row.sonce} are counted"
            if once
            else f"{row.send_rows} send rights are listed where none is counted"
        )
        yield Suspect(
            severity=Severity.WARNING,
            world=row.world,
            time=row.time,
            words=f"port {row.port}, which {who} receives from under name {row.name:#x}: {what}",
            evidence=(
                evidence(store, row.file, row.place, "the receive right and its count"),
                *(evidence(store, row.file, place, "a right to it") for place in row.places[:20]),
            ),
            tasks=(who,),
        )


_KINDS = {"send": "in_both", "receive": "in_both", "send_once": "0", "port_set": "0", "dead_name": "0"}
"""The counted kinds. A name with a receive right and send rights may count as either."""


def _totals(store: Store) -> Iterator[Suspect]:
    question = f"""
        WITH held AS (
            SELECT {_SAME}, pid, ver, sum(sends) AS h_send, sum(receives) AS h_receive, sum(once) AS h_send_once, sum(sends * receives) AS in_both,
                count(*) FILTER (kind = 'PORT_SET') AS h_port_set, count(*) FILTER (kind = 'DEAD_NAME') AS h_dead_name
            FROM (SELECT DISTINCT ON ({_SAME}, pid, ver, name) * FROM holding) GROUP BY ALL
        )
        SELECT * FROM totals JOIN held USING ({_SAME}, pid, ver)
        WHERE {" OR ".join(f"(differs({kind}, h_{kind}) AND differs({kind}, h_{kind} - {other}))" for kind, other in _KINDS.items())} ORDER BY n
    """
    for row in rows(store, question):
        who = row.who()
        wrong = [(kind.replace("_", "-"), row.get(kind), row.get(f"h_{kind}")) for kind in _KINDS]
        what = "; ".join(f"{kind}: {counted} counted, {listed} listed" for kind, counted, listed in wrong if 0 <= counted != listed)
        yield Suspect(
            severity=Severity.WARNING,
            world=row.world,
            time=row.time,
            words=f"the totals of {who} don't match its rows: {what}",
            evidence=(evidence(store, row.file, row.place, "the totals"),),
            tasks=(who,),
        )
