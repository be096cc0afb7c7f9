"""Known breaks: properties that a profile's kernel breaks, with the hazard that breaks them.

In such a profile no proof assumes the broken invariant. For every case, the prover decides whether it still preserves
the invariant. The cases listed here must have a counterexample, and all others must be proved. So ``sendright prove``
says exactly where a kernel's hazard is. A hazard that is gone is a failure too: remove its line.

A hazard must not hide another fault of the same property in the same case. So each says exactly what it does
(``does``), and the property is proved of the listed cases with that alone left out.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import z3

from sendright.mach.abi.rights import Place, PortObject, Right
from sendright.mach.kernel.profiles import Profile
from sendright.model.language.actions import place_slot
from sendright.model.language.invariant import Variables
from sendright.model.language.sorts import KIND, OBJECT, Term
from sendright.model.language.transition import Transition

Does = Callable[[Variables, Transition], list[Term]]
"""What a hazard does in a step, as conditions on the variables of clauses. One is left out of each clause that binds
all of its variables.
"""


class KnownBreak(msgspec.Struct, frozen=True):
    """One property that some profiles' kernels break."""

    property: str
    """As obligations name it: ``invariant 8``, ``step invariant 31``, ``theorem 3``."""
    hazard: str
    """The hazard's number in docs/profiles.md."""
    words: str
    breaks: Callable[[Profile], bool]
    """Whether this profile's kernel breaks it."""
    cases: frozenset[tuple[str, str]]
    """The cases that break it, all of them: rule, title."""
    does: Does
    """Where the property doesn't hold in these cases; everywhere else it does."""

    def but_for(self, v: Variables, x: Transition, clause: Term) -> Term:
        """The ``clause`` with what the hazard does left out."""
        bound = {(clause.var_name(index), clause.var_sort(index)) for index in range(clause.num_vars())} if z3.is_quantifier(clause) else set()
        own = [variable for variable in vars(v).values() if z3.is_const(variable)]
        excused: list[Term] = []
        for condition in self.does(v, x):
            used = [variable for variable in own if not z3.substitute(condition, (variable, z3.FreshConst(variable.sort()))).eq(condition)]
            if all((variable.decl().name(), variable.sort()) in bound for variable in used):
                excused.append(condition)
        if not z3.is_quantifier(clause):
            return z3.Or(clause, *excused)
        constants = [z3.Const(clause.var_name(index), clause.var_sort(index)) for index in range(clause.num_vars())]
        return z3.ForAll(constants, z3.Or(z3.substitute_vars(clause.body(), *reversed(constants)), *excused))


def _cases(rule: str, *titles: str) -> frozenset[tuple[str, str]]:
    return frozenset((rule, title) for title in titles)


_SENT = _cases("mach_msg_send", "the reply right is copied before the same right is moved", "the header is valid")
_ELSEWHERE = "a dead name, under another name than requested"
_STOPPED = _cases("host_security_create_task_token", "a child with its parent's tokens; the call stops")
_GRANTED = (
    _cases("host_security_set_task_token", "tokens and the privileged host port are set")
    | _cases("host_security_create_task_token", "a child with the given tokens and the privileged host port")
    | _STOPPED
)


def _stamps_the_kernels(profile: Profile) -> bool:
    return not profile.trailer_is_senders


def _takes_any_host_port(profile: Profile) -> bool:
    return not profile.host_is_checked


# ---- what each hazard does


def _has_its_parents_tokens(v: Variables, x: Transition) -> list[Term]:
    """H-2: the child has its parent's tokens. Its caller presents the security port, and the call keeps the given
    tokens.
    """
    b, a, k = x.before, x.after, x.k
    kept = [a.waits_child(k.caller) == v.t, a.waits_security(k.caller) == k["security_token"], a.waits_audit(k.caller) == k["audit_token"]]
    parents = [a.security(v.t) == b.security(x.parent), a.audit(v.t) == b.audit(x.parent)]
    return [z3.And(v.t == k["child"], *parents, *kept, x.presents_security_port)]


def _counts_one_more(v: Variables, x: Transition) -> list[Term]:
    """H-8: of the port whose name had both rights, one send right more is counted than there is."""
    b, a, name = x.before, x.after, x.k.slot(x.k["name"], x.k.task_behind(x.k["task"]))
    return [z3.And(v.p == b.port(name), b.kind(name) == KIND.SEND_RECEIVE, a.srights(v.p) == a.sending_slots(v.p) + 1)]


def _carries_the_kernels_tokens(v: Variables, x: Transition) -> list[Term]:
    """H-3: the caller's new message has the kernel's tokens, and is the caller's in all else."""
    a, k = x.after, x.k
    kernels = [a.sender_security(v.m) == v.sorts.kernel_security_token, a.sender_audit(v.m) == v.sorts.kernel_audit_token]
    return [z3.And(x.newly_made(v.m), v.m == k["message"], z3.Not(a.from_kernel(v.m)), a.owner(v.m) == k.caller, *kernels)]


def _is_under_the_told_name(v: Variables, x: Transition) -> list[Term]:
    """H-10: the dead name is new, and where the result says."""
    assert x.call is not None
    told = x.k.slot(x.case.outputs[x.call.named_by_caller], x.k.task_behind(x.k["task"]))
    return [z3.And(x.k["right"] == int(Right.DEAD_NAME), x.before.empty(told), x.after.kind(told) == KIND.DEAD_NAME)]


def _granted(x: Transition) -> tuple[Term, Term, Term, Term]:
    """What H-4 gives, in four parts.

    The first is the task that the call is about, or the child; the second its place for the host port. The third says
    that this task gets the privileged host port from a caller that presents any port that stands for the host; the
    fourth, that the call stops and notes that port for the child.
    """
    a, k = x.after, x.k
    task = k["child"] if x.creates else k.task_behind(k["target_task"])
    place, port = place_slot(a, task, Place.HOST), k.sorts.host_priv_port
    presented = z3.Or(*[k.object(k["host"], of) for of in (PortObject.HOST, PortObject.HOST_PRIV)])
    given = z3.And(presented, a.kind(place) == KIND.SEND, a.port(place) == port)
    noted = z3.And(presented, a.waits_host(k.caller) == port, a.object(port) == OBJECT.of(PortObject.HOST_PRIV))
    return task, place, given, noted


def _right_is_granted(v: Variables, x: Transition) -> list[Term]:
    """H-4, for properties about rights: only the right in that place, and what a stopped call notes."""
    _, place, given, noted = _granted(x)
    return [z3.And(v.s == place, given), z3.And(v.t == x.k.caller, noted)]


def _task_is_granted(v: Variables, x: Transition) -> list[Term]:
    """H-4, for a property about tasks and their host ports."""
    task, _, given, noted = _granted(x)
    return [z3.And(v.t == task, given), z3.And(v.t == x.k.caller, noted)]


KNOWN_BREAKS = (
    KnownBreak(
        "step invariant 36",
        "H-2",
        "a child has its parent's tokens until it is given its own in a second step",
        lambda profile: profile.tokens_in_two_steps,
        _STOPPED,
        _has_its_parents_tokens,
    ),
    KnownBreak(
        "invariant 8",
        "H-8",
        "a name that loses RECEIVE to a port-destroyed request becomes a dead name, and its send right stays counted",
        lambda profile: not profile.send_survives_rescue,
        _cases("mach_port_mod_refs", "the receive right goes to the port-destroyed requester"),
        _counts_one_more,
    ),
    *[
        KnownBreak(
            name, "H-3", "every message carries the kernel's tokens, not its sender's", _stamps_the_kernels, _SENT, _carries_the_kernels_tokens
        )
        for name in ("step invariant 31", "theorem 3")
    ],
    KnownBreak(
        "step invariant 117",
        "H-10",
        "a dead name is allocated under another name than requested",
        lambda profile: not profile.allocate_name_takes_dead_name,
        _cases("mach_port_allocate_name", _ELSEWHERE) | _cases("mach_port_allocate_full", _ELSEWHERE),
        _is_under_the_told_name,
    ),
    *[
        KnownBreak(
            name,
            "H-4",
            "a caller that presents any host port gets the privileged one for a task",
            _takes_any_host_port,
            _GRANTED,
            does,
        )
        for name, does in (("step invariant 22", _right_is_granted), ("step invariant 33", _task_is_granted), ("theorem 2", _right_is_granted))
    ],
)


def is_broken(name: str, profile: Profile) -> bool:
    """Whether some case of the profile's kernel breaks the property."""
    return any(one.property == name and one.breaks(profile) for one in KNOWN_BREAKS)


def known_break(name: str, profile: Profile, rule: str, title: str) -> KnownBreak | None:
    """The reason why this case of the rule breaks the property in this profile. None: it must not break it."""
    return next((one for one in KNOWN_BREAKS if one.property == name and one.breaks(profile) and (rule, title) in one.cases), None)
