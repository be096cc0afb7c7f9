"""Steps and tokens: who changes them, what a child has, and the privileged host port that goes with them."""

from __future__ import annotations

from collections.abc import Iterator

import z3

from sendright.mach.abi.codes import ReturnCode
from sendright.mach.abi.rights import Place, PortObject
from sendright.mach.signatures.processes import PROCESS_MAKERS
from sendright.model.invariants.processes import tokens_of_process
from sendright.model.language.invariant import Variables
from sendright.model.language.rule import CREATION_RESUMED, EXEC_RESUMED
from sendright.model.language.sorts import KIND, OBJECT, PLACE, PROCESS, WAIT, Term
from sendright.model.language.step_property import forall, step_property
from sendright.model.language.transition import SETS_TOKENS, Transition


@step_property(29, "tokens change only by the token calls", of_whole_calls=True)
def tokens_change(v: Variables, x: Transition) -> Iterator[tuple[str, Term]]:
    """A living task's tokens change only in host_security_set_task_token, presented with the host security port, and
    both at once.

    They also change when a stopped creation goes on: to the tokens that were requested when it began, by a caller that
    presented that port then. Where a task's tokens say who its process is, they change when the process sets its ids,
    and those of an exec's new task when it gets its identity.
    """
    b, a, k = x.before, x.after, x.k
    changed = z3.Or(a.security(v.t) != b.security(v.t), a.audit(v.t) != b.audit(v.t))
    allowed = z3.BoolVal(False)
    if x.rule == "host_security_set_task_token":
        allowed = z3.And(x.presents_security_port, v.t == k.task_behind(k["target_task"]), x.has_given_tokens(v.t))
        if x.case.code is ReturnCode.KERN_SUCCESS:
            yield "they are changed", x.has_given_tokens(k.task_behind(k["target_task"]))
        if not k.profile.audit_tokens:
            yield "no audit tokens", forall([v.t], a.audit(v.t) == b.audit(v.t))
    elif x.rule == CREATION_RESUMED:
        allowed = z3.And(v.t == x.half_made, x.has_given_tokens(v.t))
        yield "the child has them", z3.Implies(b.alive(x.half_made), x.has_given_tokens(x.half_made))
    elif x.rule in SETS_TOKENS:
        allowed = v.t == k.caller
    elif x.rule == EXEC_RESUMED:
        security, audit = tokens_of_process(a, v.t)
        allowed = z3.And(v.t == x.half_made, b.exec_phase(k.caller) == 1, a.security(v.t) == security, a.audit(v.t) == audit)
    if k.profile.tokens_in_two_steps:
        wanted = [b.waits_security(v.t) == a.waits_security(v.t), b.waits_audit(v.t) == a.waits_audit(v.t)]
        child = z3.Implies(a.alive(b.waits_child(v.t)), a.waits_child(v.t) == b.waits_child(v.t))
        same = z3.And(b.wait(v.t) == WAIT.CREATING, *wanted, child)
        asked = z3.BoolVal(False)
        if x.creates and x.stops and x.is_call(lambda call: call.sets_tokens):
            tokens = [a.waits_security(v.t) == k["security_token"], *([a.waits_audit(v.t) == k["audit_token"]] if k.profile.audit_tokens else [])]
            asked = z3.And(v.t == k.caller, x.presents_security_port, *tokens, x.new_task(a.waits_child(v.t)))
        yield "what a creation will set", forall([v.t], z3.Implies(a.wait(v.t) == WAIT.CREATING, z3.Or(same, asked)))
    yield "who changes them", forall([v.t], z3.Implies(z3.And(b.alive(v.t), changed), allowed))


@step_property(30, "a child's tokens are its parent's or the given ones", of_whole_calls=True)
def tokens_at_creation(v: Variables, x: Transition) -> Iterator[tuple[str, Term]]:
    """A new task has its parent's tokens, unless a caller that presented the host security port made it with explicit
    ones.

    While such a call is stopped, it has its parent's tokens too. The tokens of a task that fork or posix_spawn makes
    are those of its process, and an exec's new task has its parent's until it gets its identity.
    """
    a, b = x.after, x.before
    if x.rule in PROCESS_MAKERS:
        security, audit = tokens_of_process(a, v.t)
        own = z3.And(a.security(v.t) == security, a.audit(v.t) == audit)
        yield "its process's", forall([v.t], z3.Implies(x.new_task(v.t), own))
    elif x.creates and (x.rule in ("task_create", "execve") or x.stops):
        same = z3.And(a.security(v.t) == b.security(x.parent), a.audit(v.t) == b.audit(x.parent))
        yield "the parent's", forall([v.t], z3.Implies(x.new_task(v.t), same))
    if x.creates and x.is_call(lambda call: call.sets_tokens):
        if not x.stops:
            yield "the given ones", forall([v.t], z3.Implies(x.new_task(v.t), x.has_given_tokens(v.t)))
        if not x.k.profile.audit_tokens:
            yield "the parent's audit token", forall([v.t], z3.Implies(x.new_task(v.t), a.audit(v.t) == b.audit(x.parent)))
        yield "by whom", forall([v.t], z3.Implies(x.new_task(v.t), x.presents_security_port))
    if not x.creates:
        yield "no other call makes tasks", forall([v.t], z3.Not(x.new_task(v.t)))


@step_property(33, "a task gets the privileged host port only by explicit grant")
def privileged_host(v: Variables, x: Transition) -> Iterator[tuple[str, Term]]:
    """A task's host port becomes the privileged one only if the caller gave that port as the new host port, or the
    task's parent had it.

    (For a stopped creation that goes on, the caller gave it when the creation began.) Where there are processes, the
    task of one that is root gets it whenever the kernel sets the task's tokens.
    """
    b, a, S = x.before, x.after, v.S
    slot = S.place_slot(v.t, PLACE.of(Place.HOST))
    privileged = OBJECT.of(PortObject.HOST_PRIV)
    gained = z3.And(x.gained(slot), a.object(a.port(slot)) == privileged)
    presented = z3.BoolVal(False)
    if x.rule in (*PROCESS_MAKERS, EXEC_RESUMED):
        presented = z3.And(a.process(v.t) != PROCESS.NO_PROCESS, a.effective_user(v.t) == 0)
    elif x.grants_host:
        given = x.k.slot(x.k["host"])
        granted = x.new_task(v.t) if x.creates else v.t == x.k.task_behind(x.k["target_task"])
        presented = z3.And(b.sends(given), b.port(given) == a.port(slot), granted)
    elif x.rule == CREATION_RESUMED:
        presented = z3.And(v.t == x.half_made, a.port(slot) == b.waits_host(x.k.caller))
    elif x.rule == "task_set_special_port":
        given = x.k.slot(x.k["port"])
        presented = z3.And(b.sends(given), b.port(given) == a.port(slot), v.t == x.k.task_behind(x.k["task"]))
    elif x.rule in SETS_TOKENS:
        presented = z3.And(v.t == x.k.caller, a.effective_user(v.t) == 0)
    inherited = z3.BoolVal(False)
    if x.creates and not x.grants_host and x.rule not in PROCESS_MAKERS:
        source = S.place_slot(x.parent, PLACE.of(Place.HOST))
        inherited = z3.And(x.new_task(v.t), b.kind(source) == KIND.SEND, b.port(source) == a.port(slot))
    yield "by grant", forall([v.t], z3.Implies(gained, z3.Or(presented, inherited)))
    if x.creates and x.stops and x.is_call(lambda call: call.sets_tokens):
        given, port = x.k.slot(x.k["host"]), a.waits_host(v.t)
        granted = z3.And(x.begins_creation(v.t), a.object(port) == privileged)
        yield "what will be granted", forall([v.t], z3.Implies(granted, z3.And(b.sends(given), b.port(given) == port)))


@step_property(36, "a child never has other tokens than requested", of_whole_calls=True)
def never_other_tokens(v: Variables, x: Transition) -> Iterator[tuple[str, Term]]:
    """A task with explicit tokens has them from the very step in which it comes to life."""
    if x.rule == "host_security_create_task_token":
        asked = z3.And(x.has_given_tokens(v.t), x.presents_security_port)
        yield "from the first moment", forall([v.t], z3.Implies(x.new_task(v.t), asked))
