"""Compares runs and states with a policy: the first state in which a task has what the policy doesn't allow.

The labels of new tasks and ports follow from the calls that make them, as in the proof (``model/policy/labelling.py``).
A trace shows rights after each call. It shows memory only in its first and last state, and not what memory a new task
begins with.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from sendright.mach.abi.rights import Place, PortObject, SlotKind
from sendright.mach.kernel.profiles import PROFILES
from sendright.mach.results.policies import CheckedRun, MissingEdge, PolicyBreak, PolicyHop
from sendright.mach.state.snapshot import Entry, Slot, Snapshot, entry_in_words, slots
from sendright.mach.state.trace import Step, Trace
from sendright.model.policy.policy import ROLES, Authority, Edge, Policy, Where
from sendright.properties.provenance.authority import derivation_path
from sendright.properties.provenance.call_flows import StepView
from sendright.properties.provenance.carried import DESTINATION
from sendright.properties.provenance.derivation import derive
from sendright.properties.provenance.nodes import BOOT_STEP, RightNode, TokenNode
from sendright.properties.provenance.origins import HeldRight, Rights, parts
from sendright.properties.provenance.token_history import TokenHistory

_RECEIVING = (SlotKind.RECEIVE, SlotKind.SEND_RECEIVE)


class NoLabel(ValueError):
    """The policy doesn't say which label a task or a port of a run has. The message says what to write."""


class _Found(NamedTuple):
    """What a state has and the policy doesn't allow."""

    edge: Edge
    words: str
    right: tuple[Slot, HeldRight] | None = None


def check_trace(policy: Policy, trace: Trace, source: str) -> CheckedRun:
    """Compare every state of ``trace`` with ``policy``. ``source`` says where the trace is from.

    Raises NoLabel if the labels of its tasks and ports don't follow from the policy.
    """
    run = _Run(policy, trace.initial, trace.profile)
    found = next(run.of_state(trace.initial), None)
    step: Step | None = None
    states = 1
    for step in trace.steps if found is None else ():
        found = next(run.after(step), None)
        states += 1
        if found is not None:
            break
    if found is None:
        found, step = next(run.sharing(trace.final), None), trace.steps[-1] if trace.steps else None
    broken = None if found is None else _broken(found, step if states > 1 else None, trace)
    return CheckedRun(source=source, profile=trace.profile, states=states, broken=broken, trace=trace if broken else None)


def check_state(policy: Policy, state: Snapshot, profile: str, source: str) -> CheckedRun:
    """Compare one state with ``policy``. Raises NoLabel."""
    run = _Run(policy, state, profile)
    found = next(run.of_state(state), None)
    broken = None if found is None else _broken(found, None, None)
    return CheckedRun(source=source, profile=profile, states=1, broken=broken, trace=_without_calls(state, profile, source) if broken else None)


def _without_calls(state: Snapshot, profile: str, source: str) -> Trace:
    """A run that is nothing but its first state."""
    limits = PROFILES[profile]
    return Trace(
        implementation=source,
        profile=profile,
        urefs_max=limits.urefs_max,
        queue_limit=limits.queue_limit,
        initial=state,
        steps=(),
        final=state,
    )


def _broken(found: _Found, step: Step | None, trace: Trace | None) -> PolicyBreak:
    return PolicyBreak(
        step=None if step is None else step.index,
        task=None if step is None else step.task,
        call="" if step is None else step.call,
        words=found.words,
        missing=MissingEdge(str(found.edge), found.edge.toml),
        path=() if trace is None or found.right is None else _path(trace, *found.right, BOOT_STEP if step is None else step.index),
    )


def _path(trace: Trace, slot: Slot, right: HeldRight, step: int) -> tuple[PolicyHop, ...]:
    """How the right came into the slot by the end of ``step``."""
    derivation = derive(trace)
    nodes = [node for node in derivation.graph if isinstance(node, RightNode) and (node.slot, node.kind, node.port) == (slot, *right)]
    node = max((node for node in nodes if node.step <= step), key=lambda node: node.step, default=None)
    hops = derivation_path(derivation, node) if node is not None else ()
    return tuple(PolicyHop(None if hop.step == BOOT_STEP else hop.step, hop.call, hop.how, hop.gives) for hop in hops)


class _Run:
    """The labels of a run, and its rights, from step to step."""

    def __init__(self, policy: Policy, initial: Snapshot, profile: str) -> None:
        self.policy = policy
        self.rights = Rights(initial, profile)
        self.tokens = TokenHistory(initial, PROFILES.get(profile))
        self.tasks: dict[int, str] = {}
        self.ports: dict[int, str] = {}
        for task in initial.tasks:
            self.tasks[task] = self._of_task_at_boot(task)
        self._label_ports(self.rights.slots)

    # ---- labels

    def _of_task_at_boot(self, task: int) -> str:
        policy = self.policy
        label = policy.named_tasks.get(task) or (policy.first_task if task == 0 else policy.other_tasks)
        if label is None:
            raise NoLabel(
                f"task {task} is there from the beginning, and no line gives it a label (write [tasks] {task} = …, or 'other tasks' in [boot])"
            )
        return label

    def _label_task(self, task: int, parent: int) -> None:
        above = self.tasks.get(parent)
        choices = self.policy.children[above] if above is not None else ()
        named = self.policy.named_tasks.get(task)
        self.tasks[task] = self._chosen(f"task {task}", named, choices, f"a child of {above}", f"[tasks] {task}")

    def _label_ports(self, entries: dict[Slot, Entry]) -> None:
        """Give labels to the users' ports that have none yet, by the spaces in which their receive rights are."""
        for slot, entry in entries.items():
            port = entry.port
            if port is None or entry.kind not in _RECEIVING or port in self.ports or port in self.rights.objects:
                continue
            named = self.policy.named_ports.get(port)
            owner = self.tasks.get(slot.owner) if slot.where == "name" else None
            choices = self.policy.ports[owner] if owner is not None else ()
            self.ports[port] = self._chosen(f"port {port}", named, choices, f"a port of {owner}", f"[user_ports] {port}")

    def _chosen(self, what: str, named: str | None, choices: tuple[str, ...], kind: str, where: str) -> str:
        if named is not None and choices and named not in choices:
            raise NoLabel(f"{what} is named {named}, but {kind} is {' or '.join(choices)} (change {where})")
        if named is not None or len(choices) == 1:
            return named or choices[0]
        raise NoLabel(f"{what} can have more than one label: {kind} is {' or '.join(choices) or 'not known'} (write {where} = …)")

    def _task(self, task: int) -> str:
        if task not in self.tasks:
            raise NoLabel(f"task {task} has no label: no call of the run makes it (make the run again)")
        return self.tasks[task]

    def _port(self, port: int) -> str:
        if port not in self.ports:
            raise NoLabel(f"port {port} has no label: no state has its receive right under a name (write [user_ports] {port} = …)")
        return self.ports[port]

    # ---- what states have

    def of_state(self, state: Snapshot) -> Iterator[_Found]:
        """What the initial state has and the policy doesn't allow."""
        yield from self._lacking(slots(state))
        yield from self.sharing(state)

    def after(self, step: Step) -> Iterator[_Found]:
        """Advance by ``step``; what the state after it has and the policy doesn't allow."""
        self._task(step.task)
        parent = StepView(self.rights, step).parent()
        had = dict(self.tokens.current)
        given = list(self.tokens.advance(self.rights, step))
        self.rights.advance(step)
        if step.created_task is not None:
            self._label_task(step.created_task, parent)
        changed = {change.slot: change.after for change in step.changes if change.after.kind is not SlotKind.NONE}
        self._label_ports(changed)
        yield from self._lacking(changed)
        for edge in given:
            target = edge.target
            if edge.source is None and isinstance(target, TokenNode) and target.task is not None:
                was = had.get(target.task) or had.get(parent)
                if was is None or (was.security, was.audit) != (target.security, target.audit):
                    yield from self._tokens(step, target.task)

    def _tokens(self, step: Step, task: int) -> Iterator[_Found]:
        who, to = self._task(step.task), self._task(task)
        if not self.policy.allows(Where.HOLDS, who, Authority.GIVE_TOKENS, to):
            words = f"task {step.task} ({who}) gave task {task} ({to}) its tokens"
            yield _Found(Edge(Where.HOLDS.value, who, Authority.GIVE_TOKENS.value, to), words)

    def sharing(self, state: Snapshot) -> Iterator[_Found]:
        """Memory that tasks of ``state`` share and the policy doesn't allow."""
        mapped: dict[tuple[int, int], set[int]] = {}
        for task, shown in state.tasks.items():
            for page in shown.memory.values():
                mapped.setdefault(page.shares_with, set()).add(task)
        for tasks in mapped.values():
            for one in sorted(tasks):
                for other in sorted(tasks - {one}):
                    who, to = self._task(one), self._task(other)
                    if not self.policy.allows(Where.HOLDS, who, Authority.SHARE, to):
                        yield _Found(
                            Edge(Where.HOLDS.value, who, Authority.SHARE.value, to), f"task {one} ({who}) shares memory with task {other} ({to})"
                        )

    def _lacking(self, entries: dict[Slot, Entry]) -> Iterator[_Found]:
        for slot, entry in sorted(entries.items()):
            place = self._where(slot)
            for right, _ in parts(entry) if place is not None else ():
                where, who = place  # type: ignore[misc]
                for authority, to in self._gives(right):
                    if not self.policy.allows(where, who, authority, to):
                        words = f"{slot} ({who}): {entry_in_words(Entry(right.kind, right.port))} ({to})"
                        yield _Found(Edge(where.value, who, authority.value, to), words, (slot, right))
            if slot.where == "port-destroyed" and entry.port in self.ports:
                yield from self._rescue(slot, entry)

    def _rescue(self, slot: Slot, entry: Entry) -> Iterator[_Found]:
        """If the port dies, its receive right goes to the port of the request."""
        to, who = self._port(slot.owner), self._port(entry.port or 0)
        if not self.policy.allows(Where.CARRIES, who, Authority.RECEIVE, to):
            words = f"port {slot.owner} ({to}): its receive right will go to port {entry.port} ({who})"
            yield _Found(Edge(Where.CARRIES.value, who, Authority.RECEIVE.value, to), words, (slot, parts(entry)[0][0]))

    def _where(self, slot: Slot) -> tuple[Where, str] | None:
        """Where a right in the slot lies, and the label that has it there. None: no task gets it."""
        if slot.where in ("name", "request", "held"):
            return Where.HOLDS, self._task(slot.owner)
        if slot.where == "place":
            return Where.HOLDS if slot.index == Place.KERNEL else Where.KEEPS, self._task(slot.owner)
        if slot.where == "host":
            return Where.CARRIES, self.policy.roles["privileged host port"] or ""
        if slot.where != "message":
            return Where.CARRIES, self._port(slot.owner)
        sender = next((task for task, call in self.rights.unfinished.items() if slot.owner in call.messages), None)
        if sender is not None:
            return Where.HOLDS, self._task(sender)
        queue = self.rights.at(Slot("message", slot.owner, DESTINATION)).port
        if slot.index == DESTINATION or queue not in self.ports:
            return None
        return Where.CARRIES, self._port(queue)

    def _gives(self, right: HeldRight) -> Iterator[tuple[Authority, str]]:
        """The authority that the right gives, over which label."""
        port = right.port
        if port is None:
            return
        object_ = self.rights.objects.get(port, PortObject.NONE)
        if object_ is PortObject.TASK:
            task = self.rights.task_of.get(port)
            if task is None:
                raise NoLabel(f"port {port} has no label: it is a task's port, but no task of the run has it (make the run again)")
            yield Authority.CONTROL, self._task(task)
        elif object_ is not PortObject.NONE:
            label = next((self.policy.roles[role] for role, kind in ROLES.items() if kind is object_), None)
            if label is not None:
                yield Authority.HOLD, label
        elif right.kind in _AUTHORITY:
            yield _AUTHORITY[right.kind], self._port(port)


_AUTHORITY = {SlotKind.SEND: Authority.SEND, SlotKind.SEND_ONCE: Authority.SEND_ONCE, SlotKind.RECEIVE: Authority.RECEIVE}
