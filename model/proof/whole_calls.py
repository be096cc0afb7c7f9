"""Proves of whole calls that each right that is named is carried, and that nothing is left in the kernel.

``preconditions.py`` proves that each step of a sequence gets what it requires. A step that is left out requires
nothing. So this module follows every way through a call, from its first rule to its end, and compares it with the
signature table:

- A right that an argument names is copied in once, as the argument for its disposition says, to its place in the
  message. Then the parts of a body are copied in once each, in order. Nothing else is.
- Of each result that names rights, these are copied out once each, in order, if the code comes with that result.
  Nothing else is.
- At the end no message of the caller's is left in the kernel.
- Every rule is run by some call. (One that tests something, and that no sequence runs any more, tests nothing.)

Nothing here knows a call by name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

import z3

from sendright.mach.abi.codes import IN_PROGRESS, ReturnCode
from sendright.mach.abi.rights import Disposition
from sendright.mach.kernel.profiles import Profile
from sendright.mach.signatures import SIGNATURES, ArgumentType, OutputType, Signature
from sendright.model.language.invariant import Variables, forall
from sendright.model.language.rule import ARRAY, COPY_IN, COPY_OUT, PAGE_IN, PAGE_OUT, RULES
from sendright.model.language.sequences import (
    RIGHTS,
    SKIPPED,
    ArrayPart,
    Failed,
    Outcome,
    PagePart,
    Part,
    RightPart,
    Run,
    begin,
    first_rule,
    rules_of,
)
from sendright.model.language.sorts import STAGE, UNBOUNDED, Term
from sendright.model.proof.preconditions import COPYING, DRIVEN, Alone, Goals, Precondition, Terms, any_outcome, is_literally

S = UNBOUNDED.Slot

HEADER: dict[str, Callable[[Term], Term]] = {"dest": S.destination_slot, "reply": S.reply_slot}
"""The two fields of a message's header that name rights, and their places. All other rights are in the body."""


class _Taken(NamedTuple):
    """One step of a way through a call."""

    run: Run
    """Its arguments are the sequence's own terms."""
    when: tuple[Term, ...] = ()
    """The conditions of a copying step that aren't literally true."""
    alone: Alone | None = None
    """Its rule in any state, and which case of it applies; None: a copying step that goes on."""
    case: int = 0


class _Way:
    """One way through a call: its steps, and what its body consists of."""

    def __init__(self, call: str, terms: _Following) -> None:
        self.call, self.terms = call, terms
        self.steps: list[_Taken] = []
        self.code: ReturnCode | None = None
        """The code of the first rule that has answered with one."""
        self.fails_early = False
        """Its first rule fails, or a part can't be copied in: the rest isn't."""

    @property
    def first(self) -> _Taken:
        return self.steps[0]

    def copies(self, *rules: str) -> list[_Taken]:
        """The steps that run one of these copying rules and go on, or fail."""
        return [step for step in self.steps if step.run.rule in rules]

    def told(self) -> dict[str, Term]:
        """What its rules say of the call's results."""
        cases = [step.alone.cases[step.case] for step in self.steps if step.alone is not None]
        return {name: value for case in cases for name, value in case.outputs.items()}

    def goal(self, title: str, claims: list[Term]) -> Precondition:
        assert self.first.alone is not None
        after = self.first.alone.after(self.first.case)
        return Precondition(after.case.id, title, after.known, claims, after.after)


class _Following(Terms):
    """Drives a sequence with terms, and notes what it is given of a message's body."""

    def __init__(self, call: str, resumed: bool, profile: Profile) -> None:
        super().__init__(call, resumed, profile)
        self.given: list[Part] = []
        """The parts of the body that is copied in."""
        self.received: list[tuple[Term, Part]] = []
        """The rights of a body that is copied out, with the message."""
        self.received_pages: list[tuple[Term, Part]] = []

    def parts(self, descriptors: object) -> Iterator[Part]:
        self.given += super().parts(descriptors)
        yield from self.given

    def rights(self, message: Term) -> Iterator[Part]:
        self.received += [(message, part) for part in super().rights(message)]
        return super().rights(message)

    def pages(self, message: Term) -> Iterator[Part]:
        self.received_pages += [(message, part) for part in super().pages(message)]
        return super().pages(message)


def ways_through(call: str, resumed: bool, profile: Profile) -> Iterator[_Way]:
    """Every way through a call: for each rule, each of its cases. A copying rule, which stands for any number, goes on
    or fails.
    """
    left: list[tuple[int, ...]] = [()]
    while left:
        taken = left.pop()
        way, options = _follow(call, resumed, profile, taken)
        turns = list(taken) + [0] * (len(options) - len(taken))
        left += [(*turns[:at], turn) for at in range(len(taken), len(options)) for turn in range(1, options[at])]
        yield way


def _follow(call: str, resumed: bool, profile: Profile, turns: tuple[int, ...]) -> tuple[_Way, list[int]]:
    """The way that takes these turns, and the first turn after them; how many turns there are at each place."""
    terms = _Following(call, resumed, profile)
    way, options = _Way(call, terms), list[int]()
    steps = begin(terms, call, resumed, terms.arguments)
    try:
        step = next(steps)
        while True:
            when = tuple(condition for condition in step.when if not is_literally(condition, True))
            if any(is_literally(condition, False) for condition in when):
                step = steps.send(SKIPPED)
                continue
            alone = DRIVEN.alone(step.rule, profile)
            numbers = list(range(len(alone.cases)))
            if step.rule in COPYING:
                numbers = [number for number in numbers if alone.cases[number].code is not None and not step.cannot_fail]
            turn = turns[len(options)] if len(options) < len(turns) else 0
            options.append(len(numbers) + (step.rule in COPYING))
            if step.rule in COPYING and turn == 0:
                way.steps.append(_Taken(step, when))
                step = steps.send(any_outcome(terms, step))
                continue
            number = numbers[turn - (step.rule in COPYING)]
            way.steps.append(_Taken(step, when, alone, number))
            case = alone.cases[number]
            way.code = case.code if way.code is None else way.code
            if case.code in IN_PROGRESS:
                return way, options
            outcome = _outcome(alone, number, step)
            if case.code in (None, ReturnCode.KERN_SUCCESS):
                step = steps.send(outcome)
            else:
                way.fails_early |= len(way.steps) == 1 or step.rule in COPYING
                step = steps.throw(Failed(outcome))
    except (StopIteration, Failed):
        return way, options


def _outcome(alone: Alone, number: int, step: Run) -> Outcome:
    """What comes of a case, in the sequence's own terms."""
    case, own = alone.cases[number], alone.k.constants
    given = [(own[name], value) for name, value in step.arguments.items() if z3.is_expr(own[name])]
    return Outcome({**own, **step.arguments}, {name: z3.substitute(value, *given) for name, value in case.outputs.items()}, case.replies)


def whole_call(rule: str, profile: Profile) -> Iterator[Precondition]:
    """The goals of whole calls that are decided with ``rule``: what is carried with a call's first rule, what is left
    with the last rule that has the message.
    """
    running = [rules_of(call, profile) for call in SIGNATURES if profile.serves(call)]
    if (rule,) not in running and not RULES[rule].pending:
        yield Precondition("all cases", "a call runs the rule", [], [_is(any(rule in rules for rules in running))])
    if rule in COPYING:
        return  # what it does is part of the ways that begin with other rules
    seen: list[Precondition] = []
    for call in SIGNATURES:
        if profile.serves(call) and rule in rules_of(call, profile):
            for goal in DRIVEN.goals(call, profile, _goals).get(rule, []):
                if not any(map(goal.equals, seen)):
                    seen.append(goal)
                    yield goal


def _goals(call: str, profile: Profile) -> Goals:
    found: Goals = {}
    for resumed in (False, True):
        if first_rule(call, resumed) not in RULES:
            continue
        for way in ways_through(call, resumed, profile):
            first = way.first.run.rule
            found.setdefault(first, []).extend([*_carried(way, resumed), *_given(way)])
            for rule, goal in (*_said(way), *_left(way)):
                found.setdefault(rule, []).append(goal)
    return found


def _same(some: object, other: object) -> bool:
    if isinstance(some, z3.ExprRef) and isinstance(other, z3.ExprRef):
        return bool(some.eq(other))
    return some is other


def _all_same(some: Iterable[object], others: Iterable[object]) -> bool:
    some, others = list(some), list(others)
    return len(some) == len(others) and all(map(_same, some, others))


def _is(truth: bool) -> Term:
    return z3.BoolVal(truth)


def _body_slot(message: Term, index: int) -> Term:
    return S.body_slot(message, z3.IntVal(index))


# ---- what is carried


def named_rights(call: Signature) -> dict[str, str]:
    """The arguments that name a right which is carried as another argument says, each with that: a right of the
    caller's, or one in the target's space.
    """
    names = {each.name: each.type for each in call.arguments if each.type in (ArgumentType.RIGHT_NAME, ArgumentType.NAME)}
    callers = [name for name, type_ in names.items() if type_ is ArgumentType.RIGHT_NAME]
    found: dict[str, str] = {}
    for argument in call.arguments:
        if argument.type is ArgumentType.DISPOSITION:
            its = argument.name.removesuffix("disposition").rstrip("_")
            found[its if its in names else (callers or list(names))[0]] = argument.name
    return found


def _carried(way: _Way, resumed: bool) -> Iterator[Precondition]:
    """Every right and page that the caller names is copied in once, in order, and nothing else."""
    call, arguments = SIGNATURES[way.call], way.terms.arguments
    named = {} if resumed else named_rights(call)
    steps = way.copies(COPY_IN, PAGE_IN, ARRAY)
    has_body = not resumed and call.takes(ArgumentType.DESCRIPTORS)
    if not (named or has_body or steps):
        return
    of_parts = [step for step in steps if any(_is_of(step, part) for part in way.terms.given)]
    of_header = [step for step in steps if step not in of_parts]
    message = steps[0].run.arguments["message"] if steps else None
    known: list[_Taken] = []
    in_body = 0
    for name, disposition in named.items():
        mine = [
            step for step in of_header if _all_same(map(step.run.arguments.get, ("name", "disposition")), (arguments[name], arguments[disposition]))
        ]
        known += mine
        times = z3.Sum(z3.IntVal(0), *[z3.If(z3.And(*step.when), 1, 0) for step in mine])
        is_one = z3.And(arguments[disposition] >= int(Disposition.MOVE_RECEIVE), arguments[disposition] <= int(Disposition.MAKE_SEND_ONCE))
        if name not in HEADER and way.terms.profile.null_fits_any_disposition:
            is_one = z3.BoolVal(True)  # the step itself refuses a right with a number that is none
        often = times <= 1 if way.fails_early else times == z3.If(is_one, 1, 0)
        claims = [often]
        for step in mine:
            place = HEADER[name](message) if name in HEADER else _body_slot(message, in_body)
            claims += [_is(_same(step.run.arguments["place"], place)), *_from(way, name, step.run)]
        in_body += name not in HEADER
        yield way.goal(f"the right that {name} names is carried once", claims)
    in_order = [next(number for number, part in enumerate(way.terms.given) if _is_of(step, part)) for step in of_parts]
    whole = list(range(len(way.terms.given)))
    steps_after = steps[len(of_header) :]
    facts = [
        in_order == (whole[: len(in_order)] if way.fails_early else whole),
        bool(way.terms.given) or way.fails_early or not has_body,
        len(known) == len(of_header),
        all(_same(step.run.arguments["message"], message) for step in steps),
        len(steps_after) == len(of_parts) and all(step in of_parts for step in steps_after),
    ]
    yield way.goal("all that the body names is carried once, in order, and nothing else", [_is(all(facts))])


def _from(way: _Way, name: str, run: Run) -> list[Term]:
    """The right comes from the caller's space; if the name is one in the target's space, from there."""
    call = SIGNATURES[way.call]
    if call.argument(name).type is ArgumentType.RIGHT_NAME:
        return [_is(_same(run.arguments["space"], way.terms.caller))]
    assert way.first.alone is not None
    assert call.target is not None
    target = way.terms.arguments[call.target]
    return [run.arguments["space"] == way.first.alone.k.task_behind(target), _is(_same(run.arguments.get("control"), target))]


def _is_of(step: _Taken, part: Part) -> bool:
    """The step copies this part of the body in, whenever it is reached, to its place."""
    given, message = step.run.arguments, step.run.arguments["message"]
    match part:
        case RightPart():
            place = S.body_slot(message, part.index)
            rule, fits = COPY_IN, _all_same((given.get("name"), given.get("disposition"), given.get("place")), (part.name, part.disposition, place))
        case PagePart():
            fields = ("index", "address", "deallocate")
            rule, fits = PAGE_IN, _all_same([given.get(field) for field in fields], [getattr(part, field) for field in fields])
        case ArrayPart():
            rule, fits = ARRAY, _same(given.get("disposition"), part.disposition)
        case _:
            raise TypeError(part)
    return step.run.rule == rule and fits and not step.when and _all_same(step.run.within, part.within)


# ---- what is given


def _given(way: _Way) -> Iterator[Precondition]:
    """Every result that comes with the code and names rights names those that are copied out, once each."""
    results = [each for each in SIGNATURES[way.call].results(way.code or ReturnCode.KERN_SUCCESS) if each.type in (*RIGHTS, OutputType.DESCRIPTORS)]
    steps, told = way.copies(COPY_OUT, PAGE_OUT), way.told()
    if way.code in IN_PROGRESS:
        results = []
    if not (results or steps):
        return
    message = steps[0].run.arguments["message"] if steps else None
    claims: list[Term] = []
    of_results: list[_Taken] = []
    in_body = 0
    for result in results:
        mine = [step for step in steps if step.run.to == result.name]
        of_results += mine
        if result.type is OutputType.DESCRIPTORS:
            rights = [("place", S.body_slot(of, part.index), of, part) for of, part in way.terms.received]
            pages = [("index", part.index, of, part) for of, part in way.terms.received_pages]
            expected = [*rights, *pages]
            facts = [bool(rights and pages), len(mine) == len(expected)]
            for step, (where, place, of, part) in zip(mine, expected, strict=False):
                facts.append(_all_same((step.run.arguments.get(where), message, *step.run.within), (place, of, *part.within)) and not step.when)
            claims.append(_is(all(facts)))
            continue
        if result.name in told or f"{result.name}_length" in told:
            claims.append(_is(not mine))
            continue
        conditions = _conditions(way) if result.type is OutputType.PORTS else [()]
        claims.append(_is(len(mine) == len(conditions)))
        for step, condition in zip(mine, conditions, strict=False):
            place = HEADER[result.name](message) if result.name in HEADER else _body_slot(message, in_body)
            in_body += result.name not in HEADER
            claims.append(_is(step.run.rule == COPY_OUT and _same(step.run.arguments["place"], place)))
            claims.append(z3.And(*step.when) == z3.And(*condition))
    alike = all(_same(step.run.arguments["message"], message) for step in steps)
    claims.append(_is(alike and steps == of_results))
    yield way.goal("all rights that the results name are copied out once, in order, and nothing else", claims)


def _conditions(way: _Way) -> list[tuple[Term, ...]]:
    """The conditions of the rights of an array: those that the outputs say (``told.1`` …), or all of its reply."""
    said = [(value,) for name, value in way.told().items() if name.startswith("told.")]
    assert way.first.alone is not None
    return said or [()] * way.first.alone.cases[way.first.case].replies


def _said(way: _Way) -> Iterator[tuple[str, Precondition]]:
    """Every other result that comes with the code is what some rule of the call says: a goal of each of its rules."""
    expected = [] if way.code in IN_PROGRESS else SIGNATURES[way.call].results(way.code or ReturnCode.KERN_SUCCESS)
    words = [each.name for each in expected if each.type not in (*RIGHTS, OutputType.DESCRIPTORS)]
    said = {each for name in way.told() for each in (name, name.partition(".")[0], name.removesuffix("_length"), *_MADE_OF.get(name, ()))}
    for step in way.steps if words else ():
        if step.alone is not None:
            after = step.alone.after(step.case)
            title = f"{way.call}: a rule says what each result is"
            yield step.run.rule, Precondition(after.case.id, title, after.known, [_is(said.issuperset(words))], after.after)


_MADE_OF = {
    "names_of": ("names", "types"),
    "members_of": ("members",),
    "entries_of": ("names", "types", "urefs"),
    "count_of": ("table_inuse",),
    "requests_of": ("used",),
}
"""The results that consist of what an output names (``model/execution/told_results.py``)."""


# ---- what is left


def _left(way: _Way) -> Iterator[tuple[str, Precondition]]:
    """Of each message that the call has in hand, the last rule that has it leaves it out of the kernel. No rule takes a
    message into the kernel that it doesn't name.
    """
    last: dict[int, tuple[_Taken, str, Term]] = {}
    for step in way.steps:
        if step.alone is None or step.run.rule in COPYING:
            continue  # it changes no stage
        rule, k = step.alone.k.rule, step.alone.k
        own = {name for name, sort in {**rule.parameters, **rule.choices}.items() if sort.name == "Message" and not sort.is_function}
        for name in own:
            message: Term = step.run.arguments[name] if name in step.run.arguments else k.constants[name]
            last[message.get_id()] = step, name, message
        after = step.alone.after(step.case)
        if after.after.changed("stage"):
            v, b, a = Variables(UNBOUNDED), k.before, after.after
            enters = z3.And(b.stage(v.m) != STAGE.IN_KERNEL, a.stage(v.m) == STAGE.IN_KERNEL)
            claim = forall([v.m], z3.Implies(enters, z3.Or(*[v.m == k.constants[name] for name in own])))
            yield rule.name, Precondition(after.case.id, "only a message that the rule names enters the kernel", after.known, [claim], a)
    for step, name, _ in last.values():
        assert step.alone is not None
        k, after = step.alone.k, step.alone.after(step.case)
        message = k.constants[name]
        out = after.after.stage(message) != STAGE.IN_KERNEL
        if name in k.rule.choices:
            out = z3.Or(k.before.stage(message) == STAGE.IN_KERNEL, out)  # then it is another call's
        yield k.rule.name, Precondition(after.case.id, "no message is left in the kernel", after.known, [out], after.after)
