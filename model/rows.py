"""Rows of rules: what a rule requires, the rules before it in the row have seen to.

A call can be a row of rules, each proved alone from what it requires (``Rule.requires``). Here is decided that the row supplies it: the
state after one rule satisfies what the next requires, and a message's rights are copied one by one without touching one another. So, by
induction over the rights, all requirements hold in a message with any number of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
import z3

from sendright.mach.profiles import Profile
from sendright.mach.rights import Disposition
from sendright.model.any_state import ANY_STATE, held_by_any_state
from sendright.model.invariants import Variables, forall
from sendright.model.proof_cache import Proof
from sendright.model.rules import (
    ANSWER,
    ARRAY,
    BODY,
    COPY_IN,
    COPY_OUT,
    DELIVER,
    DESTROY,
    DONE,
    FINISH,
    HANDED_BACK,
    PAGE_IN,
    PAGE_OUT,
    RESUMED_RECEIVE,
    RESUMED_SEND,
    RULES,
    TAKE,
    Case,
    Context,
    effective_guards,
)
from sendright.model.sorts import KIND, UNBOUNDED, WAIT, Term
from sendright.model.state import After, State

SEND, RECEIVE = "mach_msg_send", "mach_msg_receive"
REQUEST, INSERT, EXTRACT = "mach_port_insert_right: request", "mach_port_insert_right", "mach_port_extract_right"
ASK, REGISTER = "mach_port_request_notification: request", "mach_port_request_notification"

S = UNBOUNDED.Slot


class Link(msgspec.Struct, frozen=True):
    """One thing to decide: assumptions, on a state that has all invariants, and what follows from them."""

    case: str
    title: str
    assumptions: list[Term]
    claims: list[Term]


class Done:
    """One case of a rule was run: what is known, and the state after it."""

    def __init__(self, k: Context, case: Case, guard: Term, known: list[Term]) -> None:
        self.k, self.case = k, case
        self.after = After(k.before, k.profile)
        case.effect(self.after)
        self.known = [*known, *k.assumptions(), guard, *self.after.assumptions]

    def next(self, rule: str, **arguments: Term) -> Context:
        """The next rule of the row, in the state after this one."""
        k = Context(RULES[rule], self.after, self.k.profile, f"@{rule}")
        k.caller = self.k.caller
        k.constants.update(arguments)
        return k


def runs(k: Context, known: list[Term] | None = None) -> Iterator[Done]:
    """Every case of a rule after which the row goes on."""
    cases = list(k.rule.cases(k))
    for case, guard in zip(cases, effective_guards(cases), strict=True):
        if case.code is None or case.replies:
            yield Done(k, case, guard, known or [])


def first(rule: str, profile: Profile) -> Context:
    """The rule in any state, with any arguments."""
    return Context(RULES[rule], ANY_STATE, profile)


def unfit(k: Context) -> Term:
    """The right can't be copied in: the first case of the rule."""
    return next(k.rule.cases(k)).when


def links(rule: str, profile: Profile) -> Iterator[Link]:
    """What is to be decided of ``rule`` as the beginning of a row, or as a link of one."""
    k = first(rule, profile)
    if rule == SEND:
        yield from _send(k)
    elif rule == REQUEST:
        yield from _request(k, INSERT, "disposition")
    elif rule == ASK:
        yield from _request(k, REGISTER, "notify_disposition")
    elif rule == REGISTER:
        yield from _previous(k)
    elif rule == EXTRACT:
        yield from _extract(k)
    elif rule == COPY_IN:
        yield from _copy(k, "the other rights of the message stay", [])
    elif rule == COPY_OUT:
        yield from _copy(k, "its place is empty, the other rights stay", [k["place"]])
    elif rule in (PAGE_IN, PAGE_OUT):
        yield from _copy_page(k)
    elif rule in (BODY, ARRAY):
        yield from _nothing_changes(k)
    elif rule == DELIVER:
        yield from _deliver(k)
    elif rule in (RECEIVE, RESUMED_RECEIVE):
        yield from _receive(k)
    elif rule == TAKE:
        yield from _take(k)
    elif rule in (FINISH, HANDED_BACK, DONE):
        yield from _finish(rule, profile)
    elif rule in (INSERT, DESTROY, ANSWER, RESUMED_SEND):
        pass  # they end a row; a failure before the end leaves the message in the kernel, where DESTROY wants it
    elif not k.rule.pending:
        yield from _replies(k)


def _replies(k: Context) -> Iterator[Link]:
    """A reply carries what it says, and nothing else."""
    for done in runs(k):
        slots = [S.body_slot(k["reply_message"], z3.IntVal(index)) for index in range(done.case.replies)]
        out = done.next(COPY_OUT, message=k["reply_message"], place=slots[0])
        claims = [*out.rule.requires(out), out.carries_nothing_but(k["reply_message"], *slots), out.carries_no_memory(k["reply_message"])]
        yield Link(done.case.id, "the reply can be copied out", done.known, claims)


def _place(done: Done, place: Term, name: Term, disposition: Term, **more: Term) -> Context:
    k = done.k
    message = k.constants.get("message", k.constants.get("request_message", k.constants.get("reply_message")))
    return done.next(COPY_IN, **{"space": k.caller, "name": name, "disposition": disposition, "message": message, "place": place, **more})


def _send(k: Context) -> Iterator[Link]:
    """A good header's rights can both be copied in, in their order; then the body's; the destination is then a live right."""
    i = z3.Int("i")
    destination, reply = S.destination_slot(k["message"]), S.reply_slot(k["message"])
    for done in runs(k):
        order = [(destination, k["dest"], k["dest_disposition"]), (reply, k["reply"], k["reply_disposition"])]
        reply_first = z3.is_true(done.case.outputs["reply_first"])
        if reply_first:
            order.reverse()
        one = _place(done, *order[0])
        yield Link(done.case.id, "the first right of the header can be copied in", done.known, [*one.rule.requires(one), z3.Not(unfit(one))])
        body = _place(done, S.body_slot(k["message"], i), z3.Const("any", UNBOUNDED.Name), z3.Int("any_disposition"))
        rights, pages = k.sorts.rights_of(k["layout"]), k.sorts.pages_of(k["layout"])
        yield Link(done.case.id, "there is room for the body's", [*done.known, i >= 0, i < rights], body.rule.requires(body))
        page = done.next(PAGE_IN, message=k["message"], index=i)
        yield Link(done.case.id, "and for its pages", [*done.known, i >= 0, i < pages], page.rule.requires(page))
        yield Link(done.case.id, "it is laid out as it says", done.known, [done.after.body_count(k["message"]) == rights])
        for copied in runs(one, done.known):
            title = f"after the first, the second can be ({copied.case.title})"
            two = _place(copied, *order[1], message=k["message"])
            wanted = [*two.rule.requires(two), z3.Not(unfit(two))]
            there = order[1][2] != int(Disposition.NONE)  # no reply, nothing to copy
            claims = [_if(there, claim) for claim in wanted]
            if reply_first:
                yield Link(done.case.id, title, copied.known, claims)
                if holds(Link("", "", copied.known, [z3.BoolVal(False)]), k.profile):
                    continue  # it can't be copied in so
                for last in runs(two, copied.known):
                    title = f"the destination is live ({copied.case.title}; {last.case.title})"
                    yield Link(done.case.id, title, last.known, [_live(last.after, destination)])
            else:
                yield Link(done.case.id, title, copied.known, [*claims, _live(copied.after, destination)])


def _if(condition: Term, claim: Term) -> Term:
    """``claim``, if ``condition``; what it says of all stays outermost."""
    if not z3.is_quantifier(claim):
        return z3.Implies(condition, claim)
    constants = [z3.Const(claim.var_name(index), claim.var_sort(index)) for index in range(claim.num_vars())]
    return forall(constants, z3.Implies(condition, z3.substitute_vars(claim.body(), *reversed(constants))))


def _live(state: State, slot: Term) -> Term:
    return z3.Or(state.kind(slot) == KIND.SEND, state.kind(slot) == KIND.SEND_ONCE)


def _request(k: Context, then: str, disposition: str) -> Iterator[Link]:
    """The request carries the right, or none, to the task's port; the rule ``then`` takes it from there."""
    message, body = k["request_message"], S.body_slot(k["request_message"], z3.IntVal(0))
    carried_so = k.constants[disposition]
    for done in runs(k):
        taking = done.next(then, message=message, **{disposition: carried_so})
        if done.case.title.startswith("no right"):
            yield Link(done.case.id, "the request is whole", done.known, taking.rule.requires(taking))
            continue
        one = _place(done, body, z3.Const("carried", UNBOUNDED.Name), carried_so)
        yield Link(done.case.id, "the right can be copied in", done.known, one.rule.requires(one))
        for copied in runs(one, done.known):
            taking = copied.next(then, message=message, **{disposition: carried_so})
            yield Link(done.case.id, f"the request is whole ({copied.case.title})", copied.known, taking.rule.requires(taking))


def _previous(k: Context) -> Iterator[Link]:
    """The right that was registered is where the given one was, and can be copied out from there."""
    body = S.body_slot(k["message"], z3.IntVal(0))
    for done in runs(k):
        out = done.next(COPY_OUT, message=k["message"], place=body)
        claims = [*out.rule.requires(out), out.carries_nothing_but(k["message"], body), out.carries_no_memory(k["message"])]
        yield Link(done.case.id, "what was registered can be copied out", done.known, claims)


def _extract(k: Context) -> Iterator[Link]:
    """What was found fit is copied in, from the other task's space."""
    for done in runs(k):
        body = S.body_slot(k["reply_message"], z3.IntVal(0))
        one = _place(done, body, k["name"], k["disposition"], space=done.case.outputs["space"], control=k["task"])
        yield Link(done.case.id, "the right can be copied in", done.known, [*one.rule.requires(one), z3.Not(unfit(one))])
        rest = [one.carries_nothing_but(k["reply_message"], body), one.carries_no_memory(k["reply_message"])]
        yield Link(done.case.id, "the reply carries nothing else", done.known, rest)


def _copy(k: Context, title: str, emptied: list[Term]) -> Iterator[Link]:
    v = Variables(UNBOUNDED)
    b = k.before
    for done in runs(k):
        a = done.after
        other = z3.And(k.sorts.slots_of_message(v.s, k["message"]), v.s != k["place"])
        same: list[Any] = [forall([v.s], z3.Implies(other, z3.And(a.kind(v.s) == b.kind(v.s), a.port(v.s) == b.port(v.s))))]
        same += [forall([v.i], a.memory(k["message"], v.i) == b.memory(k["message"], v.i)), *_still_there(k, a)]
        yield Link(done.case.id, title, done.known, [*same, *[a.empty(slot) for slot in emptied]])


def _still_there(k: Context, a: State) -> list[Term]:
    """The message is in the kernel as it was, and whoever lived lives."""
    v, b = Variables(UNBOUNDED), k.before
    same = [a.fields[name](k["message"]) == b.fields[name](k["message"]) for name in ("stage", "owner", "body_count", "layout", "size")]
    return [*same, forall([v.t], z3.Implies(b.alive(v.t), a.alive(v.t)))]


def _copy_page(k: Context) -> Iterator[Link]:
    """The message's rights and its other pages stay; after copying out the page's place is empty."""
    v, b = Variables(UNBOUNDED), k.before
    for done in runs(k):
        a = done.after
        mine = k.sorts.slots_of_message(v.s, k["message"])
        rights = forall([v.s], z3.Implies(mine, z3.And(a.kind(v.s) == b.kind(v.s), a.port(v.s) == b.port(v.s))))
        pages = forall([v.i], z3.Implies(v.i != k["index"], a.memory(k["message"], v.i) == b.memory(k["message"], v.i)))
        emptied = (a.memory(k["message"], k["index"]) == k.sorts.no_object) == (k.rule.name == PAGE_OUT)
        yield Link(done.case.id, "the rights and the other pages of the message stay", done.known, [rights, pages, emptied, *_still_there(k, a)])


def _nothing_changes(k: Context) -> Iterator[Link]:
    for done in runs(k):
        same = [done.after.fields[name] is field for name, field in k.before.fields.items()]
        yield Link(done.case.id, "the message stays as it was", done.known, [z3.BoolVal(all(same))])


def _receive(k: Context) -> Iterator[Link]:
    """A port was chosen whose message the caller may take."""
    for done in runs(k):
        taking = done.next(TAKE, source=done.case.outputs["source"])
        runs_on = taking.before.wait(k.caller) == WAIT.NOTHING
        yield Link(done.case.id, "the port's oldest message can be taken", done.known, [*taking.rule.requires(taking), runs_on])


def _take(k: Context) -> Iterator[Link]:
    cases = list(k.rule.cases(k))
    for case, guard in zip(cases, effective_guards(cases), strict=True):
        if "message" in case.outputs:
            done = Done(k, case, guard, [])
            out = done.next(COPY_OUT, message=k["oldest"], place=S.reply_slot(k["oldest"]))
            emptied = done.after.empty(S.destination_slot(k["oldest"]))
            title = "the destination right is used up, the others can be copied out or given up"
            yield Link(case.id, title, done.known, [*out.rule.requires(out), emptied])


def _deliver(k: Context) -> Iterator[Link]:
    for done in runs(k):
        if "by_kernel" in done.case.outputs:
            answer = done.next(ANSWER, message=k["message"])
            yield Link(done.case.id, "only the reply right is left", done.known, answer.rule.requires(answer))
        else:
            out = done.next(COPY_OUT, message=k["message"], place=S.destination_slot(k["message"]))
            yield Link(done.case.id, "all that it carries can be copied out", done.known, out.rule.requires(out))


def _finish(rule: str, profile: Profile) -> Iterator[Link]:
    """When its destination, its reply and its body's rights and pages are gone a message carries nothing."""
    k = first(rule, profile)
    v, b = Variables(UNBOUNDED), k.before
    gone = [b.empty(S.destination_slot(k["message"])), b.empty(S.reply_slot(k["message"]))]
    within = z3.And(v.i >= 0, v.i < b.body_count(k["message"]))
    gone.append(forall([v.i], z3.Implies(within, b.empty(S.body_slot(k["message"], v.i)))))
    paged = z3.And(v.i >= 0, v.i < k.sorts.pages_of(b.layout(k["message"])))
    gone.append(forall([v.i], z3.Implies(paged, b.memory(k["message"], v.i) == k.sorts.no_object)))
    yield Link("all cases", "a message whose rights and pages are gone carries nothing", [k.in_kernel(k["message"]), *gone], k.rule.requires(k))


def holds(link: Link, profile: Profile) -> bool:
    """Whether the link is proved."""
    proof = Proof(UNBOUNDED, [*UNBOUNDED.background, *link.assumptions], held_by_any_state(profile))
    return all(proof.decide(claim) == z3.unsat for claim in link.claims)
