"""Authority over tasks: the holder of a task's control port has the task's authority, so no task may get that of a
stronger task."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import msgspec
import networkx as nx

from sendright.mach.results.audits import Identity, Severity
from sendright.properties.audit.lineage import add_control, controls, links, origins
from sendright.properties.audit.rules.rule import Row, Suspect, evidence, id_words, rows, rule, token_of, unless_ambiguous
from sendright.properties.audit.store import Store

_CROSSES = "(differs(h_euid, t_euid) OR differs(h_euid, t_ruid))"
_LOW = "h_euid > 0 AND NOT is_of_system(h_platform, h_program, h_euid)"
"""Neither root nor part of the system, which may have more authority than its ids say."""


@rule("control", (22, 23), "a right over a task of another identity", needs=("rights",))
def control(store: Store) -> Iterator[Suspect]:
    """A task that isn't root gets no right to control or read a task with other user ids, real or effective.

    Root and entitled programs of the system may get one. Their rights are reported as notes, once for each holder.
    """
    for row in controls(store, f"right_ IN ('control', 'read') AND h_pid >= 0 AND {_CROSSES} AND {_LOW}"):
        holder, target = row.who("h_"), row.who("t_")
        severity = Severity.ERROR if row.right_ == "control" else Severity.WARNING
        severity = unless_ambiguous(row.h_amb or row.t_amb, severity if row.succeeded == 1 else Severity.WARNING)
        got = "got" if row.succeeded == 1 else "requested (and whether the request succeeded isn't recorded)"
        how = f" by {row.how}" if row.how else ""
        times = f", {row.times:,} times" if row.times > 1 else ""
        yield Suspect(
            severity=severity,
            world=row.world,
            time=row.time,
            words=f"{holder} ({_who(row, 'h_')}) {got} a right to {row.right_} {target} ({_who(row, 't_')}){how}{times}",
            evidence=(evidence(store, row.file, row.place, f"{row.how or row.right_}: {holder} → {target}"),),
            tasks=(holder, target),
            step=(holder, target),
            how=f"got a right to {row.right_} it{how}",
            token=token_of(row, "t_"),
            program=row.t_program,
        )
    yield from _entitled(store)


def _entitled(store: Store) -> Iterator[Suspect]:
    question = f"""
        SELECT world, h_pid AS pid, h_ver AS ver, right_, arg_min(file, n) AS file, arg_min(place, n) AS place, arg_min(tm, n) AS tm, min(n) AS n,
            arg_min(h_euid, n) AS euid, arg_min(h_program, n) AS program, arg_min(how, n) AS how, count(*) AS times,
            count(DISTINCT hash(t_pid, t_ver)) AS targets, count(DISTINCT t_euid) AS users, min(h_euid) = 0 AS root
        FROM rights
        WHERE right_ IN ('control', 'read') AND succeeded <> 0 AND gained = 1 AND h_pid >= 0 AND {_CROSSES} AND NOT ({_LOW})
        GROUP BY ALL ORDER BY n
    """
    for row in rows(store, question):
        who = row.who()
        why = "root may do so" if row.root else "it is part of the system, and may be entitled to do so"
        tasks, users = ("s" if count > 1 else "" for count in (row.targets, row.users))
        what = f"rights to {row.right_} {row.targets:,} task{tasks} of {row.users:,} other user{users}"
        first = f": the first of {row.times:,} records" if row.times > 1 else ""
        yield Suspect(
            severity=Severity.NOTE,
            world=row.world,
            time=row.time,
            words=f"{who} (euid {id_words(row.euid)}, {row.program or 'unknown program'}) got {what}: {why}",
            evidence=(evidence(store, row.file, row.place, f"{row.how or row.right_}{first}"),),
            tasks=(who,),
        )


@rule("listed-control", (22, 23), "a control right in a snapshot", needs=("holding",))
def listed_control(store: Store) -> Iterator[Suspect]:
    """A listing shows a task with another task's control port. Listings have no identities, so each such right is
    only a note."""
    question = """
        SELECT world, pid, ver, arg_min(file, n) AS file, arg_min(place, n) AS place, max(tm) AS tm, min(n) AS n, count(DISTINCT t_pid) AS targets,
            arg_min(t_pid, n) AS t_pid, arg_min(t_ver, n) AS t_ver, arg_min(program, n) AS program, arg_min(name, n) AS name
        FROM holding WHERE right_ = 'control' AND t_pid >= 0 AND own = 0 AND t_pid <> pid
        GROUP BY world, pid, ver ORDER BY n
    """
    for row in rows(store, question):
        who, target = row.who(), row.who("t_")
        more = f", and of {row.targets - 1:,} more" if row.targets > 1 else ""
        yield Suspect(
            severity=Severity.NOTE,
            world=row.world,
            time=row.time,
            words=f"{who} ({row.program or 'unknown program'}) has a right to control {target}{more}",
            evidence=(evidence(store, row.file, row.place, f"name {row.name:#x}: control port of {target}"),),
            tasks=(who, target),
        )


@rule("chain", (22, 23), "a chain of control from a non-root task to root's", needs=("rights",))
def chain(store: Store) -> Iterator[Suspect]:
    """A task that controls another also controls everything that the other controls. So no non-root task may control a
    task that controls … a root task.

    A task also controls the tasks that it creates and the images that it executes, unless an image is set-id.
    """
    edges = [row for row in controls(store, "right_ = 'control' AND h_euid > 0 AND h_ruid <> 0") if not row.h_amb and not row.t_amb]
    last = [row for row in edges if row.t_euid == 0]
    if not last or len(edges) < 2:
        return
    graph = origins(store, {row.who("h_") for row in edges})
    for source, target, edge in list(graph.edges(data=True)):
        if edge["boundary"] or _is_root(graph, source) or _is_root(graph, target):
            graph.remove_edge(source, target)
    platform: dict[Identity, bool] = {}
    for row in edges:
        platform[row.who("h_")] = row.of_system
        add_control(store, graph, row)
    reported: set[tuple[Identity, Identity]] = set()
    for row in last:
        holder, target = row.who("h_"), row.who("t_")
        before = nx.ancestors(graph, holder)
        starts = {one for one in before if one in platform and not _is_root(graph, one) and not _controlled(graph, one)}
        for start in sorted(starts or before & platform.keys()):
            line = [*nx.dijkstra_path(graph, start, holder, weight=_steps), target]
            steps = sum(graph[one][other]["kind"] == "control" for one, other in pairwise(line))
            if steps < 2 or (start, holder) in reported:
                continue
            reported.add((start, holder))
            path = links(graph, line)
            yield Suspect(
                severity=Severity.NOTE if all(platform.get(one, True) for one in line[:-1]) else Severity.ERROR,
                world=row.world,
                time=row.time,
                words=f"{start} (euid {id_words(graph.nodes[start]['token'].euid)}) reaches {target} ({_who(row, 't_')}) in {steps} steps of control",
                evidence=tuple(one.evidence for one in path if one.evidence is not None),
                tasks=tuple(line),
                path=(*path[:-1], msgspec.structs.replace(path[-1], wrong=True)),
            )


def _steps(source: Identity, target: Identity, edge: dict[str, object]) -> float:
    return 1.0 if edge["kind"] == "control" else 0.001


def _controlled(graph: nx.DiGraph[Identity], task: Identity) -> bool:
    return any(graph[source][task]["kind"] == "control" for source in graph.predecessors(task))


def _is_root(graph: nx.DiGraph[Identity], task: Identity) -> bool:
    token = graph.nodes[task].get("token")
    return token is not None and 0 in (token.euid, token.ruid)


def _who(row: Row, prefix: str) -> str:
    program = row.get(prefix + "program")
    return f"euid {id_words(row.get(prefix + 'euid'))}, ruid {id_words(row.get(prefix + 'ruid'))}" + (f", {program}" if program else "")
