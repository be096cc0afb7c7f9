"""A policy as terms: every task and every port has a label, and a state keeps the policy.

The labels of tasks and ports are a function of which nothing is known, except which labels new tasks and ports get. So
what is proved holds for every way to label a system, and for any number of tasks and ports with the same label. This is
theorem 2 (``model/invariants/theorems.py``) with any number of parts instead of two halves, and with authority between
them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from enum import Enum
from functools import cache
from typing import NamedTuple

import z3

from sendright.mach.abi.rights import Place, PortObject
from sendright.mach.kernel.profiles import Profile
from sendright.model.language.invariant import Variables
from sendright.model.language.sorts import KIND, LIFE, OBJECT, PLACE, PROCESS, STAGE, WAIT, Enumeration, Term
from sendright.model.language.state import State
from sendright.model.language.step_property import forall
from sendright.model.language.transition import SETS_TOKENS, Transition
from sendright.model.policy.policy import OF_RIGHTS, ROLES, Authority, Edge, Policy, Where

SHARING = "who shares memory with whom"
BY_PID = "who can get whose port by a pid"
Clause = tuple[str, Term]


class Answers(Enum):
    """For what a policy answers, if the caller is of a trusted label."""

    ALWAYS = "for all that the step does"
    UNLESS_GIVEN_AWAY = "for what the caller and new tasks get, not for what the caller gives away"
    UNLESS_TRUSTED = "for nothing"


class Need(NamedTuple):
    """``when`` it holds, ``who`` needs ``authority`` over ``to``; both are terms for labels."""

    when: Term
    where: Where
    authority: Authority
    who: Term
    to: Term


class Demand(NamedTuple):
    """For all ``variables``, the policy allows what is needed."""

    title: str
    variables: list[Term]
    needs: list[Need]
    answers: Answers


@cache
def labels_sort(count: int) -> Enumeration:
    """The labels of a policy with ``count`` of them. They have numbers, so that a label's new name needs no new
    proofs.
    """
    return Enumeration(f"LabelOf{count}", [f"LABEL_{index}_OF_{count}" for index in range(count)])


class Labelling:
    """Any labelling of tasks and ports by the labels of ``policy``, in the universe of ``v``."""

    def __init__(self, v: Variables, policy: Policy, profile: Profile) -> None:
        self.v, self.policy, self.profile = v, policy, profile
        self.sort = labels_sort(len(policy.labels))
        self.of_task = z3.Function("label_of_task", v.sorts.Task, self.sort.sort)
        self.of_port = z3.Function("label_of_port", v.sorts.Port, self.sort.sort)
        """The label of a user's port."""
        boolean = z3.BoolSort()
        self.may = {
            (where, authority): z3.Function(f"may_{where.value}_{authority.value}", self.sort.sort, self.sort.sort, boolean)
            for where in Where
            for authority in (OF_RIGHTS if where is not Where.HOLDS else tuple(each for each in Authority if each is not Authority.READ))
        }
        self.labelled = {role: label for role, label in policy.roles.items() if label is not None}

    def constant(self, label: str) -> Term:
        return self.sort.of(self.policy.labels.index(label))

    def label(self, constant: Term) -> str:
        """The label of a constant of ``sort``."""
        [index] = [index for index, each in enumerate(self.sort.constants) if each.eq(constant)]
        return self.policy.labels[index]

    def is_one_of(self, term: Term, labels: tuple[str, ...]) -> Term:
        return z3.Or(*[term == self.constant(label) for label in labels])

    # ---- what is assumed

    def facts(self) -> list[Term]:
        """The policy, pair by pair, and which labels tasks and users' ports can have."""
        policy, v = self.policy, self.v
        known = []
        for (where, authority), may in self.may.items():
            for who in policy.labels:
                for to in policy.labels:
                    pair = may(self.constant(who), self.constant(to))
                    known.append(pair if policy.allows(where, who, authority, to) else z3.Not(pair))
        known.append(forall([v.t], self.is_one_of(self.of_task(v.t), policy.of_tasks)))
        known.append(forall([v.p], self.is_one_of(self.of_port(v.p), policy.of_ports)))
        return known

    def of_what_is_new(self, x: Transition) -> list[Term]:
        """The labels of tasks and ports that the step makes: of a task by its parent's label, of a user's port by that
        of the task in whose space it is made.
        """
        v, b, a = self.v, x.before, x.after
        here = self.of_task(v.S.space(a.receiver(v.p)))
        new_port = z3.And(b.port_life(v.p) == LIFE.UNBORN, a.active(v.p), a.object(v.p) == OBJECT.OBJECT_NONE)
        known = []
        for label in self.policy.of_tasks:
            port = self.is_one_of(self.of_port(v.p), self.policy.ports[label])
            if x.creates:
                child = self.is_one_of(self.of_task(v.t), self.policy.children[label])
                of_parent = self.of_task(x.parent) == self.constant(label)
                known.append(forall([v.t], z3.Implies(z3.And(x.new_task(v.t), of_parent), child)))
            known.append(forall([v.p], z3.Implies(z3.And(new_port, here == self.constant(label)), port)))
        return known

    # ---- where a right lies

    def is_carried(self, s: State, slot: Term) -> Term:
        """The slot is in a queued message, is a request of a port, or is one of the host's special ports."""
        S = self.v.S
        queued = z3.And(self.v.sorts.in_message(slot), s.stage(self.v.sorts.message_of(slot)) == STAGE.QUEUED)
        return z3.Or(queued, S.is_no_senders_slot(slot), S.is_port_destroyed_slot(slot), S.is_host_slot(slot))

    def is_kept(self, slot: Term) -> Term:
        """The slot is a place that a task's children inherit from."""
        S = self.v.S
        own = z3.Or(S.place(slot) == PLACE.of(Place.KERNEL), S.place(slot) == PLACE.PLACE_IN_HAND)
        return z3.And(S.is_place_slot(slot), z3.Not(own))

    def is_the_kernels(self, s: State, slot: Term) -> Term:
        """No task gets the right in the slot: the kernel's receive right, a receive right in limbo, and the destination
        of a queued message, which ends when the message is received.
        """
        S = self.v.S
        destination = z3.And(S.is_destination_slot(slot), s.stage(S.destined(slot)) == STAGE.QUEUED)
        return z3.Or(S.is_kernel_slot(slot), S.is_limbo_slot(slot), destination)

    def task_of(self, s: State, slot: Term) -> Term:
        """The task of a slot that isn't carried."""
        S, sorts = self.v.S, self.v.sorts
        own = z3.If(S.is_name_slot(slot), S.space(slot), z3.If(S.is_request_slot(slot), S.requester(slot), S.holder(slot)))
        return z3.If(sorts.in_message(slot), s.owner(sorts.message_of(slot)), own)

    def of_carrier(self, s: State, slot: Term) -> Term:
        """The label of the port that carries the right in the slot."""
        S = self.v.S
        of_request = z3.If(S.is_no_senders_slot(slot), S.watched(slot), S.guarded(slot))
        port = z3.If(self.v.sorts.in_message(slot), s.queue(self.v.sorts.message_of(slot)), of_request)
        label = self.of_port(port)
        privileged = self.policy.role_of(PortObject.HOST_PRIV)
        return label if privileged is None else z3.If(S.is_host_slot(slot), self.constant(privileged), label)

    def lies(self, s: State, slot: Term) -> Iterator[tuple[Term, Where, Term]]:
        """Where the right in the slot lies: in which case, where that is, and which label has it there."""
        kernels, carried, kept = self.is_the_kernels(s, slot), self.is_carried(s, slot), self.is_kept(slot)
        task = self.of_task(self.task_of(s, slot))
        yield z3.And(carried, z3.Not(kernels)), Where.CARRIES, self.of_carrier(s, slot)
        yield z3.And(kept, z3.Not(carried), z3.Not(kernels)), Where.KEEPS, task
        yield z3.Not(z3.Or(kept, carried, kernels)), Where.HOLDS, task

    # ---- what a state must keep

    def kept(self, s: State) -> list[Clause]:
        """The state keeps the policy."""
        return [(demand.title, self.clause(demand)) for demand in self.demands(s)]

    def clause(self, demand: Demand, added: Sequence[Edge] = ()) -> Term:
        """The demand holds, for all tasks, ports and slots; under the policy with the edges ``added``."""
        needed = [z3.Implies(need.when, self._met(need, added)) for need in demand.needs]
        return forall(demand.variables, z3.And(*needed) if len(needed) > 1 else needed[0])

    def _met(self, need: Need, added: Sequence[Edge]) -> Term:
        """The policy, or one of the edges ``added``, allows what is needed."""
        allowed = self.may[need.where, need.authority](need.who, need.to)
        same = [edge for edge in added if (edge.where, edge.authority) == (need.where.value, need.authority.value)]
        there = [z3.And(need.who == self.constant(edge.who), need.to == self.constant(edge.to)) for edge in same]
        return z3.Or(allowed, *there) if there else allowed

    def demands(self, s: State) -> Iterator[Demand]:
        """What the policy demands of a state."""
        v = self.v
        for title, authority, gives, to in self._rights(s, v.s):
            needs = [Need(z3.And(gives, there), where, authority, who, to) for there, where, who in self.lies(s, v.s)]
            yield Demand(title, [v.s], needs, Answers.UNLESS_GIVEN_AWAY)
        request = v.S.port_destroyed_slot(v.p)
        users = z3.And(s.object(v.p) == OBJECT.OBJECT_NONE, s.object(s.port(request)) == OBJECT.OBJECT_NONE)
        requested = z3.And(s.active(v.p), users, s.kind(request) == KIND.SEND_ONCE)
        to_whom = Need(requested, Where.CARRIES, Authority.RECEIVE, self.of_port(s.port(request)), self.of_port(v.p))
        yield Demand("where receive rights go when they are given up", [v.p], [to_whom], Answers.UNLESS_TRUSTED)
        there, living = s.mapped(v.t, v.i), z3.And(s.alive(v.t), s.alive(v.u), v.t != v.u)
        shared = z3.And(living, there != v.sorts.no_object, there == s.mapped(v.u, v.j))
        share = Need(shared, Where.HOLDS, Authority.SHARE, self.of_task(v.t), self.of_task(v.u))
        yield Demand(SHARING, [v.t, v.i, v.u, v.j], [share], Answers.UNLESS_TRUSTED)
        if self.profile.has_processes:
            yield from self._of_processes(s)
        if self.profile.tokens_in_two_steps:
            yield from self._of_stopped_creations(s)

    def _rights(self, s: State, slot: Term) -> Iterator[tuple[str, Authority, Term, Term]]:
        """What the right in ``slot`` may give: (title, authority, when it gives it, over which label)."""
        kind, port = s.kind(slot), s.port(slot)
        object_ = s.object(port)
        right = z3.And(kind != KIND.NONE, kind != KIND.DEAD_NAME, kind != KIND.PORT_SET)
        to_user = object_ == OBJECT.of(PortObject.NONE)
        leads = (PortObject.TASK, *((PortObject.TASK_ID_TOKEN,) if self.profile.has_processes else ()))
        to_task = z3.And(right, z3.Or(*[object_ == OBJECT.of(kind) for kind in leads]))
        yield "who controls whom", Authority.CONTROL, to_task, self.of_task(s.object_task(port))
        yield "who sends to whom", Authority.SEND, z3.And(to_user, s.sends(slot)), self.of_port(port)
        yield "who sends once to whom", Authority.SEND_ONCE, z3.And(to_user, kind == KIND.SEND_ONCE), self.of_port(port)
        yield "who receives from whom", Authority.RECEIVE, z3.And(to_user, s.receives(slot)), self.of_port(port)
        for role, label in self.labelled.items():
            yield f"who holds the {role}", Authority.HOLD, z3.And(right, object_ == OBJECT.of(ROLES[role])), self.constant(label)

    def _of_processes(self, s: State) -> Iterator[Demand]:
        """A process can get the port of another by its pid if they have, or can come to have, one user. One that is or
        can become root can get any, and the privileged host port.
        """
        v = self.v

        def users(task: Term) -> list[Term]:
            return [s.real_user(task), s.effective_user(task), s.saved_user(task)]

        def lives(task: Term) -> Term:
            return z3.And(s.alive(task), s.process(task) != PROCESS.NO_PROCESS)

        def root(task: Term) -> Term:
            return z3.Or(*[user == 0 for user in users(task)])

        like = z3.Or(root(v.t), *[one == other for one in users(v.t) for other in users(v.u)])
        gets = Need(z3.And(lives(v.t), lives(v.u), like), Where.HOLDS, Authority.CONTROL, self.of_task(v.t), self.of_task(v.u))
        yield Demand(BY_PID, [v.t, v.u], [gets], Answers.ALWAYS)
        privileged = self.policy.role_of(PortObject.HOST_PRIV)
        if privileged is not None:
            needs = [
                Need(z3.And(lives(v.t), root(v.t)), where, Authority.HOLD, self.of_task(v.t), self.constant(privileged))
                for where in (Where.KEEPS, Where.HOLDS)
            ]
            yield Demand("who can become root", [v.t], needs, Answers.ALWAYS)

    def _of_stopped_creations(self, s: State) -> Iterator[Demand]:
        """A creation that is stopped between its steps ends with nothing that the policy doesn't allow."""
        v = self.v
        child, host = s.waits_child(v.t), s.waits_host(v.t)
        goes_on = z3.And(s.wait(v.t) == WAIT.CREATING, s.alive(child))
        creator, created = self.of_task(v.t), self.of_task(child)
        gets = Need(goes_on, Where.HOLDS, Authority.CONTROL, creator, created)
        yield Demand("who will control the child of a stopped creation", [v.t], [gets], Answers.ALWAYS)
        untrusted = z3.And(goes_on, z3.Not(self.is_trusted(creator)))
        needs = [Need(untrusted, Where.HOLDS, Authority.GIVE_TOKENS, creator, created)]
        for role, label in self.labelled.items():
            of_role = z3.And(untrusted, s.object(host) == OBJECT.of(ROLES[role]))
            needs.append(Need(of_role, Where.KEEPS, Authority.HOLD, created, self.constant(label)))
        yield Demand("what the child of a stopped creation will get", [v.t], needs, Answers.ALWAYS)

    # ---- what a step must keep

    def is_trusted(self, label: Term) -> Term:
        return self.is_one_of(label, tuple(sorted(self.policy.trusted)))

    def demands_of_step(self, x: Transition) -> list[Demand]:
        """What the policy demands of the step, with what a trusted caller answers for left out; nothing of what the
        step leaves as it was.
        """
        trusted = z3.BoolVal(False) if x.k.rule.pending else self.is_trusted(self.of_task(x.k.caller))
        before = {demand.title: self.clause(demand) for demand in self.demands(x.before)}
        after = [demand for demand in self.demands(x.after) if not self.clause(demand).eq(before[demand.title])]
        return [self._asked(x, demand, trusted) for demand in [*after, *self._of_step(x)]]

    def _asked(self, x: Transition, demand: Demand, trusted: Term) -> Demand:
        if demand.answers is Answers.ALWAYS or not self.policy.trusted:
            return demand
        asked = z3.Not(trusted)
        if demand.answers is Answers.UNLESS_GIVEN_AWAY:
            asked = z3.Or(asked, self.is_gained(x, self.v.s))
        needs = [need._replace(when=z3.And(asked, need.when)) for need in demand.needs]
        return demand._replace(needs=needs)

    def is_gained(self, x: Transition, slot: Term) -> Term:
        """The slot is the caller's own, or a new task's. What gets there is the kernel's doing, even if the caller is
        trusted: a message may bring anything.
        """
        S, a = self.v.S, x.after
        own = z3.Or(S.is_name_slot(slot), S.is_request_slot(slot), self.v.sorts.in_message(slot), S.is_place_slot(slot))
        mine = z3.And(own, self.task_of(a, slot) == x.k.caller, z3.Not(self.is_carried(a, slot)), z3.Not(self.is_kept(slot)))
        return z3.Or(mine, z3.And(S.is_place_slot(slot), x.new_task(S.holder(slot))))

    def _of_step(self, x: Transition) -> Iterator[Demand]:
        v, a, b = self.v, x.after, x.before
        if x.creates or any(a.fields[name] is not b.fields[name] for name in ("security", "audit")):
            gives = Need(self._gives_tokens(x, v.t), Where.HOLDS, Authority.GIVE_TOKENS, self.of_task(x.k.caller), self.of_task(v.t))
            yield Demand("who gives tokens to whom", [v.t], [gives], Answers.UNLESS_TRUSTED)
        if x.creates:
            there = z3.And(x.new_task(v.t), a.mapped(v.t, v.i) != v.sorts.no_object)
            begins = Need(there, Where.HOLDS, Authority.COPY_MEMORY, self.of_task(v.t), self.of_task(x.parent))
            yield Demand("what memory a new task begins with", [v.t, v.i], [begins], Answers.UNLESS_TRUSTED)

    def _gives_tokens(self, x: Transition, task: Term) -> Term:
        """The step sets the task's tokens, or makes it with other tokens than its parent's."""
        b, a = x.before, x.after
        changed = z3.Or(a.security(task) != b.security(task), a.audit(task) != b.audit(task))
        if x.rule in SETS_TOKENS:  # a process's own doing, which gives no one else's tokens
            changed = z3.And(changed, task != x.k.caller)
        given = z3.And(b.alive(task), a.alive(task), changed)
        if x.creates:
            others = z3.Or(a.security(task) != b.security(x.parent), a.audit(task) != b.audit(x.parent))
            given = z3.Or(given, z3.And(x.new_task(task), others))
        return given
