"""Properties of steps that fail."""

from __future__ import annotations

from collections.abc import Iterator

import z3

from sendright.mach.abi.codes import ReturnCode
from sendright.mach.abi.rights import PortObject
from sendright.model.invariants.steps.locality import holds_resume, resume_port
from sendright.model.language.invariant import Variables
from sendright.model.language.rule import (
    DESTROY,
    DONE,
    HANDED_BACK,
    RESUMED_RECEIVE,
    RESUMED_SEND,
    TAKE,
    WAIT4_RESUMED,
)
from sendright.model.language.sorts import KIND, LIFE, OBJECT, STAGE, Term
from sendright.model.language.state import FIELDS, sort_named
from sendright.model.language.step_property import IN_PROGRESS, forall, step_property
from sendright.model.language.transition import (
    Transition,
)

NO_TESTS = (TAKE, DONE, HANDED_BACK, RESUMED_SEND, RESUMED_RECEIVE, WAIT4_RESUMED)
"""Rules whose error codes don't mean that a test failed."""


def _left_behind(x: Transition, field: str, point: list[Term]) -> Term:
    """The call that fails has changed ``field`` at ``point`` before it failed: it suspended its target and made a right
    to the target's resume port, or it took the caller's right to that port. (Step invariant 201 says how.)
    """
    k, b, S = x.k, x.before, x.k.sorts.Slot
    if not k.profile.resume_ports or not point:
        return z3.BoolVal(False)
    sort, first = FIELDS[field].domain[0], point[0]
    if (x.rule, x.case.code) == ("task_suspend", ReturnCode.KERN_RESOURCE_SHORTAGE):
        target, port = k.task_behind(k["task"]), resume_port(x, x.after)
        new = b.port_life(port) == LIFE.UNBORN
        if field == "suspend_count":
            return first == target
        if field == "flavour_port":
            return z3.And(first == target, point[1] == OBJECT.of(PortObject.TASK_RESUME), new)
        if sort == "Port":
            return z3.And(first == port, z3.BoolVal(True) if field == "mscount" else new)
        return z3.And(S.is_kernel_slot(first), S.of(first) == port, new) if sort == "Slot" else z3.BoolVal(False)
    if (x.rule, x.case.code) == ("task_resume", k.profile.resume_at_zero_code):
        port, name = resume_port(x, b), z3.Const("held", k.sorts.Name)
        held = z3.Exists([name], holds_resume(x, b, S.name_slot(k.caller, name)))
        if field == "known_as":
            return z3.And(first == k.caller, point[1] == port, held)
        if sort == "Port":
            return z3.And(first == port, field in ("srights", "sending_slots"), held)
        return holds_resume(x, b, first) if sort == "Slot" else z3.BoolVal(False)
    return z3.BoolVal(False)


@step_property(27, "a call that fails changes nothing")
def failure_changes_nothing(v: Variables, x: Transition) -> Iterator[tuple[str, Term]]:
    """A call that fails one of its tests changes nothing, unless it has already taken rights from its caller.

    Then the call only gives these rights up: names and places lose only rights to ports that die, messages stay queued
    while their port lives, and no tokens, pages or counts change. (A message that is handed back, or that is received
    and doesn't fit, isn't a failed test; nor is the result of a call that waited. Where suspensions are held by rights
    to resume ports, a caller of task_suspend without room for such a right has suspended the task, and a caller of
    task_resume loses its right if the task isn't suspended; nothing else changes.)
    """
    b, a, S = x.before, x.after, v.S
    if x.case.code not in (None, ReturnCode.KERN_SUCCESS, *IN_PROGRESS) and x.rule not in NO_TESTS:
        for name, declaration in FIELDS.items():
            if a.fields[name] is not b.fields[name]:
                point = [z3.Const(f"x{index}", sort_named(v.sorts, part)) for index, part in enumerate(declaration.domain)]
                same = a.fields[name](*point) == b.fields[name](*point)
                yield name, forall(point, z3.Or(same, _left_behind(x, name, point))) if point else same
    if x.rule != DESTROY:
        return
    kept = z3.And(a.kind(v.s) == b.kind(v.s), a.port(v.s) == b.port(v.s), a.urefs(v.s) == b.urefs(v.s))
    died = z3.And(a.kind(v.s) == KIND.DEAD_NAME, z3.Not(a.active(b.port(v.s))), a.urefs(v.s) == b.urefs(v.s))
    yield "names and places", forall([v.s], z3.Implies(z3.Or(S.is_name_slot(v.s), S.is_place_slot(v.s), S.is_host_slot(v.s)), z3.Or(kept, died)))
    stays = z3.And(a.stage(v.m) == b.stage(v.m), z3.Implies(a.stage(v.m) == STAGE.QUEUED, a.queue(v.m) == b.queue(v.m)))
    lost = z3.And(b.stage(v.m) == STAGE.QUEUED, z3.Not(a.active(b.queue(v.m))))
    others = z3.And(v.m != x.k["message"], b.stage(v.m) != STAGE.FREE)
    yield "messages", forall([v.m], z3.Implies(others, z3.Or(stays, lost)))
    yield "pages", forall([v.t, v.i], a.mapped(v.t, v.i) == b.mapped(v.t, v.i))
    of_task = ("task_life", "security", "audit", "wait", "suspend_count")
    yield "tasks", forall([v.t], z3.And(*[a.fields[name](v.t) == b.fields[name](v.t) for name in of_task]))
    counts = z3.And(a.mscount(v.p) == b.mscount(v.p), a.seqno(v.p) == b.seqno(v.p), a.receiver(v.p) == b.receiver(v.p))
    carried = x.k.sorts.in_message(b.receiver(v.p))
    yield "ports", forall([v.p], z3.Implies(z3.And(b.active(v.p), a.active(v.p), z3.Not(carried)), counts))
