"""Questions about a log's derivation graph: which tasks can come to control a task, how, and which rights to remove to
prevent it.

Control follows control rights, and leads from a task to its children and new images, except for set-id images, which
have an authority of their own. The graph has only recorded rights, and the ancestors of their holders.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import msgspec
import networkx as nx

from sendright.mach.results.audits import Answer, Identity, Link
from sendright.properties.audit.lineage import add_control, controls, link, links, origins
from sendright.properties.audit.rules.rule import evidence, rows
from sendright.properties.audit.store import Store

ROOT = "root"
PATHS = 50
"""The most paths listed; further ones are only counted."""


_NO_TASK_CAN = "no task can, by recorded rights"
_NO_PATH = "no path, by recorded rights"
_WHERE_TASKS_ARE = (("sight", ""), ("holding", ""), ("birth", "c_"), ("image", "a_"), ("rights", "t_"), ("rights", "h_"))
"""Tables, and the prefix of the task's columns."""


class Question(msgspec.Struct, frozen=True):
    """One question about paths of control."""

    kind: Literal["who-can-reach", "path"]
    target: str
    """A process id, ``PID:VERSION`` or ``root``: any task whose effective user is root."""
    source: str = ""
    """The start of the path, in the same notation."""
    cut: bool = False
    """Whether to find the rights whose removal leaves no path."""


class NoSuchTask(ValueError):
    """The text doesn't name a task."""


def parse_task(text: str) -> tuple[int, int | None] | None:
    """A process id and perhaps a version; None for ``root``. Raises NoSuchTask."""
    if text == ROOT:
        return None
    pid, colon, version = text.partition(":")
    if not all(part.isascii() and part.isdecimal() and len(part) <= 10 for part in ((pid, version) if colon else (pid,))):
        raise NoSuchTask(f"{text!r} is not a task (write a process id, PID:VERSION or root)")
    return int(pid), int(version) if colon else None


def answer(store: Store, question: Question, host: str) -> Answer:
    """The answer to ``question`` from the log."""
    targets = _tasks(store, question.target)
    sources = _tasks(store, question.source) if question.source else set()
    words = f"who can reach {question.target}" if question.kind == "who-can-reach" else f"how {question.source} reaches {question.target}"
    for name, found in ((question.target, targets), *(((question.source, sources),) if question.source else ())):
        if not found:
            return Answer(question=words, host=host, words=_none(store, name, _NO_TASK_CAN if question.kind == "who-can-reach" else _NO_PATH))
    graph = _graph(store, targets | sources)
    if question.kind == "path":
        return _path(graph, words, host, sources, targets, question.cut)
    return _reach(graph, words, host, targets, question.cut)


def _none(store: Store, name: str, nothing: str) -> str:
    """Why there is no task ``name``; ``nothing``: the answer if root has tasks, but there is no right to one."""
    if name != ROOT:
        return f"no task {name} is in this log"
    return nothing if store.ask("SELECT 1 FROM sight WHERE euid >= 0 LIMIT 1") else "this log doesn't show which tasks are root's"


def _graph(store: Store, tasks: set[Identity]) -> nx.DiGraph[Identity]:
    edges = list(controls(store))
    graph = origins(store, {row.who(prefix) for row in edges for prefix in ("h_", "t_") if row.get(f"{prefix}pid") >= 0} | tasks)
    graph.remove_edges_from([(source, target) for source, target, edge in graph.edges(data=True) if edge["boundary"]])
    for row in edges:
        add_control(store, graph, row)
    for row in rows(store, "SELECT * FROM holding WHERE right_ = 'control' AND t_pid >= 0 AND own = 0 AND t_pid <> pid"):
        holder, target = row.who(), row.who("t_")
        if not graph.has_edge(holder, target):
            seen = evidence(store, row.file, row.place, f"name {row.name:#x}")
            graph.add_edge(holder, target, kind="control", how="has its control port in a snapshot", evidence=seen, boundary=False, time=None)
    return graph


def _tasks(store: Store, text: str) -> set[Identity]:
    """The tasks that ``text`` names; for ``root`` only those to which a recorded right exists."""
    wanted = parse_task(text)
    if wanted is None:
        question = "SELECT DISTINCT world, t_pid AS pid, t_ver AS ver FROM rights WHERE t_euid = 0 AND right_ = 'control' AND succeeded <> 0"
    else:
        pid, version = wanted
        question = " UNION ".join(
            f"SELECT world, {side}pid AS pid, {side}ver AS ver FROM {table} WHERE {side}pid = {pid}"
            + (f" AND {side}ver = {version}" if version is not None else "")
            for table, side in _WHERE_TASKS_ARE
        )
    return {row.who() for row in rows(store, question)}


def _reach(graph: nx.DiGraph[Identity], words: str, host: str, targets: set[Identity], cut: bool) -> Answer:
    """The tasks, except ``targets``, from which control leads to one of ``targets``."""
    reached = _reversed(graph, targets)
    sources = [task for task in reached if task not in targets and any(edge["kind"] == "control" for _, _, edge in graph.out_edges(task, data=True))]
    sources.sort(key=lambda task: (reached[task][0], task))
    paths = tuple(links(graph, reached[task][1][::-1]) for task in sources[:PATHS])
    count = len(sources)
    said = f"{count:,} task{'s' if count != 1 else ''} can, by recorded rights" if sources else _NO_TASK_CAN
    others = [task for task in sources if not _is_root(graph, task)]
    if cut and 0 < len(others) < count:
        said += f" ({count - len(others):,} of them root's own, whose rights stay)"
    wanted = _cut(graph, others or sources, targets) if cut and sources else None
    return Answer(question=words, host=host, words=said, paths=paths, cut=wanted)


def _path(graph: nx.DiGraph[Identity], words: str, host: str, sources: set[Identity], targets: set[Identity], cut: bool) -> Answer:
    found = []
    reached = _reversed(graph, targets)
    for source in sorted(sources - targets):
        if source in reached:
            found.append(links(graph, reached[source][1][::-1]))
    said = f"{len(found)} path{'s' if len(found) != 1 else ''}" if found else _NO_PATH
    wanted = _cut(graph, sorted(sources - targets), targets) if cut and found else None
    return Answer(question=words, host=host, words=said, paths=tuple(found), cut=wanted)


def _reversed(graph: nx.DiGraph[Identity], targets: set[Identity]) -> dict[Identity, tuple[float, list[Identity]]]:
    """Each task that reaches a target -> the number of steps of control, and the path from the target back."""
    distances, ways = nx.multi_source_dijkstra(graph.reverse(copy=False), targets & set(graph), weight=_steps)
    return {task: (distances[task], ways[task]) for task in distances}


def _steps(source: Identity, target: Identity, edge: dict[str, object]) -> float:
    return 1.0 if edge["kind"] == "control" else 0.001


def _is_root(graph: nx.DiGraph[Identity], task: Identity) -> bool:
    token = graph.nodes[task].get("token")
    return token is not None and token.euid == 0


def _cut(graph: nx.DiGraph[Identity], sources: Sequence[Identity], targets: set[Identity]) -> tuple[Link, ...] | None:
    """A smallest set of control rights whose removal leaves no path; None: there is a path without control rights."""
    flow: nx.DiGraph[object] = nx.DiGraph()
    for source, target, edge in graph.edges(data=True):
        if edge["kind"] == "control":
            flow.add_edge(source, target, capacity=1)
        else:
            flow.add_edge(source, target)  # without a limit
    for source in sources:
        flow.add_edge("source", source)
    for target in targets:
        flow.add_edge(target, "target")
    try:
        _, (near, far) = nx.minimum_cut(flow, "source", "target")
    except nx.NetworkXUnbounded:
        return None
    cut = [(source, target) for source in near if source in graph for target in graph.successors(source) if target in far]
    return tuple(link(graph, target, f"{source}: {graph[source][target]['how']}", graph[source][target]) for source, target in sorted(cut))
