"""Invariants of tasks, kernel ports and memory."""

from __future__ import annotations

from collections.abc import Iterator

import z3

from sendright.mach.abi.rights import FURTHER_TASK_PORTS, Place, PortObject
from sendright.model.language.invariant import Variables, forall, invariant, named
from sendright.model.language.sorts import KIND, LIFE, OBJECT, PLACE, WAIT, Term
from sendright.model.language.state import State


@invariant(41, "a terminated task has nothing")
def terminated(v: Variables, s: State) -> Iterator[tuple[str, Term]]:
    """A task that isn't alive has an empty space, no special, registered or exception ports, no memory, and no live
    port, and waits for nothing.

    No suspend count is negative.
    """
    ended = z3.Not(s.alive(v.t))
    yield "names", forall([v.t, v.n], z3.Implies(ended, s.empty(named(v))))
    yield "places", forall([v.t, v.w], z3.Implies(ended, s.empty(v.S.place_slot(v.t, v.w))))
    yield "memory", forall([v.t, v.i], z3.Implies(ended, s.mapped(v.t, v.i) == v.sorts.no_object))
    yield "suspend counts", forall([v.t], s.suspend_count(v.t) >= 0)
    yield "waiting", forall([v.t], z3.Implies(ended, s.wait(v.t) == WAIT.NOTHING))
    of_task = z3.And(s.active(v.p), s.object(v.p) == OBJECT.of(PortObject.TASK))
    yield "port", forall([v.p], z3.Implies(of_task, z3.And(s.alive(s.object_task(v.p)), s.task_port(s.object_task(v.p)) == v.p)))


# ---- companions, which the other invariants need


@invariant(131, "a further port of a task stands for it while it lives", lambda profile: bool(profile.further_ports))
def further_ports(v: Variables, s: State) -> Iterator[tuple[str, Term]]:
    """A further port of a live task is active and stands for it. An active port that is a further port of a task is
    that of a live task.
    """
    for kind in FURTHER_TASK_PORTS:
        object_ = OBJECT.of(kind)
        port = s.flavour_port(v.t, object_)
        stands = z3.And(s.active(port), s.object(port) == object_, s.object_task(port) == v.t)
        made = z3.And(s.alive(v.t), port != v.sorts.no_port)
        yield f"{kind.name.lower()}: the port", forall([v.t], z3.Implies(made, stands))
        task = s.object_task(v.p)
        of_task = z3.And(s.active(v.p), s.object(v.p) == object_)
        known = z3.And(s.alive(task), s.flavour_port(task, object_) == v.p)
        yield f"{kind.name.lower()}: the task", forall([v.p], z3.Implies(of_task, known))


@invariant(137, "a suspended task has a resume port", lambda profile: profile.resume_ports)
def resume_ports(v: Variables, s: State) -> Iterator[tuple[str, Term]]:
    """Where suspensions are held by rights to resume ports, a live task that is suspended has one.

    (Between calls there is a send right to it: ``Context.nothing_left_to_do``.)
    """
    port = s.flavour_port(v.t, OBJECT.of(PortObject.TASK_RESUME))
    suspended = z3.And(s.alive(v.t), s.suspend_count(v.t) > 0)
    yield "the port", forall([v.t], z3.Implies(suspended, port != v.sorts.no_port))


@invariant(101, "a live task has a live port")
def task_ports(v: Variables, s: State) -> Iterator[tuple[str, Term]]:
    """A live task's port is active and stands for it."""
    port = s.task_port(v.t)
    body = z3.And(s.active(port), s.object(port) == OBJECT.of(PortObject.TASK), s.object_task(port) == v.t)
    yield "the port", forall([v.t], z3.Implies(s.alive(v.t), body))


@invariant(102, "the kernel receives for its own ports")
def kernel_ports(v: Variables, s: State) -> Iterator[tuple[str, Term]]:
    """A port stands for a kernel object exactly if the kernel has its receive right.

    There is no send-once right to such a port.
    """
    kernel = s.receiver(v.p) == v.S.kernel_slot(v.p)
    yield "the receive right", forall([v.p], z3.Implies(s.active(v.p), (s.object(v.p) != OBJECT.OBJECT_NONE) == kernel))
    once = s.kind(v.s) == KIND.SEND_ONCE
    yield "no send-once right", forall([v.s], z3.Implies(once, s.object(s.port(v.s)) == OBJECT.OBJECT_NONE))
    host = v.sorts.host_port
    yield "the host port lives", z3.And(s.active(host), s.object(host) == OBJECT.of(PortObject.HOST))


@invariant(106, "memory objects are made")
def objects(v: Variables, s: State) -> Iterator[tuple[str, Term]]:
    """A mapped object was made, and so was one in a message."""
    there, carried = s.mapped(v.t, v.i), s.memory(v.m, v.i)
    yield "mapped objects", forall([v.t, v.i], z3.Implies(there != v.sorts.no_object, s.object_made(there)))
    yield "carried objects", forall([v.m, v.i], z3.Implies(carried != v.sorts.no_object, s.object_made(carried)))


@invariant(116, "the privileged host port lives", lambda profile: not profile.host_is_checked or profile.has_processes)
def privileged_port(v: Variables, s: State) -> Iterator[tuple[str, Term]]:
    """The host's privileged port is active and stands for it.

    (A kernel with hazard H-4 gives it to callers that present another port, and one with processes to those that are
    root.)
    """
    port = v.sorts.host_priv_port
    yield "the port", z3.And(s.active(port), s.object(port) == OBJECT.of(PortObject.HOST_PRIV))


@invariant(119, "a task's self port is its own port", lambda profile: Place.KERNEL in profile.protected_places)
def own_place(v: Variables, s: State) -> Iterator[tuple[str, Term]]:
    """Where the place KERNEL can't be set, a live task's holds a right to its own port, and mach_task_self gives no
    other (no hazard H-23).
    """
    slot = v.S.place_slot(v.t, PLACE.of(Place.KERNEL))
    own = z3.And(s.kind(slot) == KIND.SEND, s.port(slot) == s.task_port(v.t))
    yield "its own port", forall([v.t], z3.Implies(s.alive(v.t), own))


@invariant(125, "no task waits in a creation", lambda profile: not profile.tokens_in_two_steps)
def no_stopped_creations(v: Variables, s: State) -> Iterator[tuple[str, Term]]:
    """Where a creation has one step, no task waits in one: the rule that would go on with it isn't used."""
    yield "waiting", forall([v.t], s.wait(v.t) != WAIT.CREATING)


@invariant(123, "a stopped creation has made its child", lambda profile: profile.tokens_in_two_steps)
def half_made(v: Variables, s: State) -> Iterator[tuple[str, Term]]:
    """The child of a stopped creation was made.

    The host port that it will get is one of the host's two, and is active.
    """
    stopped, port = s.wait(v.t) == WAIT.CREATING, s.waits_host(v.t)
    yield "its child", forall([v.t], z3.Implies(stopped, s.task_life(s.waits_child(v.t)) != LIFE.UNBORN))
    hosts = z3.Or(*[s.object(port) == OBJECT.of(kind) for kind in (PortObject.HOST, PortObject.HOST_PRIV)])
    yield "its host port", forall([v.t], z3.Implies(stopped, z3.And(s.active(port), hosts)))
