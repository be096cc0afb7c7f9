"""What the ghost counts of a release rest on, slot by slot, so that no sum is needed.

A release counts by two numbers: ``sends_released(p)``, the slots that lose a send right to ``p``, and
``notifications(p)``, the send-once rights to ``p`` that become notifications. That the counts follow is arithmetic, if
the slots that hold such a right afterwards are exactly those that held one and didn't lose it, and each notification
takes the place of one send-once right. This module decides exactly that.
"""

from __future__ import annotations

from collections.abc import Iterator

import z3

from sendright.model.language.invariant import Variables, forall
from sendright.model.language.release import Release
from sendright.model.language.sorts import KIND, STAGE, Term


def counting(v: Variables, release: Release) -> Iterator[tuple[str, Term]]:
    """What must hold of one release: (title, clause)."""
    b, a, S = release.base, release.done, v.S
    lives = z3.Not(release.dying(b.port(v.s)))
    same_port = a.port(v.s) == b.port(v.s)

    yield "only send rights are counted off", forall([v.s], z3.Implies(release.loses(v.s), b.sends(v.s)))
    stays = z3.And(b.sends(v.s), z3.Not(release.loses(v.s)), lives)
    yield "the send rights that stay", forall([v.s], z3.And(a.sends(v.s) == stays, z3.Implies(stays, same_port)))

    once = b.kind(v.s) == KIND.SEND_ONCE
    yield "only send-once rights notify", forall([v.s], z3.Implies(release.becomes_notification(v.s), z3.And(once, lives)))
    stays = z3.And(once, z3.Not(release.becomes_notification(v.s)), lives)
    made = z3.And(S.is_destination_slot(v.s), release.created(S.destined(v.s)))
    source = release.notified(S.destined(v.s))
    yield "the send-once rights that stay", forall([v.s], z3.And((a.kind(v.s) == KIND.SEND_ONCE) == z3.Or(stays, made), z3.Not(z3.And(stays, made))))
    ports = z3.And(z3.Implies(stays, same_port), z3.Implies(made, a.port(v.s) == b.port(source)))
    yield "their ports", forall([v.s], ports)
    yield "each notifies once", forall([v.s], z3.Implies(release.becomes_notification(v.s), release.created(release.notification(v.s))))
    mine = z3.And(release.becomes_notification(v.s), release.notification(v.s) == v.m)
    yield "and nothing else does", forall([v.m, v.s], z3.Implies(z3.And(release.created(v.m), mine), release.notified(v.m) == v.s))

    queued = z3.And(b.stage(v.m) == STAGE.QUEUED, z3.Not(release.dying(b.queue(v.m))))
    created = release.created(v.m)
    there = (a.stage(v.m) == STAGE.QUEUED) == z3.Or(queued, created)
    yield "the messages that wait", forall([v.m], z3.And(there, z3.Not(z3.And(queued, created))))
    queue = z3.And(z3.Implies(queued, a.queue(v.m) == b.queue(v.m)), z3.Implies(created, a.queue(v.m) == b.port(release.notified(v.m))))
    yield "their queues", forall([v.m], queue)
