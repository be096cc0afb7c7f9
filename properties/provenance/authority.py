"""Questions about authority: where a right or token came from, which tasks can obtain one, and what prevents it.

A task "can obtain" a right if calls of the existing tasks can bring it there, along the flow graph of
``authority_graph``. A prevention is a smallest set of rights whose removal leaves no path: a minimum cut of that graph.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from itertools import pairwise

import msgspec
import networkx as nx

from sendright.mach.abi.rights import PortObject
from sendright.mach.kernel.profiles import Profile
from sendright.mach.state.snapshot import Port, Slot, Snapshot, entry_in_words, slots
from sendright.properties.provenance.authority_graph import (
    Container,
    FlowGraph,
    FlowNode,
    FromReceiver,
    SlotEntry,
    SlotExit,
    ToReceiver,
    controlled_by,
)
from sendright.properties.provenance.carried import DESTINATION
from sendright.properties.provenance.derivation import Derivation
from sendright.properties.provenance.nodes import Boot, Node, TokenNode


class Hop(msgspec.Struct, frozen=True, kw_only=True):
    """One edge of the path by which a right or token came: ``call`` at ``step`` (-1: the boot) gave ``gives``."""

    how: str
    call: str
    step: int
    gives: str


class Leg(msgspec.Struct, frozen=True, kw_only=True):
    """One part of a path by which a right can come to a task."""

    words: str
    """The task that passes it, and the task that gets it."""
    by: tuple[str, ...]
    """The rights that make it possible; the first leg has the existing right."""
    calls: int


class Reach(msgspec.Struct, frozen=True, kw_only=True):
    """Whether one task holds, or can obtain, a right to the port."""

    task: int
    takes_part: bool
    """False: the task is trusted not to pass rights on."""
    holds: tuple[str, ...]
    """Rights to the port that are in the task's name space now."""
    calls: int | None
    """The number of calls on the shortest path found: 0 if it holds one; None: there is no path."""
    way: tuple[Leg, ...] = ()
    prevented_by: tuple[str, ...] | None = ()
    """A smallest set of rights whose removal prevents it; None: no removal does."""


class Authority(msgspec.Struct, frozen=True, kw_only=True):
    """The tasks that hold or can obtain rights to one port."""

    port: int
    stands_for: str
    kept: tuple[str, ...]
    """Rights to it outside name spaces: in places of tasks and of the host, in messages, in requests, and held by
    pending calls."""
    tasks: tuple[Reach, ...]
    confined_by: tuple[str, ...] | None
    """A smallest set of rights whose removal prevents all tasks that don't hold a right yet; None: there is no such
    set."""


class NoSuchPort(ValueError):
    """The requested port doesn't exist."""


def derivation_path(derivation: Derivation, node: Node) -> tuple[Hop, ...]:
    """The shortest path from the boot state to ``node``, one hop for each edge; empty: nothing explains it."""
    try:
        way = nx.shortest_path(derivation.graph, Boot(), node)
    except (nx.NetworkXNoPath, nx.NodeNotFound):
        return ()
    edges = (min(derivation.graph[one][other].values(), key=lambda edge: (edge["step"], edge["how"])) for one, other in pairwise(way))
    return tuple(Hop(**edge, gives=str(target)) for edge, target in zip(edges, way[1:], strict=True))


def token_paths(derivation: Derivation) -> dict[TokenNode, tuple[Hop, ...]]:
    """The tokens of each task that lives at the end, with the path by which it got them."""
    current = derivation.tokens.current
    return {current[task]: derivation_path(derivation, current[task]) for task in sorted(derivation.trace.final.tasks) if task in current}


def find_port(snapshot: Snapshot, wanted: str) -> int:
    """The port that ``wanted`` names: ``host_security``, ``task:N`` or ``port:N``. Raises NoSuchPort, which lists
    the choices."""
    if wanted == "host_security":
        for port, shown in snapshot.ports.items():
            if shown.object is PortObject.HOST_SECURITY:
                return port
        raise NoSuchPort("there is no host security port")
    kind, _, digits = wanted.partition(":")
    if kind not in ("task", "port") or not (digits.isascii() and digits.isdecimal() and len(digits) < 10):
        raise NoSuchPort(f"{wanted!r} names no port (write host_security, task:N or port:N)")
    number = int(digits)
    known = snapshot.tasks if kind == "task" else snapshot.ports
    if number not in known or (kind == "task" and snapshot.tasks[number].port not in snapshot.ports):
        raise NoSuchPort(f"there is no live {kind} {number} (choose one of {', '.join(map(str, sorted(known))) or 'none'})")
    return snapshot.tasks[number].port if kind == "task" else number


def authority(snapshot: Snapshot, port: int, profile: Profile | None = None, trusted: Collection[int] = ()) -> Authority:
    """The tasks that hold, or can obtain, a right to the live ``port`` in the state ``snapshot``.

    ``profile`` says how the kernel makes host rights (None: in all known ways); ``trusted`` tasks don't pass rights on.
    Raises NoSuchPort.
    """
    if port not in snapshot.ports:
        raise NoSuchPort(f"there is no live port {port} (choose one of {', '.join(map(str, sorted(snapshot.ports))) or 'none'})")
    flows = FlowGraph(snapshot, port, trusted, profile)
    rights = {slot: flows.entries[slot] for slot in sorted(flows.entries) if flows.entries[slot].port == port}
    distances, ways = nx.single_source_dijkstra(flows.graph, flows.target)
    reaches = []
    for task in sorted(snapshot.tasks):
        node = Container("task", task)
        holds = tuple(f"{entry_in_words(entry)} at {slot}" for slot, entry in rights.items() if (slot.where, slot.owner) == ("name", task))
        reached = node in distances and task not in flows.passive
        reaches.append(
            Reach(
                task=task,
                takes_part=task not in flows.passive,
                holds=holds,
                calls=0 if holds else int(distances[node]) if reached else None,
                way=_legs(flows, ways[node]) if reached else (),
                prevented_by=prevention(flows, [task]) if reached else (),
            )
        )
    others = [reach.task for reach in reaches if reach.calls]
    shown = snapshot.ports[port]
    return Authority(
        port=port,
        stands_for=_stands_for(shown),
        kept=tuple(f"{entry_in_words(entry)} at {slot}" for slot, entry in sorted(slots(snapshot).items()) if entry.port == port and _is_kept(slot)),
        tasks=tuple(reaches),
        confined_by=prevention(flows, others) if others else (),
    )


def _stands_for(port: Port) -> str:
    if port.object is PortObject.TASK or port.task is None:
        return f"task {port.task}" if port.task is not None else "nothing" if not port.object else port.object.name.lower()
    return f"{port.object.name.lower().removeprefix('task_')} port of task {port.task}"


def _is_kept(slot: Slot) -> bool:
    return slot.where != "name" and (slot.where, slot.index) != ("message", DESTINATION)


def prevention(flows: FlowGraph, tasks: Iterable[int]) -> tuple[str, ...] | None:
    """A smallest set of rights, in words, whose removal keeps ``tasks`` from obtaining a right to the target; None:
    there is none."""
    network = flows.graph.copy()
    end = "end"
    network.add_node(end)
    for task in tasks:
        network.add_edge(Container("task", task), end)
    try:
        _, (near, _) = nx.minimum_cut(network, flows.target, end)
    except nx.NetworkXUnbounded:
        return None
    cut = sorted(node.slot for node in near if isinstance(node, SlotEntry) and SlotExit(node.slot) not in near)
    return tuple(f"{entry_in_words(flows.entries[slot])} at {slot}" for slot in cut)


def _legs(flows: FlowGraph, way: list[FlowNode]) -> tuple[Leg, ...]:
    """The path, from one container of rights to the next."""
    legs: list[Leg] = []
    source: Container | None = None
    by: list[str] = []
    along: ToReceiver | FromReceiver | None = None
    calls = 0
    for one, other in pairwise(way):
        calls += flows.graph[one][other]["weight"]
        if isinstance(other, SlotEntry):
            by.append(f"{entry_in_words(flows.entries[other.slot])} at {other.slot}")
        elif isinstance(other, (ToReceiver, FromReceiver)):
            along = other
        elif isinstance(other, Container):
            legs.append(Leg(words=_leg_in_words(flows, source, other, along, calls), by=tuple(by), calls=calls))
            source, by, along, calls = other, [], None, 0
    return tuple(legs)


def _leg_in_words(flows: FlowGraph, source: Container | None, target: Container, along: ToReceiver | FromReceiver | None, calls: int) -> str:
    if source is None:
        return f"{target} requests it" if calls else f"{target} has it"
    if along is not None:
        by_task_port = controlled_by(flows.snapshot, flows.snapshot.ports[along.port]) is not None
        if isinstance(along, ToReceiver):
            return f"{source} {'puts it into the space of' if by_task_port else 'sends it to'} {target}"
        return f"{target} extracts it from {source}" if by_task_port else f"{source} replies to {target} with it"
    if target.kind == "host":
        return f"{source} makes it a special port of the host"
    if source.kind in ("host", "port"):
        return f"{target} gets it from {source}"
    if source.kind == "message":
        return f"{target} receives {source}"
    if target.kind in ("opened host", "opened port"):
        return f"{source} gets access to {target}, to use the rights there"
    return f"{source} receives {str(target).removeprefix('opened ')}, to use the rights in it"
