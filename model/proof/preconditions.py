"""Preconditions: proves that each rule's preconditions are established by the rules that run before it.

A call can be a sequence of rules (``sequences.py``), each proved alone from what it requires (``Rule.requires``). This
module drives the declared sequence with terms, in segments. A segment begins with one rule, in any state; the steps
that copy parts of a message follow, one by one; it ends with what the next rule requires. Of each copying step it is
also decided that it leaves the rest of the message unchanged. Where a step names an earlier one (``since``), or copies
one of any number of parts, what it requires must follow from that alone (``after_copying``). So, by induction over the
rights, all preconditions hold in a message with any number of rights.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from copy import copy
from dataclasses import dataclass
from operator import is_
from typing import Any, TypeAlias

import msgspec
import z3

from sendright.mach.abi.codes import IN_PROGRESS, ReturnCode
from sendright.mach.kernel.profiles import Profile
from sendright.mach.signatures import SIGNATURES
from sendright.model.language.arguments import parameters_of
from sendright.model.language.invariant import Variables, forall
from sendright.model.language.rule import (
    ARRAY,
    BODY,
    COPY_IN,
    COPY_OUT,
    DONE,
    FINISH,
    HANDED_BACK,
    LOOKS,
    PAGE_IN,
    PAGE_OUT,
    RULES,
    Case,
    Context,
    effective_guards,
)
from sendright.model.language.sequences import (
    SKIPPED,
    ArrayPart,
    CallerWaits,
    Failed,
    Outcome,
    PagePart,
    Part,
    RightPart,
    Run,
    Value,
    begin,
    declared,
    first_rule,
    forget_rules,
    rules_of,
)
from sendright.model.language.sorts import KIND, UNBOUNDED, WAIT, Term
from sendright.model.language.state import After, Field, State, sort_named, unknown_state
from sendright.model.language.terms import Sort
from sendright.model.proof.any_state import ANY_STATE, ANYTHING, held_by_any_state
from sendright.model.proof.hints import Hints
from sendright.model.proof.solver.cache import Proof

S = UNBOUNDED.Slot

OF_MESSAGE = ("stage", "owner", "body_count", "layout", "size")
"""The fields of its message that a copying step doesn't change."""
OF_TASKS = ("task_life", "suspend_count", "wait")
"""The fields of tasks that a copying step doesn't change."""
LONGEST = 12
"""How many rules that copy nothing a sequence may have, one after the other."""


class Precondition(msgspec.Struct, frozen=True):
    """One goal: claims that must follow from assumptions about a state that has all invariants."""

    case: str
    title: str
    assumptions: list[Term]
    claims: list[Term]
    after: State | None = None
    """The state that the claims are about, for a counterexample; None: the one before the rule."""

    def equals(self, other: Precondition) -> bool:
        """Whether both have the same assumptions and claims."""

        def equal(some: list[Term], others: list[Term]) -> bool:
            return len(some) == len(others) and all(one.eq(another) for one, another in zip(some, others, strict=True))

        return equal(self.claims, other.claims) and equal(self.assumptions, other.assumptions)


class AfterCase:
    """The state after one case of a rule, and what is known there."""

    def __init__(self, k: Context, case: Case, guard: Term, known: list[Term], path: tuple[str, ...] = (), rules: tuple[str, ...] = ()) -> None:
        self.k, self.case, self.path = k, case, path
        self._rules = (*rules, k.rule.name)
        self.after = After(k.before, k.profile)
        case.effect(self.after)
        self.known = [*known, *k.assumptions(), guard, *self.after.assumptions]

    def next(self, rule: str, arguments: Mapping[str, Term] | None = None, before: State | None = None) -> Context:
        """The next rule of the sequence, in the state after this one, or ``before``, which says less of it.

        What the kernel chooses has a name of its own each time that a rule runs: two choices needn't be the same.
        """
        tag = f"@{rule}" + f"@{self._rules.count(rule)}" * (rule in self._rules)
        return Context(RULES[rule], self.after.plain if before is None else before, self.k.profile, tag, self.k.caller, arguments)

    def going_on(self, k: Context, known: list[Term]) -> Iterator[AfterCase]:
        """Every case of the next rule, in its context ``k``, after which the sequence goes on."""
        return runs(k, known, self.path, self._rules)

    def knowing(self, condition: Term) -> AfterCase:
        """The same state, where ``condition`` holds too."""
        same = copy(self)
        same.known = [*self.known, condition]
        return same


def runs(k: Context, known: list[Term] | None = None, path: tuple[str, ...] = (), rules: tuple[str, ...] = ()) -> Iterator[AfterCase]:
    """Every case of a rule after which the sequence goes on; ``path`` and ``rules``: the cases and rules before it."""
    cases = list(k.rule.cases(k))
    for case, guard in zip(cases, effective_guards(cases), strict=True):
        if case.code is None:
            yield AfterCase(k, case, guard, known or [], (*path, case.title), rules)


def first(rule: str, profile: Profile) -> Context:
    """The rule in any state, with any arguments."""
    return Context(RULES[rule], ANY_STATE, profile)


def preconditions_of(rule: str, profile: Profile) -> Iterator[Precondition]:
    """The goals for ``rule``: it leaves the rest of a message unchanged, and the steps after it get what they
    require.
    """
    if rule in COPYING:
        yield from COPYING[rule](first(rule, profile))
    seen: list[Precondition] = []
    for call in SIGNATURES:
        if not profile.serves(call) or rule not in rules_of(call, profile):
            continue
        yield from _unused(call, rule, profile)
        yield from _begins(call, rule, profile)
        for segment in DRIVEN.segments(call, profile):
            if segment.rule == rule:
                for precondition in segment.preconditions():
                    if not any(map(precondition.equals, seen)):
                        seen.append(precondition)
                        yield precondition


def _unused(call: str, rule: str, profile: Profile) -> Iterator[Precondition]:
    """If ``rule`` is the first one of a call: rules of the call that ``profile`` leaves out (``Rule.applies``) go on
    after a wait, and there no task waits for them. (Or they are looks at names, where no name is unlooked.)
    """
    if rule != first_rule(call):
        return
    for name in [name for name in rules_of(call) if name not in LOOKS and not RULES[name].applies(profile)]:
        if RULES[name].resumes == "NOTHING":
            yield Precondition("all cases", f"the rule {name}, which the call runs, isn't left out", [], [z3.BoolVal(False)])
            continue
        waits = ANY_STATE.wait(ANYTHING.t) == getattr(WAIT, RULES[name].resumes)
        yield Precondition("all cases", f"no task waits for the rule {name}, which isn't used", [], [forall([ANYTHING.t], z3.Not(waits))])


def _begins(call: str, rule: str, profile: Profile) -> Iterator[Precondition]:
    """If ``rule`` is the first one of a call, or of the rest of a call that waited: no rule before it establishes what
    it requires, so the invariants must.
    """
    if rule not in RULES or rule not in (first_rule(call), first_rule(call, resumed=True)):
        return
    k = first(rule, profile)
    required = k.rule.requires(k)
    if required:
        given = [known for known in k.assumptions() if not any(known.eq(claim) for claim in required)]
        yield Precondition("all cases", f"{call}: what its first rule requires", given, required)


def steps_after(rule: str, profile: Profile) -> Iterator[tuple[AfterCase, list[str]]]:
    """The states after ``rule`` in all calls' sequences, each with the rules of the steps that are decided there."""
    for call in SIGNATURES:
        if profile.serves(call) and rule in rules_of(call, profile):
            for segment in DRIVEN.segments(call, profile):
                if segment.rule == rule:
                    yield segment.start, [step.run.rule for step in segment.steps]


class Alone:
    """One rule in any state, with any arguments: its cases, and the state after each."""

    def __init__(self, rule: str, profile: Profile) -> None:
        self.k = first(rule, profile)
        self.cases = list(self.k.rule.cases(self.k))
        self.outputs = {name: term.sort() for case in self.cases for name, term in case.outputs.items()}
        """The results of all cases, and their sorts."""
        self._guards = effective_guards(self.cases)
        self._after: dict[int, AfterCase] = {}

    def after(self, index: int) -> AfterCase:
        """The state after the case of this number."""
        if index not in self._after:
            self._after[index] = AfterCase(self.k, self.cases[index], self._guards[index], [])
        return self._after[index]


Goals: TypeAlias = dict[str, list[Precondition]]
"""Goals by the rule that they are decided with."""


class _Driven:
    """The rules and segments that were driven so far. They are kept, since several calls have rules in common, and
    forgotten when a rule or a sequence is replaced.
    """

    def __init__(self) -> None:
        self._declared: list[object] = []
        self._rules: dict[tuple[str, str], Alone] = {}
        self._segments: dict[tuple[str, str], list[_Segment]] = {}
        self._goals: dict[tuple[str, str], Goals] = {}

    def forget(self) -> None:
        """Nothing has been driven."""
        self._declared, self._rules, self._segments, self._goals = [], {}, {}, {}

    def _forget_if_replaced(self) -> None:
        now = [*RULES.values(), *declared()]
        if len(now) != len(self._declared) or not all(map(is_, now, self._declared)):
            self.forget()
            self._declared = now

    def alone(self, rule: str, profile: Profile) -> Alone:
        """``rule`` in any state."""
        self._forget_if_replaced()
        if (rule, profile.name) not in self._rules:
            self._rules[rule, profile.name] = Alone(rule, profile)
        return self._rules[rule, profile.name]

    def segments(self, call: str, profile: Profile) -> list[_Segment]:
        """The segments of ``call``, and of the rest of it when it has waited."""
        self._forget_if_replaced()
        if (call, profile.name) not in self._segments:
            self._segments[call, profile.name] = [segment for resumed in (False, True) for segment in _Segments(call, resumed, profile).all()]
        return self._segments[call, profile.name]

    def goals(self, call: str, profile: Profile, make: Callable[[str, Profile], Goals]) -> Goals:
        """What ``make`` finds of the whole call. It runs once."""
        self._forget_if_replaced()
        if (call, profile.name) not in self._goals:
            self._goals[call, profile.name] = make(call, profile)
        return self._goals[call, profile.name]


DRIVEN = _Driven()


def forget_driven() -> None:
    """Drive all rules and sequences again: the code of one of them is another."""
    DRIVEN.forget()
    forget_rules()


@dataclass
class _Step:
    """One step after the rule that a segment begins with."""

    run: Run
    base: int | None
    """The step after which it is decided, by number; None: the segment's first rule."""
    when: list[Term]
    """The conditions that aren't literally true."""


class _Segment:
    """One case of a rule, and the steps of a sequence that are decided in the states after it."""

    def __init__(self, terms: Terms, alone: Alone | None = None, index: int = 0) -> None:
        self.terms = terms
        self._alone, self._index = alone, index
        self.rule = "" if alone is None else alone.k.rule.name
        """The rule with which it begins; "" before the first rule."""
        self.code = None if alone is None else alone.cases[index].code
        self.steps: list[_Step] = []
        """The steps that copy a part of a message, then one that does something else, if there is one."""
        self.outcomes: list[Outcome] = []
        self.nodes: dict[int, int | None] = {}
        """The steps that others may name (``since``), by their outcomes."""
        self.refused: list[str] = []
        """What is wrong with the steps themselves, so that what they require can't be decided."""
        self._states: dict[int | None, list[AfterCase]] = {}

    @property
    def fails(self) -> bool:
        """The first rule has answered with the code of an error."""
        return self.code not in (None, ReturnCode.KERN_SUCCESS, *IN_PROGRESS)

    @property
    def start(self) -> AfterCase:
        """The state after the first rule."""
        assert self._alone is not None
        return self._alone.after(self._index)

    def add(self, run: Run, when: list[Term]) -> int:
        """The next step; returns its number."""
        base = self._before(len(self.steps) - 1)
        if run.since is not None:
            if id(run.since) not in self.nodes:
                self._refuse(run, "names a step that isn't one of the steps since the last rule that copies nothing")
            base = self.nodes.get(id(run.since))
        self.steps.append(_Step(run, base, when))
        return len(self.steps) - 1

    def _refuse(self, run: Run, words: str) -> None:
        self.refused.append(f"the step {run.rule!r} {words}")

    def _before(self, number: int) -> int | None:
        """The last step up to ``number``; one that stands for any number of steps is left out."""
        while number >= 0 and self.steps[number].run.within:
            number -= 1
        return number if number >= 0 else None

    def preconditions(self) -> Iterator[Precondition]:
        """The goals: all that the steps require, in each state in which they may run."""
        for words in dict.fromkeys(self.refused):
            yield Precondition(self.start.case.id, words, [], [z3.BoolVal(False)])
        asked: list[tuple[AfterCase, Term]] = []
        for number, step in enumerate(self.steps):
            for state in self._after(step.base):
                claims = [_if(step.when, claim) for claim in self._required(state, number)]
                if self.fails:  # a clean-up step needs only what the failed rule required and left unchanged
                    claims = [claim for claim in claims if not any(claim.eq(known) for known in state.known)]
                if not step.run.within:
                    claims = [claim for claim in claims if not any(state is other and claim.eq(known) for other, known in asked)]
                    asked += [(state, claim) for claim in claims]
                if claims:
                    yield Precondition(self.start.case.id, _title(step.run, state), [*state.known, *step.run.within], claims, state.after)

    def _required(self, state: AfterCase, number: int) -> list[Term]:
        """What the step with this number requires, when the steps between ``state`` and it have run."""
        step = self.steps[number]
        if step.run.rule == PAGE_OUT:
            return []  # no invariant says that the page is there; the oracle checks it at every step
        between = self.steps[0 if step.base is None else step.base + 1 : number]
        k = self.terms.context(state, step.run, after_copying(state.after.plain, step, between))
        claims = list(k.rule.requires(k))
        if step.run.cannot_fail:
            claims += [z3.Not(case.when) for case in k.rule.cases(k) if case.code is not None]
        if any(map(state.after.changed, ("task_life", "suspend_count", "wait"))):
            claims.append(k.caller_runs())
        return claims

    def _after(self, number: int | None) -> list[AfterCase]:
        """The states after the step with this number."""
        if number is None:
            return [self.start]
        if number not in self._states:
            step = self.steps[number]
            found: list[AfterCase] = []
            for state in self._after(step.base):
                if step.base is not None and _proof(state.known, self.terms.profile).is_contradictory():
                    continue  # it can't have come to this
                k = self.terms.context(state, step.run)
                found += state.going_on(k, [*state.known, *step.when])
                if step.when:
                    found.append(state.knowing(z3.Not(z3.And(*step.when))))
            self._states[number] = found
        return self._states[number]


def after_copying(before: State, step: _Step, between: list[_Step]) -> State:
    """The state in which ``step`` runs, when the steps ``between`` have run since ``before``, and for one that stands
    for any part of a message, also those for the other parts.

    It has only what ``COPYING`` says of these steps: of a message they change no other place and no other page than
    their own, and what is copied out is gone. Of everything else nothing is known.
    """
    copied = [each for each in between if each.run.rule not in (BODY, ARRAY)]
    others = [step] if step.run.within else []
    if not copied and not others:
        return before
    message, unknown = step.run.arguments["message"], unknown_state(UNBOUNDED, "@later")
    if not all(each.run.arguments["message"].eq(message) for each in copied):
        return unknown

    def kept(name: str, of: Term, where: Term, point: tuple[Term, ...], rules: dict[str, Term | None]) -> Term:
        """The value of a field at a point ``where`` the message may have something."""
        value = z3.If(where, before.fields[name](*point), unknown.fields[name](*point))
        for each in (*copied, *others):
            if each.run.rule in rules:
                gone = rules[each.run.rule]
                value = z3.If(_is_at(each, of, each is step), unknown.fields[name](*point) if gone is None else gone, value)
        return value

    def right(name: str, gone: Term | None) -> Callable[[Term], Term]:
        rules = {COPY_IN: None, COPY_OUT: gone}
        return lambda slot: kept(name, slot, UNBOUNDED.slots_of_message(slot, message), (slot,), rules)

    def page(of: Term, index: Term) -> Term:
        return kept("memory", index, of == message, (of, index), {PAGE_IN: None, PAGE_OUT: UNBOUNDED.no_object})

    read: dict[str, Callable[..., Term]] = {"kind": right("kind", KIND.NONE), "port": right("port", None), "memory": page}
    for name in OF_MESSAGE:
        read[name] = lambda of, name=name: z3.If(of == message, before.fields[name](of), unknown.fields[name](of))
    fields = {name: Field(name, read[name]) if name in read else unknown.fields[name] for name in before.fields}
    return State(UNBOUNDED, {**fields, **{name: before.fields[name] for name in OF_TASKS}})


def _is_at(step: _Step, where: Term, others: bool) -> Term:
    """``step`` copies in to, or out of, this slot or page number; ``others``: it does so for another part."""
    of_right = step.run.rule in (COPY_IN, COPY_OUT)
    place = step.run.arguments["place" if of_right else "index"]
    if not step.run.within:
        return z3.And(place == where, *step.when)
    index, at = z3.Int("i"), S.index(where) if of_right else where
    is_part = [S.is_body_slot(where)] if of_right else []
    same = [z3.substitute(term, (index, at)) for term in (place == where, *step.run.within, *step.when)]
    return z3.And(*is_part, *same, *([at != index] if others else []))


def _title(run: Run, state: AfterCase) -> str:
    if run.rule in FINISHING:
        return "all that the message carries is copied out"
    after = f" ({'; '.join(state.path)})" if state.path else ""
    return f"{run.rule}: {'what it requires, so that it cannot fail' if run.cannot_fail else 'what it requires'}{after}"


class Terms:
    """Drives a sequence with terms (see ``sequences.Driver``)."""

    def __init__(self, call: str, resumed: bool, profile: Profile) -> None:
        self.profile = profile
        self.caller: Term = z3.Const("caller", UNBOUNDED.Task)
        self.within: list[tuple[Term, ...]] = []
        """What is known of the parts that stand for any."""
        self.renamed: list[tuple[Term, Term]] = []
        """Each rule is proved with its own parameters, which stand for the values that the sequence passes."""
        known = first(first_rule(call, resumed), profile).constants
        own = {name: _constant(name, sort) for name, sort in parameters_of(SIGNATURES[call]).items()}
        self.arguments: dict[str, Value] = own | dict(known)

    def resolved(self, value: Value) -> Value:
        return z3.substitute(value, *self.renamed) if self.renamed and z3.is_expr(value) else value

    def rename(self, run: Run, k: Context) -> None:
        """Let the parameters of ``k`` stand for the arguments of ``run`` from here on."""
        for name, value in run.arguments.items():
            if z3.is_const(value) and not value.eq(k.constants[name]):
                self.renamed.append((value, k.constants[name]))

    def context(self, state: AfterCase, run: Run, before: State | None = None) -> Context:
        """The rule of a step, in a state, with its arguments. ``before``: the state, as far as it is known."""
        return state.next(run.rule, self.arguments_of(run), before)

    def arguments_of(self, run: Run) -> dict[str, Value]:
        """The arguments of a step: the call's, and its own."""
        parameters = RULES[run.rule].parameters
        return {name: value for name, value in self.arguments.items() if name in parameters} | run.arguments

    def destination(self, message: Term) -> Term:
        return S.destination_slot(message)

    def reply(self, message: Term) -> Term:
        return S.reply_slot(message)

    def body(self, message: Term, index: Term | int) -> Term:
        return S.body_slot(message, z3.IntVal(index) if isinstance(index, int) else index)

    def parts(self, descriptors: Value) -> Iterator[Part]:
        """A right and a page that stand for any, and out-of-line ports."""
        layout, i = self.arguments["layout"], z3.Int("i")
        yield RightPart(i, self._known(i >= 0, i < UNBOUNDED.rights_of(layout)), z3.Const("any", UNBOUNDED.Name), z3.Int("any_disposition"))
        yield PagePart(i, self._known(i >= 0, i < UNBOUNDED.pages_of(layout)), z3.Int("any_address"), z3.Bool("any_deallocate"))
        yield ArrayPart(i, (), z3.Int("any_disposition"))

    def rights(self, message: Term) -> Iterator[Part]:
        i = z3.Int("i")
        yield Part(i, self._known(i >= 0))

    def pages(self, message: Term) -> Iterator[Part]:
        i = z3.Int("i")
        yield Part(i, self._known(i >= 0))

    def _known(self, *facts: Term) -> tuple[Term, ...]:
        """The ``facts`` about a part that this driver has made up."""
        self.within.append(facts)
        return facts

    def any_of(self, conditions: list[Term]) -> Term:
        return z3.Or(*conditions)


def _constant(name: str, sort: Sort) -> Value:
    """A call's argument that its first rule doesn't take. (Arrays and descriptors have no terms.)"""
    return None if sort.domain is not None or sort.name == "Descriptors" else z3.Const(name, sort_named(UNBOUNDED, sort.name))


class _Segments:
    """The segments of a call's sequence."""

    def __init__(self, call: str, resumed: bool, profile: Profile) -> None:
        self.call, self.resumed, self.profile = call, resumed, profile

    def all(self) -> Iterator[_Segment]:
        """Every segment, each once."""
        if first_rule(self.call, self.resumed) in RULES:
            yield from self._from([])

    def _from(self, cases: list[int]) -> Iterator[_Segment]:
        """The segment after a path, and those that follow.

        For each rule that copies nothing, the path says which case applies. The search follows every path: what a
        step requires may depend on the path to it, and a rule may run twice. Raises TypeError for a sequence without
        an end.
        """
        if len(cases) > LONGEST:
            raise TypeError(f"the sequence of {self.call} has more than {LONGEST} rules one after the other")
        segment, following = self._drive(cases)
        yield segment
        for number, step in enumerate(segment.steps):
            if step.run.rule in COPYING and not step.run.cannot_fail:
                yield from self._failing(cases, number)
        if following is not None:
            for index in range(len(DRIVEN.alone(following.rule, self.profile).cases)):
                yield from self._from([*cases, index])

    def _failing(self, cases: list[int], number: int) -> Iterator[_Segment]:
        """The segments of the clean-up after the step with this number fails."""
        rule = self._drive(cases)[0].steps[number].run.rule
        for index, case in enumerate(DRIVEN.alone(rule, self.profile).cases):
            if case.code is not None:
                yield self._drive(cases, (number, index))[0]

    def _drive(self, cases: list[int], failure: tuple[int, int] | None = None) -> tuple[_Segment, Run | None]:
        """The segment after a path, and the rule with which the next one begins.

        ``failure``: the copying step after the path that fails, and how.
        """
        terms = Terms(self.call, self.resumed, self.profile)
        steps = begin(terms, self.call, self.resumed, terms.arguments)
        segment, left = _Segment(terms), list(cases)
        try:
            step = next(steps)
            while True:
                resolved = _resolved(terms, step)
                if step.within and not any(step.within is known for known in terms.within):
                    segment.refused.append(f"the step {step.rule!r} assumes of a part of the message what its driver doesn't know")
                when = [condition for condition in resolved.when if not is_literally(condition, True)]
                if any(is_literally(condition, False) for condition in when):
                    step = steps.send(SKIPPED)
                elif resolved.rule in COPYING and not (failure and not left and len(segment.steps) == failure[0]):
                    outcome = any_outcome(terms, resolved)
                    segment.nodes[id(outcome)] = segment.add(resolved, when)
                    segment.outcomes.append(outcome)
                    step = steps.send(outcome)
                elif resolved.rule in COPYING or left:
                    index = failure[1] if resolved.rule in COPYING and failure else left.pop(0)
                    failure = None if resolved.rule in COPYING else failure
                    segment, outcome = self._begin(terms, resolved, index)
                    if segment.code in IN_PROGRESS:
                        step = steps.throw(CallerWaits())
                    else:
                        step = steps.throw(Failed(outcome)) if segment.fails else steps.send(outcome)
                else:
                    if when:
                        segment.refused.append(f"whether {step.rule!r} runs, which copies nothing, is not known from the cases before it")
                    segment.add(resolved, when)
                    return segment, resolved
        except (StopIteration, Failed, CallerWaits):
            return segment, None

    def _begin(self, terms: Terms, run: Run, index: int) -> tuple[_Segment, Outcome]:
        """One case of a rule that is proved alone, in any state."""
        alone = DRIVEN.alone(run.rule, self.profile)
        terms.rename(run, alone.k)
        outcome = Outcome(alone.k.constants, alone.cases[index].outputs, alone.cases[index].replies)
        segment = _Segment(terms, alone, index)
        segment.nodes[id(outcome)] = None
        segment.outcomes.append(outcome)
        return segment, outcome


def _resolved(terms: Terms, run: Run) -> Run:
    arguments = {name: terms.resolved(value) for name, value in run.arguments.items()}
    return msgspec.structs.replace(run, arguments=arguments, when=tuple(map(terms.resolved, run.when)), within=tuple(map(terms.resolved, run.within)))


def is_literally(condition: Value, truth: bool) -> bool:
    """The condition is this constant."""
    return condition is truth or (z3.is_expr(condition) and (z3.is_true if truth else z3.is_false)(condition))


def any_outcome(terms: Terms, run: Run) -> Outcome:
    """The outcome of a copying step: outputs of which nothing is known."""
    alone = DRIVEN.alone(run.rule, terms.profile)
    outputs = {name: z3.Const(f"{run.rule}: {name}", sort) for name, sort in alone.outputs.items()}
    return Outcome({**alone.k.constants, **run.arguments}, outputs)


def _if(conditions: list[Term], claim: Term) -> Term:
    """``claim``, if all ``conditions`` hold. A universal quantifier stays outermost."""
    if not conditions:
        return claim
    condition = conditions[0] if len(conditions) == 1 else z3.And(*conditions)
    if not z3.is_quantifier(claim):
        return z3.Implies(condition, claim)
    constants = [z3.Const(claim.var_name(index), claim.var_sort(index)) for index in range(claim.num_vars())]
    return forall(constants, z3.Implies(condition, z3.substitute_vars(claim.body(), *reversed(constants))))


def _copy(k: Context, title: str, emptied: list[Term]) -> Iterator[Precondition]:
    v, b = Variables(UNBOUNDED), k.before
    message, place = k.constants["message"], k.constants["place"]
    for done in runs(k):
        a = done.after
        other = z3.And(k.sorts.slots_of_message(v.s, message), v.s != place)
        same: list[Any] = [forall([v.s], z3.Implies(other, z3.And(a.kind(v.s) == b.kind(v.s), a.port(v.s) == b.port(v.s))))]
        same += [forall([v.i], a.memory(message, v.i) == b.memory(message, v.i)), *_still_there(k, a)]
        yield Precondition(done.case.id, title, done.known, [*same, *[a.empty(slot) for slot in emptied]], done.after)


def _still_there(k: Context, a: State) -> list[Term]:
    """The message is still in the kernel, unchanged, and all tasks live on, run and wait as before."""
    v, b, message = Variables(UNBOUNDED), k.before, k.constants["message"]
    same = [a.fields[name](message) == b.fields[name](message) for name in OF_MESSAGE]
    running = [a.fields[name](v.t) == b.fields[name](v.t) for name in OF_TASKS]
    return [*same, forall([v.t], z3.And(*running))]


def _copy_page(k: Context) -> Iterator[Precondition]:
    """The message's rights and its other pages stay; after copying out the page's place is empty."""
    v, b = Variables(UNBOUNDED), k.before
    message, index = k.constants["message"], k.constants["index"]
    for done in runs(k):
        a = done.after
        mine = k.sorts.slots_of_message(v.s, message)
        rights = forall([v.s], z3.Implies(mine, z3.And(a.kind(v.s) == b.kind(v.s), a.port(v.s) == b.port(v.s))))
        pages = forall([v.i], z3.Implies(v.i != index, a.memory(message, v.i) == b.memory(message, v.i)))
        emptied = (a.memory(message, index) == k.sorts.no_object) == (k.rule.name == PAGE_OUT)
        claims = [rights, pages, emptied, *_still_there(k, a)]
        yield Precondition(done.case.id, "the rights and the other pages of the message stay", done.known, claims, done.after)


def _nothing_changes(k: Context) -> Iterator[Precondition]:
    for done in runs(k):
        same = [done.after.fields[name] is field for name, field in k.before.fields.items()]
        yield Precondition(done.case.id, "the message stays as it was", done.known, [z3.BoolVal(all(same))], done.after)


COPYING: dict[str, Callable[[Context], Iterator[Precondition]]] = {
    COPY_IN: lambda k: _copy(k, "the other rights of the message stay", []),
    COPY_OUT: lambda k: _copy(k, "its place is empty, the other rights stay", [k.constants["place"]]),
    PAGE_IN: _copy_page,
    PAGE_OUT: _copy_page,
    BODY: _nothing_changes,
    ARRAY: _nothing_changes,
}
"""The rules that copy or test a part of a message.

For each, it is decided that the rest of the message stays unchanged.
"""

FINISHING = (FINISH, HANDED_BACK, DONE)
"""The rules that require an empty message."""


def holds(precondition: Precondition, profile: Profile, hints: Hints | None = None) -> bool:
    """Whether the prover proves ``precondition``; ``hints``, if given, say where it looks first."""
    proof = _proof(precondition.assumptions, profile)
    return all(proof.decide(claim, hints.of(str(number)) if hints else None) == z3.unsat for number, claim in enumerate(precondition.claims))


def _proof(assumptions: list[Term], profile: Profile) -> Proof:
    return Proof(UNBOUNDED, [*UNBOUNDED.background, *assumptions], held_by_any_state(profile))
