"""Properties of steps that fail."""

from __future__ import annotations

from collections.abc import Iterator

import z3

from sendright.mach.abi.codes import ReturnCode
from sendright.model.language.invariant import Variables
from sendright.model.language.rule import (
    DESTROY,
    DONE,
    HANDED_BACK,
    RESUMED_RECEIVE,
    RESUMED_SEND,
    TAKE,
)
from sendright.model.language.sorts import KIND, STAGE, Term
from sendright.model.language.state import FIELDS, sort_named
from sendright.model.language.step_property import IN_PROGRESS, forall, step_property
from sendright.model.language.transition import (
    Transition,
)

NO_TESTS = (TAKE, DONE, HANDED_BACK, RESUMED_SEND, RESUMED_RECEIVE)
"""Rules whose error codes don't mean that a test failed."""


def _has_acted(x: Transition) -> bool:
    """The call had its effect, or a part of it, when it failed. (Step invariant 201 says where, 41 on which task.)"""
    acts = (("task_suspend", ReturnCode.KERN_RESOURCE_SHORTAGE), ("task_resume", x.k.profile.resume_at_zero_code))
    return x.k.profile.resume_ports and (x.rule, x.case.code) in acts


@step_property(27, "a call that fails changes nothing")
def failure_changes_nothing(v: Variables, x: Transition) -> Iterator[tuple[str, Term]]:
    """A call that fails one of its tests changes nothing, unless it has already taken rights from its caller.

    Then the call only gives these rights up: names and places lose only rights to ports that die, messages stay queued
    while their port lives, and no tokens, pages or counts change. (A message that is handed back, or that is received
    and doesn't fit, isn't a failed test; nor is the result of a call that waited. Where suspensions are held by rights
    to resume ports, a caller of task_suspend without room for such a right has suspended the task, and a caller of
    task_resume loses its right if the task isn't suspended.)
    """
    b, a, S = x.before, x.after, v.S
    if x.case.code not in (None, ReturnCode.KERN_SUCCESS, *IN_PROGRESS) and x.rule not in NO_TESTS:
        if _has_acted(x):
            return
        for name, declaration in FIELDS.items():
            if a.fields[name] is not b.fields[name]:
                point = [z3.Const(f"x{index}", sort_named(v.sorts, part)) for index, part in enumerate(declaration.domain)]
                same = a.fields[name](*point) == b.fields[name](*point)
                yield name, forall(point, same) if point else same
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
