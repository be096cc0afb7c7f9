"""The derivation graph: how every right and token of a run came to be where it is, from the trace alone.

Nodes are rights in slots over time (a right that gains a source gets a new version), ports, tasks, tokens and messages.
An edge says which call at which step created its target, and from what. The graph has no cycles, and one root: the boot
state. A node without an explanation has no edge into it, and is a violation.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from sendright.mach.abi.codes import IN_PROGRESS, ReturnCode, code_name
from sendright.mach.abi.rights import SlotKind
from sendright.mach.signatures import CHILD_MAKERS
from sendright.mach.state.snapshot import Entry, Slot, Snapshot, entry_in_words, slots
from sendright.mach.state.trace import Step, Trace, Violation
from sendright.mach.state.view import ViewPart, is_shown
from sendright.properties.provenance.call_flows import StepView, flows
from sendright.properties.provenance.nodes import BOOT_STEP, Boot, MessageNode, Node, PortNode, RightNode, TaskNode
from sendright.properties.provenance.origins import Gain, HeldRight, Origin, Origins, Rights, parts
from sendright.properties.provenance.token_history import KERNEL_TOKENS, TokenHistory

if TYPE_CHECKING:
    import networkx as nx


class Derivation:
    """The graph of one trace, and its unexplained nodes.

    ``graph`` is a networkx MultiDiGraph of ``derivation_nodes``. Edges have ``how``, ``call`` and ``step``; rights that
    no longer exist have ``until``.
    """

    def __init__(self, trace: Trace) -> None:
        import networkx as nx  # here, as it takes long, and a judged run needs no graph

        self.trace = trace
        self.graph: nx.MultiDiGraph[Node] = nx.MultiDiGraph()
        self.violations: list[Violation] = []
        self.current: dict[tuple[Slot, HeldRight], RightNode] = {}
        """The rights after the last step, by their slot and kind."""
        self._ports: set[int] = set()
        self._begin(trace.initial)
        rights = Rights(trace.initial, trace.profile)
        tokens = TokenHistory(trace.initial, rights.profile)
        for node in (KERNEL_TOKENS, *tokens.current.values()):
            self._edge(Boot(), node, "granted at boot")
        for step in trace.steps:
            self._tasks_and_ports(rights, step)
            self._rights(step, Origins(rights, step, flows(rights, step)).of_gains())
            for source, target, how in tokens.advance(rights, step):
                self._edge(TaskNode(step.task) if source is None else source, target, how, step)
            rights.advance(step)
        self.tokens = tokens
        self.violations += tokens.violations(trace)

    def _begin(self, initial: Snapshot) -> None:
        for number in initial.ports:
            self._ports.add(number)
            self._edge(Boot(), PortNode(number), "granted at boot")
            for message in initial.ports[number].queue:
                self._edge(Boot(), MessageNode(message.serial), "granted at boot")
        for number in initial.tasks:
            self._edge(Boot(), TaskNode(number), "granted at boot")
        for slot, entry in slots(initial).items():
            for part, _ in parts(entry):
                node = self.current[slot, part] = RightNode(slot, part.kind, part.port, BOOT_STEP)
                self._edge(Boot() if part.port is None else PortNode(part.port), node, "granted at boot")

    def _tasks_and_ports(self, rights: Rights, step: Step) -> None:
        """Add the tasks and ports that the step created, before the rights to them."""
        maker = TaskNode(step.task)
        if step.created_task is not None:
            child = TaskNode(step.created_task)
            self._edge(maker, child, "made", step)
            made = step.call in CHILD_MAKERS and step.code in (ReturnCode.KERN_SUCCESS, *IN_PROGRESS)
            parent = StepView(rights, step).task("parent_task") if made else -1
            if parent >= 0 and parent != step.task:
                self._edge(TaskNode(parent), child, "inherited", step)
            maker = child
        for change in step.changes:
            port = change.after.port
            if port is not None and port not in self._ports:
                self._ports.add(port)
                self._edge(maker, PortNode(port), "made", step)

    def _rights(self, step: Step, explained: list[tuple[Gain, tuple[Origin, ...]]]) -> None:
        """Add the rights that the step created, and end those that it removed."""
        gained: list[tuple[Gain, RightNode]] = []
        for gain, origins in explained:
            new = RightNode(gain.slot, gain.kind, gain.port, step.index)
            gained.append((gain, new))
            self.graph.add_node(new)
            for origin in origins:
                if origin.slot is not None and origin.part is not None:
                    source: Node = self.current[origin.slot, origin.part]
                else:
                    source = TaskNode(step.task) if gain.port is None else PortNode(gain.port)
                self._edge(source, new, origin.how, step)
            before = self.current.get((gain.slot, gain.part))
            if origins and before is not None:
                self._edge(before, new, "kept", step)
            if not origins and is_visible(gain, self.trace.shows):
                self.violations.append(no_explanation(step, gain))
            elif not origins:
                self._edge(TaskNode(step.task), new, "not shown", step)
        for change in step.changes:
            remaining = {part for part, _ in parts(change.after)}
            for part, _ in parts(change.before):
                node = self.current.pop((change.slot, part), None) if part not in remaining else None
                if node is not None:  # a right that a kernel shows at two places as one ends at the first end
                    self.graph.nodes[node]["until"] = step.index
        for gain, new in gained:
            self.current[gain.slot, gain.part] = new

    def _edge(self, source: Node, target: Node, how: str, step: Step | None = None) -> None:
        self.graph.add_edge(source, target, how=how, call="" if step is None else step.call, step=BOOT_STEP if step is None else step.index)


def derive(trace: Trace) -> Derivation:
    """The derivation graph of ``trace``, for any implementation."""
    return Derivation(trace)


def unexplained(trace: Trace) -> tuple[Violation, ...]:
    """The unexplained rights and tokens of ``trace``, as violations of kind ``derivation``; faster than the graph."""
    found: list[Violation] = []
    rights = Rights(trace.initial, trace.profile)
    tokens = TokenHistory(trace.initial, rights.profile)
    for step in trace.steps:
        explained = Origins(rights, step, flows(rights, step)).of_gains()
        found += [no_explanation(step, gain) for gain, origins in explained if not origins and is_visible(gain, trace.shows)]
        for _ in tokens.advance(rights, step):
            pass  # advance() updates the history
        rights.advance(step)
    return (*found, *tokens.violations(trace))


def is_visible(gain: Gain, shows: Collection[ViewPart] | None) -> bool:
    """Whether an implementation with these ``shows`` shows the right itself and its port, so that an explanation is
    required.

    A dead name depends on all rights to its port, in all slots: it is visible only if everything is shown.
    """
    if shows is None:
        return True
    if gain.kind in (SlotKind.DEAD_NAME, SlotKind.PORT_SET):
        return gain.kind is SlotKind.PORT_SET and is_shown(gain.slot, shows)
    return is_shown(gain.slot, shows) and gain.port is not None and ViewPart.PORT in shows


def no_explanation(step: Step, gain: Gain) -> Violation:
    """The violation of a right that ``step`` created and that nothing explains."""
    right = entry_in_words(Entry(gain.kind, gain.port))
    more = "one more reference to a " if gain.kind in (SlotKind.SEND, SlotKind.DEAD_NAME) and _was_there(step, gain) else ""
    return Violation(
        step=step.index,
        kind="derivation",
        clause="every right comes from an earlier right or from the kernel object that it was made from",
        words=f"{gain.slot} got {more}{right} by {step.call}, which returned {code_name(step.code)}; no earlier right explains it",
    )


def _was_there(step: Step, gain: Gain) -> bool:
    return any(change.slot == gain.slot and gain.part in dict(parts(change.before)) for change in step.changes)
