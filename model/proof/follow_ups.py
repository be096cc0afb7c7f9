"""Follow-up rules: what happens between the rules of a row.

After any rule the rules for pending work run (``Rule.pending``), one after another, until none applies. Then the next
rule of the row begins, or another call. This module states what that rests on:

- **Quiescence**: where no follow-up rule applies, nothing is left to do, as all other rules assume.
- **An end**: each follow-up rule ends a port, or no port and then it uses up a request, or a send-possible request is
  due no longer, or a suspended task runs again; it makes none of these. So, since there are finitely many, following
  up ends: the measure is the number of active ports, then that of requests, of those that are due for send-possible
  and of suspended tasks.
- **Callers**: follow-up rules end and suspend no task, and a caller waits in what it did.
- **Messages in hand**: what a call has in the kernel stays there. A place of it that is empty stays empty.
- **The next rule**: what the next rule of a row requires is kept by each follow-up rule that the rules before it may
  leave something to do, directly or through another.
- **The first rule** of a call requires nothing of the rules before it.
"""

from __future__ import annotations

from collections.abc import Iterator

import z3

from sendright.mach.kernel.profiles import Profile
from sendright.mach.signatures import SIGNATURES
from sendright.model import calls as _declared  # noqa: F401 - declares the rules
from sendright.model.language.invariant import Variables, forall
from sendright.model.language.rule import FINISH, RULES, Context, Rule
from sendright.model.language.sequences import first_rule
from sendright.model.language.sorts import POSSIBLE, STAGE, UNBOUNDED, Term
from sendright.model.language.state import State
from sendright.model.proof.any_state import ANY_STATE
from sendright.model.proof.preconditions import COPYING, AfterCase, Precondition, runs, steps_after
from sendright.model.proof.solver.cache import Proof
from sendright.model.proof.solver.instantiate import follows_from_nothing

S = UNBOUNDED.Slot


def follow_up_rules(profile: Profile) -> list[str]:
    """The names of the rules for pending work in this profile."""
    return [name for name, rule in RULES.items() if rule.pending and rule.is_used(profile)]


def quiescence(profile: Profile) -> Iterator[Precondition]:
    """Where no follow-up rule applies, nothing is left to do; and the first rules of calls require nothing."""
    nowhere = [_nowhere(RULES[name], ANY_STATE, profile) for name in follow_up_rules(profile)]
    k = Context(RULES[FINISH], ANY_STATE, profile)
    yield Precondition("no follow-up rule applies", "nothing is left to do", nowhere, k.nothing_left_to_do())
    for call in SIGNATURES:
        for name in {first_rule(call, resumed) for resumed in (False, True)} & RULES.keys() if profile.serves(call) else ():
            if required := RULES[name].requires(Context(RULES[name], ANY_STATE, profile)):
                yield Precondition(f"{name} begins a call", "it requires nothing of earlier rules", [], required)


def _required(rule: Rule, state: State, profile: Profile) -> tuple[list[Term], list[Term]]:
    """What a follow-up rule requires of ``state``: its parameters, and conditions on them. (The first says that there
    is work for it.)
    """
    k = Context(rule, state, profile, "@left")
    return [k.constants[name] for name in rule.parameters], rule.requires(k)


def _nowhere(rule: Rule, state: State, profile: Profile) -> Term:
    parameters, conditions = _required(rule, state, profile)
    return forall(parameters, z3.Not(z3.And(*conditions)))


def follow_ups(rule: str, profile: Profile) -> Iterator[Precondition]:
    """What is decided of each case of the follow-up rule ``rule``."""
    k = Context(RULES[rule], ANY_STATE, profile)
    for done in runs(k):
        yield from _measure(done)
        yield from _bystanders(done)
    others = [each for each in k.rule.cases(k) if each.code is not None]
    if others:
        yield Precondition(others[0].id, "a follow-up rule answers no call", [], [z3.BoolVal(False)])
    left = {name for copying in COPYING for name in may_leave(copying, profile)}
    if rule in _with_all_they_leave(left, profile):
        for name, next_ in RULES.items():
            if not next_.pending:
                yield from keeps(rule, name, profile)


def _measure(done: AfterCase) -> Iterator[Precondition]:
    v, a, b, id_ = Variables(UNBOUNDED), done.after, done.k.before, done.case.id
    request = z3.Or(S.is_request_slot(v.s), S.is_no_senders_slot(v.s), S.is_port_destroyed_slot(v.s))
    yield Precondition(id_, "it makes no port", done.known, [forall([v.p], z3.Implies(a.active(v.p), b.active(v.p)))])
    no_port_ends = forall([v.p], z3.Implies(b.active(v.p), a.active(v.p)))
    no_new = forall([v.s], z3.Implies(z3.And(request, z3.Not(a.empty(v.s))), z3.Not(b.empty(v.s))))
    no_more_due = forall([v.s], z3.Implies(a.send_possible(v.s) == POSSIBLE.DUE, b.send_possible(v.s) == POSSIBLE.DUE))
    yield Precondition(id_, "unless a port ends, it makes no request", [*done.known, no_port_ends], [no_new, no_more_due])
    none_used = forall([v.s], z3.Implies(z3.And(request, a.empty(v.s)), b.empty(v.s)))
    none_fired = forall([v.s], z3.Implies(b.send_possible(v.s) == POSSIBLE.DUE, a.send_possible(v.s) == POSSIBLE.DUE))
    words = "a port ends, a request is used up, a send-possible request is due no longer, or a task runs again"
    none_runs = forall([v.t], z3.Implies(b.suspend_count(v.t) > 0, a.suspend_count(v.t) > 0))
    yield Precondition(id_, words, [*done.known, no_port_ends, none_used, none_fired, none_runs], [z3.BoolVal(False)])


def _bystanders(done: AfterCase) -> Iterator[Precondition]:
    v, a, b, id_ = Variables(UNBOUNDED), done.after, done.k.before, done.case.id
    same = [a.fields[name](v.t) == b.fields[name](v.t) for name in ("task_life", "wait")]
    same.append(z3.Or(a.suspend_count(v.t) == b.suspend_count(v.t), a.suspend_count(v.t) == 0))
    yield Precondition(id_, "callers live on, run and wait as before", done.known, [forall([v.t], z3.And(*same))])
    in_hand = b.stage(v.m) == STAGE.IN_KERNEL
    message = [a.fields[name](v.m) == b.fields[name](v.m) for name in ("stage", "owner", "body_count", "layout", "size")]
    mine = z3.And(v.sorts.in_message(v.s), b.stage(v.sorts.message_of(v.s)) == STAGE.IN_KERNEL)
    claims = [
        forall([v.m], z3.Implies(in_hand, z3.And(*message))),
        forall([v.s], z3.Implies(z3.And(mine, b.empty(v.s)), a.empty(v.s))),
        forall([v.m, v.i], z3.Implies(in_hand, a.memory(v.m, v.i) == b.memory(v.m, v.i))),
    ]
    yield Precondition(id_, "messages in the kernel stay there, and what is empty in them stays empty", done.known, claims)


def keeps(follow_up: str, rule: str, profile: Profile) -> Iterator[Precondition]:
    """What ``rule`` requires holds after ``follow_up``, if it held before."""
    if not rule_requires(rule, ANY_STATE, profile):
        return
    for done in runs(Context(RULES[follow_up], ANY_STATE, profile)):
        title = f"what {rule} requires stays"
        yield Precondition(
            done.case.id, title, [*done.known, *rule_requires(rule, ANY_STATE, profile)], rule_requires(rule, done.after.plain, profile)
        )


def rule_requires(rule: str, state: State, profile: Profile) -> list[Term]:
    """What ``rule`` requires of ``state``, with any arguments."""
    return list(RULES[rule].requires(Context(RULES[rule], state, profile, "@next")))


def kept_between(rule: str, profile: Profile) -> Iterator[Precondition]:
    """What the steps after ``rule`` require is kept by the follow-up rules for which it may leave something to do."""
    pairs: dict[tuple[str, str], None] = {}
    for done, following in steps_after(rule, profile):
        left = _with_all_they_leave(_left_by(done, profile), profile) if following else set()
        pairs |= {(follow_up, next_): None for follow_up in follow_up_rules(profile) if follow_up in left for next_ in following}
    for follow_up, next_ in pairs:
        for precondition in keeps(follow_up, next_, profile):
            words = f"while {follow_up} ({precondition.case}), {precondition.title}"
            yield Precondition("all cases", words, precondition.assumptions, precondition.claims)


def _left_by(done: AfterCase, profile: Profile) -> set[str]:
    """The follow-up rules for which there may be work after a case where there was none before: all but those of which
    that is clear without any invariant, and at the terms of what says that there is work.
    """
    found: set[str] = set()
    proof: Proof | None = None
    for name in follow_up_rules(profile):
        parameters, [work, *_] = _required(RULES[name], done.after.plain, profile)
        _, [before, *_] = _required(RULES[name], done.k.before, profile)
        goal = forall(parameters, z3.Implies(work, before))
        if follows_from_nothing(goal):
            continue
        proof = proof or Proof(UNBOUNDED, [*UNBOUNDED.background, *done.known], [], shallow=True)
        if proof.decide(goal) != z3.unsat:
            found.add(name)
    return found


_LEFT: dict[tuple[int, str], tuple[Rule, set[str]]] = {}


def may_leave(name: str, profile: Profile) -> set[str]:
    """The follow-up rules for which the rule called ``name`` may leave something to do."""
    rule = RULES[name]
    known = _LEFT.get((id(rule), profile.name))
    if known is None:
        found: set[str] = set()
        for done in runs(Context(rule, ANY_STATE, profile)):
            found |= _left_by(done, profile)
        known = _LEFT[id(rule), profile.name] = rule, found  # keeps the rule alive, so that its id stays its own
    return known[1]


def _with_all_they_leave(follow_ups: set[str], profile: Profile) -> set[str]:
    """These follow-up rules, those for which they may leave something to do, and so on."""
    found, todo = set(follow_ups), list(follow_ups)
    while todo:
        new = may_leave(todo.pop(), profile) - found
        found |= new
        todo += new
    return found
