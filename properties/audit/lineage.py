"""The requested part of a log's derivation graph: where tasks came from, and which task got control of which.

Nodes are identities, with ``token`` and ``program`` from their first record. An edge says how its target came from its
source: ``kind`` is ``made``, ``image`` or ``control``. ``boundary`` marks a set-id image: it has authority that its
executor doesn't have.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

import networkx as nx
import numpy as np

from sendright.mach.results.audits import Identity, Link
from sendright.mach.results.facts import NO_TOKEN
from sendright.properties.audit.rules.rule import Row, Suspect, evidence, rows, token_of
from sendright.properties.audit.store import Store

GENERATIONS = 64
"""The most generations of ancestors to follow."""
LINKS = 16
"""A longer path is shortened to its first and last links."""

_ORIGINS = """
    SELECT world, file, place, tm, p_pid AS f_pid, p_ver AS f_ver, p_auid AS f_auid, p_euid AS f_euid, p_egid AS f_egid, p_ruid AS f_ruid,
        p_rgid AS f_rgid, p_asid AS f_asid, p_program AS f_program, c_pid AS t_pid, c_ver AS t_ver, c_auid AS t_auid, c_euid AS t_euid,
        c_egid AS t_egid, c_ruid AS t_ruid, c_rgid AS t_rgid, c_asid AS t_asid, c_program AS t_program, how, 'made' AS kind, 0 AS mode, n
    FROM birth SEMI JOIN frontier ON birth.world = frontier.world AND birth.c_pid = frontier.pid AND birth.c_ver = frontier.ver
    WHERE p_pid >= 0
    UNION ALL
    SELECT world, file, place, tm, b_pid, b_ver, b_auid, b_euid, b_egid, b_ruid, b_rgid, b_asid, b_program, a_pid, a_ver, a_auid, a_euid,
        a_egid, a_ruid, a_rgid, a_asid, a_program, how, 'image', mode, n
    FROM image SEMI JOIN frontier ON image.world = frontier.world AND image.a_pid = frontier.pid AND image.a_ver = frontier.ver
    WHERE a_pid >= 0
    ORDER BY n
"""
CONTROL_EDGES = """
    SELECT world, arg_min(file, n) AS file, arg_min(place, n) AS place, arg_min(tm, n) AS tm, min(n) AS n, count(*) AS times,
        h_pid, h_ver, arg_min(h_auid, n) AS h_auid, arg_min(h_euid, n) AS h_euid, arg_min(h_egid, n) AS h_egid, arg_min(h_ruid, n) AS h_ruid,
        arg_min(h_rgid, n) AS h_rgid, arg_min(h_asid, n) AS h_asid, arg_min(h_program, n) AS h_program, max(h_amb) AS h_amb, max(t_amb) AS t_amb,
        t_pid, t_ver, arg_min(t_auid, n) AS t_auid, arg_min(t_euid, n) AS t_euid, arg_min(t_egid, n) AS t_egid, arg_min(t_ruid, n) AS t_ruid,
        arg_min(t_rgid, n) AS t_rgid, arg_min(t_asid, n) AS t_asid, arg_min(t_program, n) AS t_program,
        arg_min(how, n) AS how, min(h_platform) AS h_platform,
        bool_and(is_of_system(h_platform, h_program, h_euid)) AS of_system, max(succeeded) AS succeeded, right_
    FROM rights
    WHERE succeeded <> 0 AND gained = 1 AND {condition}
    GROUP BY world, h_pid, h_ver, t_pid, t_ver, right_
    ORDER BY n
"""
"""Each right to a task's port once for each holder, with its first record."""


def origins(store: Store, tasks: Iterable[Identity]) -> nx.DiGraph[Identity]:
    """The graph of ``tasks`` and all their ancestors."""
    graph: nx.DiGraph[Identity] = nx.DiGraph()
    wanted = set(tasks)
    graph.add_nodes_from(wanted)
    for _ in range(GENERATIONS):
        if not wanted:
            break
        frontier = _columns(wanted)
        store.connection.register("frontier", frontier)
        found: set[Identity] = set()
        for row in rows(store, _ORIGINS):
            source, target = Identity(row.world, row.f_pid, row.f_ver), Identity(row.world, row.t_pid, row.t_ver)
            if source == target or any(True for _ in graph.predecessors(target)):
                continue  # a rule reports an identity that begins twice; here the first time counts
            if source not in graph:
                found.add(source)
            _describe(graph, source, row, "f_")
            _describe(graph, target, row, "t_")
            words = f"created ({row.how})" if row.kind == "made" else f"became another image ({row.how})"
            graph.add_edge(
                source,
                target,
                kind=row.kind,
                how=words,
                evidence=evidence(store, row.file, row.place, words),
                boundary=row.kind == "image" and row.mode >= 0 and bool(row.mode & 0o6000),
                time=row.time,
            )
        store.connection.unregister("frontier")
        wanted = found
    _describe_strangers(store, graph)
    return graph


def controls(store: Store, condition: str = "right_ = 'control'") -> Iterable[Row]:
    """The rights to tasks' ports that satisfy the SQL ``condition``, one row each."""
    return rows(store, CONTROL_EDGES.format(condition=condition))


def add_control(store: Store, graph: nx.DiGraph[Identity], row: Row) -> None:
    """Add one right to ``graph``."""
    holder, target = row.who("h_"), row.who("t_")
    _describe(graph, holder, row, "h_")
    _describe(graph, target, row, "t_")
    if holder != target and not (graph.has_edge(holder, target) and graph[holder][target]["kind"] == "control"):
        words = f"got control of it ({row.how or 'how is not recorded'})"
        graph.add_edge(holder, target, kind="control", how=words, evidence=evidence(store, row.file, row.place, words), boundary=False, time=row.time)


def ancestry(graph: nx.DiGraph[Identity], task: Identity) -> tuple[Link, ...]:
    """The ancestors of ``task`` and the task itself, the oldest first."""
    line = [task]
    while (sources := list(graph.predecessors(line[-1]))) and len(line) < GENERATIONS:
        if sources[0] in line:
            break
        line.append(sources[0])
    return links(graph, line[::-1])


def links(graph: nx.DiGraph[Identity], line: list[Identity]) -> tuple[Link, ...]:
    """A path through ``graph`` as links for a report."""
    found = [link(graph, line[0])]
    for source, target in pairwise(line):
        edge = graph[source][target]
        found.append(link(graph, target, edge["how"], edge))
    return tuple(found)


def link(graph: nx.DiGraph[Identity], task: Identity, how: str = "", edge: dict[str, object] | None = None) -> Link:
    """One task of a path."""
    node = graph.nodes[task]
    return Link(
        task=task,
        token=node.get("token", NO_TOKEN),
        program=node.get("program", ""),
        how=how,
        evidence=None if edge is None else edge["evidence"],  # type: ignore[arg-type]
    )


def path_of(graph: nx.DiGraph[Identity], suspect: Suspect) -> tuple[Link, ...]:
    """The derivation path of a rule's suspect."""
    if suspect.path:
        return suspect.path
    if suspect.step is None:
        return shortened(ancestry(graph, suspect.tasks[-1])) if suspect.tasks else ()
    source, target = suspect.step
    wrong = Link(task=target, token=suspect.token, program=suspect.program, how=suspect.how, evidence=suspect.evidence[-1], wrong=True)
    return (*shortened(ancestry(graph, source)), wrong)


def shortened(path: tuple[Link, ...]) -> tuple[Link, ...]:
    """A long path without its middle."""
    return path if len(path) <= LINKS else (path[0], *path[1 - LINKS :])


def _columns(tasks: Iterable[Identity]) -> dict[str, np.ndarray[tuple[int], np.dtype[np.int64]]]:
    table = np.array([(task.world, task.pid, task.version) for task in tasks], dtype=np.int64)
    return {name: np.ascontiguousarray(table[:, place]) for place, name in enumerate(("world", "pid", "ver"))}


def _describe(graph: nx.DiGraph[Identity], task: Identity, row: Row, prefix: str) -> None:
    graph.add_node(task)
    node = graph.nodes[task]
    if "token" not in node:
        node["token"], node["program"] = token_of(row, prefix), row.get(prefix + "program")


def _describe_strangers(store: Store, graph: nx.DiGraph[Identity]) -> None:
    """Add token and program of the tasks whose beginning isn't recorded."""
    strangers = [task for task, node in graph.nodes(data=True) if "token" not in node]
    if not strangers:
        return
    frontier = _columns(strangers)
    store.connection.register("frontier", frontier)
    question = """
        SELECT DISTINCT ON (world, pid, ver) sight.* FROM sight SEMI JOIN frontier USING (world, pid, ver) ORDER BY world, pid, ver, ord, n
    """
    for row in rows(store, question):
        _describe(graph, row.who(), row, "")
    store.connection.unregister("frontier")
