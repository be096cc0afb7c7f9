"""Step properties of names: how many user references they have, and what is in port sets."""

from __future__ import annotations

from collections.abc import Iterator

import z3

from sendright.mach.abi.codes import ReturnCode
from sendright.mach.abi.rights import Disposition, Notification, Right
from sendright.model.invariants.steps.locality import ALLOCATORS, ENTRY_CALLS, FIRES, Touched, holds_resume, resumes_with_right
from sendright.model.language.invariant import Variables
from sendright.model.language.rule import COPY_IN, COPY_OUT, LOOK_AT_NAME, LOOKS
from sendright.model.language.sorts import KIND, POSSIBLE, Term
from sendright.model.language.step_property import forall, step_property
from sendright.model.language.transition import SUSPENSION, TASK_ENDS, Transition

INSERTS, REGISTERS, RENAMES = "mach_port_insert_right", "mach_port_request_notification", "mach_port_rename"
COUNTS_REFERENCES = (*LOOKS, *ENTRY_CALLS, *ALLOCATORS, COPY_IN, COPY_OUT, INSERTS, REGISTERS, RENAMES, FIRES, *TASK_ENDS, *SUSPENSION)
"""The rules that add, take or move user references."""
MOVES_MEMBERS = ("mach_port_move_member", "mach_port_insert_member", "mach_port_extract_member")


def _succeeds(x: Transition) -> bool:
    return x.case.code in (None, ReturnCode.KERN_SUCCESS)


def _resumes(x: Transition) -> bool:
    """The call takes references of a right to a resume port, whether the task is suspended or not."""
    return resumes_with_right(x) and x.case.code in (ReturnCode.KERN_SUCCESS, x.k.profile.resume_at_zero_code)


class References:
    """The user references that each name has after a step, by those before it."""

    def __init__(self, t: Touched) -> None:
        self.t, self.k, self.b = t, t.k, t.b
        self.pegs = t.k.profile.pegged_urefs

    def less_one(self, slot: Term, seen: Term | None = None) -> Term:
        """One reference goes, of a name that has any and isn't pegged. ``seen``: how many it has once a call has looked
        at it.
        """
        urefs = self.b.urefs(slot) if seen is None else seen
        pegged = z3.And(self.pegs, urefs == self.k.urefs_max, self.b.kind(slot) != KIND.SEND_ONCE)
        return z3.If(z3.Or(urefs == 0, pegged), urefs, urefs - 1)

    def changed_by(self, slot: Term, delta: Term) -> Term:
        """``delta`` references come or go, of a name that has any.

        Where references are pegged, they stop at the maximum, and from there only all go at once.
        """
        urefs = self.b.urefs(slot)
        sum_ = urefs + delta
        if self.pegs:
            stays = z3.And(urefs == self.k.urefs_max, delta != -self.k.urefs_max)
            sum_ = z3.If(stays, urefs, z3.If(sum_ > self.k.urefs_max, self.k.urefs_max, sum_))
        return z3.If(urefs == 0, 0, sum_)

    def one_more(self, slot: Term, kind: Term) -> Term:
        """A right of this kind joins the name: a send right adds a reference if there is room for it, a send-once right
        is the only one, a receive right adds none.
        """
        urefs = self.b.urefs(slot)
        with_send = z3.If(urefs >= self.k.send_urefs_max, urefs, urefs + 1)
        return z3.If(kind == KIND.SEND, with_send, z3.If(kind == KIND.SEND_ONCE, urefs + 1, urefs))

    def at(self, slot: Term) -> Term:
        """The references of the name in ``slot`` after the step."""
        t, k, b, rule = self.t, self.k, self.b, self.t.rule
        urefs = b.urefs(slot)

        def here(at: Term, value: Term, otherwise: Term = urefs) -> Term:
            return z3.If(slot == at, value, otherwise)

        if t.rule == "task_resume":
            return self._resumed(slot)
        if not _succeeds(t.x):
            return urefs
        match rule:
            case "mach_port_deallocate":
                return here(t.names()[0], self.less_one(slot))
            case "task_suspend" if k.profile.resume_ports:
                return self._suspended(slot)
            case "mach_port_destroy":
                return here(t.names()[0], z3.IntVal(0))
            case "mach_port_mod_refs":
                counted = z3.Or(k["right"] == int(Right.SEND), k["right"] == int(Right.DEAD_NAME))
                once = z3.If(z3.And(k["right"] == int(Right.SEND_ONCE), urefs != 0), urefs + k["delta"], urefs)
                return here(t.names()[0], z3.If(counted, self.changed_by(slot, k["delta"]), once))
            case "mach_port_destruct":
                return here(t.names()[0], self.changed_by(slot, k["srdelta"]))
            case _ if t.x.ends_task:
                return z3.If(t.S.space(slot) == t.x.ended_task, 0, urefs)
            case "copy in a right":
                moves = z3.Or(k["disposition"] == Disposition.MOVE_SEND, k["disposition"] == Disposition.MOVE_SEND_ONCE)
                seen = k.dead_urefs(slot)
                return here(k.slot(k["name"], k["space"]), z3.If(moves, self.less_one(slot, seen), seen))
            case "copy out a right":
                return here(k.slot(t.x.case.outputs["name"]), self.one_more(slot, b.kind(k["place"])))
            case "mach_port_insert_right":
                return here(t.names()[0], self.one_more(slot, b.kind(t.S.body_slot(k["message"], z3.IntVal(0)))))
            case "mach_port_request_notification":
                dead = z3.And(k["variant"] == int(Notification.DEAD_NAME), b.kind(slot) == KIND.DEAD_NAME)
                given = b.kind(t.S.body_slot(k["message"], z3.IntVal(0))) == KIND.SEND_ONCE
                told = z3.If(z3.And(dead, given), urefs + 1, urefs)
                if k.profile.send_possible:  # it looks at the name first
                    instead = z3.And(k["variant"] == int(Notification.SEND_POSSIBLE), b.kind(slot) == KIND.DEAD_NAME, given)
                    seen = k.dead_urefs(slot)
                    told = z3.If(instead, z3.If(seen == k.urefs_max, seen, seen + 1), told)
                return here(t.names()[0], told)
            case "a dead-name request fires":
                room = z3.Not(z3.And(self.pegs, urefs == k.urefs_max))
                dies = z3.And(b.kind(slot) == KIND.DEAD_NAME, room)
                if k.profile.dead_names_are_lazy:
                    dies = z3.And(dies, z3.Not(k.is_unlooked(slot)))
                return here(k.slot(k["name"], k["space"]), z3.If(dies, urefs + 1, urefs))
            case _ if rule in LOOKS:
                looked = z3.And(k.is_unlooked(slot), t.a.unlooked(slot) == KIND.NONE)
                entry = k.slot(k["name"], k.task_behind(k["control"]) if rule == LOOK_AT_NAME else k.caller)
                return here(entry, z3.If(looked, k.dead_urefs(slot), urefs))
            case "mach_port_rename":
                old, new = (k.slot(k[name], t.target) for name in ("old_name", "new_name"))
                return here(new, b.urefs(old), here(old, z3.IntVal(0)))
        return self._allocated(slot) if rule in ALLOCATORS else urefs

    def _suspended(self, slot: Term) -> Term:
        """The right to the target's resume port has one reference more, or one if it is new."""
        t = self.t
        new = z3.And(self.b.empty(slot), t.a.sends(slot))
        return z3.If(new, 1, z3.If(holds_resume(t.x, self.b, slot), self.one_more(slot, KIND.SEND), self.b.urefs(slot)))

    def _resumed(self, slot: Term) -> Term:
        """The right to the target's resume port has one reference less, and none if the target isn't suspended."""
        urefs = self.b.urefs(slot)
        if not _resumes(self.t.x):
            return urefs
        left = z3.If(self.b.suspend_count(self.t.target) == 0, 0, self.less_one(slot))
        return z3.If(holds_resume(self.t.x, self.b, slot), left, urefs)

    def _allocated(self, slot: Term) -> Term:
        """A new dead name has one reference, and so has a send right that is made with its port."""
        t, k, told = self.t, self.k, self.t.x.case.outputs
        name = next((told[each] for each in ("name", "port") if each in told), t.sorts.null)
        one = z3.BoolVal(False)
        if t.has("right"):
            one = k["right"] == int(Right.DEAD_NAME)
        elif t.has("insert_send"):
            one = k["insert_send"]
        return z3.If(z3.And(slot == k.slot(name, t.target), one), 1, self.b.urefs(slot))


@step_property(202, "user references are counted one by one")
def references(v: Variables, x: Transition) -> Iterator[tuple[str, Term]]:
    """After a step each name has as many user references as the step leaves it: those before it, and those that it adds
    or takes.

    mach_port_deallocate and a move take one. mach_port_mod_refs and mach_port_destruct add or take what they are given.
    task_resume takes one of a right to the task's resume port, or all, if the task isn't suspended. A send right that
    is copied out or inserted adds one, if the name has room, and so do task_suspend and a dead-name notification, at
    once or when a call looks at the name. A new send right, send-once right or dead name has one. All go with
    mach_port_destroy and with their task. Where references are pegged, the ones at the limit stay. No other step
    changes any. (With invariants 5 and 7 the references also say what is left of a right.)

    Where a port's death shows only when a call looks at the name, a notification notes that such a name has a reference
    to come. A name whose port dies has none to come, and what it was is remembered.
    """
    if not (x.after.changed("urefs") or (x.rule in COUNTS_REFERENCES and (_succeeds(x) or _resumes(x)))):
        return
    slot = v.S.name_slot(v.t, v.n)
    t, b, a = Touched(v, x), x.before, x.after
    yield "of each name", forall([v.t, v.n], a.urefs(slot) == References(t).at(slot))
    if not x.k.profile.dead_names_are_lazy:
        return
    if x.rule == FIRES:
        entry = x.k.slot(x.k["name"], x.k["space"])
        fired = b.send_possible(t.answered) == POSSIBLE.FIRED if x.k.profile.send_possible else z3.BoolVal(False)
        yield "the one that is to come", z3.Implies(x.k.is_unlooked(entry), z3.If(fired, a.told(entry) == b.told(entry), a.told(entry)))
    elif a.changed("kind"):
        was = b.kind(slot)
        dies = z3.And(z3.Or(was == KIND.SEND, was == KIND.SEND_ONCE), a.kind(slot) == KIND.DEAD_NAME, t.dies(b.port(slot)))
        remembered = z3.And(a.unlooked(slot) == was, z3.Not(a.told(slot)))
        yield "of a name whose port dies", forall([v.t, v.n], z3.Implies(dies, remembered))


@step_property(203, "a port set keeps what isn't moved")
def port_sets(v: Variables, x: Transition) -> Iterator[tuple[str, Term]]:
    """A port is in the same sets after a step, but for these.

    mach_port_move_member leaves its port in the set that is named and in no other. mach_port_insert_member and
    mach_port_extract_member concern one port and one set. A renamed set keeps its members. A port whose receive right
    moves or ends is in no set, and a set that ends has no members.
    """
    if not (x.after.changed("member") or (x.rule in MOVES_MEMBERS and _succeeds(x))):
        return
    t, b, a, k, S = Touched(v, x), x.before, x.after, x.k, v.S
    was = b.member(v.p, v.n)
    expected = was
    if _succeeds(x) and x.rule == "mach_port_move_member":
        moved = v.p == b.port(k.slot(k["member"], t.target))
        expected = z3.If(moved, z3.And(v.n == k["after"], k["after"] != v.sorts.null), was)
    elif _succeeds(x) and x.rule in MOVES_MEMBERS:
        here = z3.And(v.p == b.port(k.slot(k["name"], t.target)), v.n == k["pset"])
        expected = z3.If(here, z3.BoolVal(x.rule == "mach_port_insert_member"), was)
    place = b.receiver(v.p)
    if _succeeds(x) and x.rule == RENAMES:
        inside = z3.And(S.is_name_slot(place), S.space(place) == t.target)
        renamed = z3.If(v.n == k["new_name"], b.member(v.p, k["old_name"]), z3.And(was, v.n != k["old_name"]))
        expected = z3.If(inside, renamed, was)
    else:
        set_ = S.name_slot(S.space(place), v.n)
        ends = z3.And(b.kind(set_) == KIND.PORT_SET, a.kind(set_) != KIND.PORT_SET)
        expected = z3.And(expected, z3.Not(x.moved(v.p)), z3.Not(t.dies(v.p)), z3.Not(ends))
    yield "of each port and set", forall([v.p, v.n], a.member(v.p, v.n) == expected)
