"""Sequences: which rules a call runs, in which order and with which arguments. Each is declared once, beside the call's
rules.

A sequence is a generator. It yields steps (``Run``): a rule, its arguments, and the condition under which the rule is
run. It gets back the outcome of each step (``Outcome``). A call without a sequence of its own is one rule, whose
reply's rights are copied out.

The same generator is driven with numbers and with terms:

- the oracle (``oracle.py``) runs each rule on its state, and compares the outcome with an implementation's answer;
- the prover (``preconditions.py``) decides that each step establishes what the next one requires, for a body with any
  number of rights;
- ``rules_of`` lists the rules;
- the derivation graph (``properties/provenance/call_flows.py``) reads which rights a call carries, and where in its
  results it names rights.

So a sequence has no branches. A step that isn't always run has a condition (``when``). An ``if`` without ``else`` is
allowed only on an output that is literally true in some cases. A rule that fails raises ``Failed`` in the sequence,
which may clean up before it lets the exception pass. A rule that makes its caller wait raises ``CallerWaits``.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from functools import cache
from typing import Any, Protocol, TypeAlias

import msgspec

from sendright.mach.abi.descriptors import NO_PAGE
from sendright.mach.kernel.profiles import Profile
from sendright.mach.signatures import SIGNATURES, OutputType
from sendright.model.language.rule import COPY_IN, COPY_OUT, FINISH, LOOKS, PAGE_OUT, RULES

Value: TypeAlias = Any
"""A value that a sequence only passes on: a number, name or place of the oracle's, or a term of the prover's."""

RIGHTS = (OutputType.PORT, OutputType.PORTS)
"""Results that name rights, and nothing else."""


class Outcome:
    """The outcome of one step."""

    __slots__ = ("given", "outputs", "replies")

    def __init__(self, given: Mapping[str, Value], outputs: Mapping[str, Value], replies: int = 0) -> None:
        self.given = given
        """The rule's arguments, and what the kernel chose."""
        self.outputs = outputs
        """The outputs of the case that applied."""
        self.replies = replies
        """How many rights are in the reply that the rule has begun."""

    def __getitem__(self, name: str) -> Value:
        """The output called ``name``, or else the argument or choice. Raises KeyError."""
        return self.outputs[name] if name in self.outputs else self.given[name]

    def says(self, name: str) -> Value:
        """The output called ``name``; False if the case that applied has none."""
        return self.outputs.get(name, False)


SKIPPED = Outcome({}, {})
"""The outcome of a step whose condition doesn't hold."""


class Failed(Exception):
    """A rule has answered with the code of an error: the call ends after the sequence has cleaned up."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__()
        self.outcome = outcome


class CallerWaits(Exception):
    """A rule has answered that the caller waits now: the call ends for this time, after the sequence has noted what the
    call still has to do.
    """


class Run(msgspec.Struct, frozen=True, eq=False):
    """One step of a sequence: a rule to be run."""

    rule: str
    arguments: dict[str, Value]
    """Parameters that aren't named here are the call's arguments of the same name."""
    when: tuple[Value, ...] = ()
    """Conditions: unless all hold, the step is left out."""
    cannot_fail: bool = False
    """An earlier rule has tested all that could make it fail."""
    since: Outcome | None = None
    """The step that establishes what this one requires, if it isn't the previous one.

    The steps between don't change it.
    """
    within: tuple[Value, ...] = ()
    """For the prover: what is known of the part of the message, which stands for any part."""
    to: str = ""
    """The result that names the copied-out right."""
    goes_on: bool = False
    """The call goes on when the rule has succeeded: its code isn't the call's."""


Steps: TypeAlias = Generator[Run, Outcome, None]


def run(
    rule: str,
    /,
    *,
    when: Value | Sequence[Value] = (),
    cannot_fail: bool = False,
    since: Outcome | None = None,
    within: tuple[Value, ...] = (),
    to: str = "",
    goes_on: bool = False,
    **arguments: Value,
) -> Run:
    """The step that runs ``rule`` with these arguments."""
    conditions = tuple(when) if isinstance(when, (tuple, list)) else (when,)
    return Run(rule, arguments, conditions, cannot_fail, since, within, to, goes_on)


class Part(msgspec.Struct, frozen=True, eq=False):
    """One part of a message's body: the right or page with this number.

    For the prover, one that stands for any part.
    """

    index: Value
    within: tuple[Value, ...] = ()


class RightPart(Part, frozen=True, eq=False):
    """A right to carry."""

    name: Value = None
    disposition: Value = None


class PagePart(Part, frozen=True, eq=False):
    """A page to carry."""

    address: Value = None
    deallocate: Value = None


class ArrayPart(Part, frozen=True, eq=False):
    """Out-of-line ports, before the first of them is carried."""

    disposition: Value = None


class Driver(Protocol):
    """The driver of a sequence. It knows the caller and the profile, and what messages consist of."""

    @property
    def caller(self) -> Value:
        """The task that makes the call."""

    def destination(self, message: Value) -> Value:
        """The place of a message for its destination."""

    def reply(self, message: Value) -> Value:
        """The place of a message for its reply right."""

    def body(self, message: Value, index: Value) -> Value:
        """The place of a message for a right of its body."""

    def parts(self, descriptors: Value) -> Iterable[Part]:
        """The parts of a body that is given as an argument, in the order in which they are copied in."""

    def rights(self, message: Value) -> Iterable[Part]:
        """The rights of a body that is to be copied out."""

    def pages(self, message: Value) -> Iterable[Part]:
        """The pages of a body that is to be copied out."""

    def any_of(self, conditions: list[Value]) -> Value:
        """Whether one of the conditions holds."""


def copy_in(
    d: Driver,
    message: Value,
    place: Value,
    name: Value,
    disposition: Value,
    *,
    space: Value = None,
    control: Value = None,
    when: Value | Sequence[Value] = (),
    cannot_fail: bool = False,
    since: Outcome | None = None,
    within: tuple[Value, ...] = (),
) -> Run:
    """The step that copies a right in to ``place`` of a message: the caller's, or one of the task ``space``, whose port
    the caller has under ``control``.
    """
    arguments = {"space": d.caller if space is None else space, "name": name, "disposition": disposition, "message": message, "place": place}
    if control is not None:
        arguments["control"] = control
    return run(COPY_IN, when=when, cannot_fail=cannot_fail, since=since, within=within, **arguments)


def copy_out(
    message: Value,
    place: Value,
    to: str,
    *,
    when: Value | Sequence[Value] = (),
    since: Outcome | None = None,
    within: tuple[Value, ...] = (),
) -> Run:
    """The step that copies the right in ``place`` of a message out to the caller; the result ``to`` names it."""
    return run(COPY_OUT, when=when, since=since, within=within, to=to, message=message, place=place)


def copy_out_body(d: Driver, message: Value, to: str, since: Outcome) -> Generator[Run, Outcome, Value]:
    """The steps that copy a message's body out to the caller, rights first, then pages, under the names that the result
    ``to`` gives.

    Returns whether there was no room for a page.
    """
    for right in d.rights(message):
        yield copy_out(message, d.body(message, right.index), to, since=since, within=right.within)
    lost: list[Value] = []
    for page in d.pages(message):
        mapped = yield run(PAGE_OUT, to=to, since=since, within=page.within, message=message, index=page.index)
        lost.append(mapped["page"] == NO_PAGE)
    return d.any_of(lost)


class CallSequence(msgspec.Struct, frozen=True):
    """The declared sequence of a call."""

    steps: Callable[..., Steps]
    arguments: tuple[str, ...]
    """The call's arguments that it takes, in order."""

    def begin(self, d: Driver, arguments: Mapping[str, Value]) -> Steps:
        """The steps of a call with these arguments."""
        return self.steps(d, *[arguments[name] for name in self.arguments])


_DECLARED: dict[tuple[str, bool], CallSequence] = {}


def sequence(*calls: str, resumed: bool = False) -> Callable[[Callable[..., Steps]], Callable[..., Steps]]:
    """Declare the sequence of one or several calls; with ``resumed``, of the rest of a call that waited.

    The generator takes the driver, then arguments of the call, by their names. Raises TypeError if the call has no such
    argument.
    """

    def declare(steps: Callable[..., Steps]) -> Callable[..., Steps]:
        _, *arguments = inspect.signature(steps).parameters
        for call in calls:
            unknown = set(arguments) - {argument.name for argument in SIGNATURES[call].arguments}
            if unknown or (resumed and arguments):
                raise TypeError(f"the sequence of {call} takes {', '.join(arguments)}: that call has no such argument then")
            _DECLARED[call, resumed] = CallSequence(steps, tuple(arguments))
        return steps

    return declare


def declared() -> Iterable[CallSequence]:
    """All declared sequences, in the order in which they were declared."""
    return _DECLARED.values()


def calls_of(steps: Callable[..., object]) -> tuple[str, ...]:
    """The calls whose sequence, or whose sequence after a wait, is this generator."""
    return tuple(dict.fromkeys(call for (call, _), declared in _DECLARED.items() if declared.steps is steps))


def resumption(call: str) -> str:
    """The name of the rule with which ``call`` goes on after it has waited.

    A call that never waits has no such rule.
    """
    return f"{call}: resumed"


def first_rule(call: str, resumed: bool = False) -> str:
    """The name of the rule that a call begins with, or goes on with. (A name only: there need not be such a rule.)

    Raises TypeError for a sequence without steps.
    """
    first = next(begin(_Names(call), call, resumed), None)
    if first is None:
        raise TypeError(f"the sequence of {call} runs no rule")
    return first.rule


def begin(d: Driver, call: str, resumed: bool = False, arguments: Mapping[str, Value] | None = None) -> Steps:
    """The steps of ``call``, or of the rest of it when it has waited."""
    declared = _DECLARED.get((call, resumed))
    if declared is not None:
        return declared.begin(d, arguments or dict.fromkeys(declared.arguments))
    return _one_rule(d, resumption(call) if resumed else call, _named_rights(call))


@cache
def _named_rights(call: str) -> str:
    """The result of ``call`` that names rights which are copied out to its caller; "" if none does."""
    outputs = SIGNATURES[call].outputs if call in SIGNATURES else ()
    return next((output.name for output in outputs if output.type in RIGHTS), "")


def _one_rule(d: Driver, rule: str, to: str) -> Steps:
    """A call of one rule; the rights of its reply, if it has any, are its only result."""
    answered = yield run(rule)
    for index in range(answered.replies):
        reply = answered["reply_message"]
        yield copy_out(reply, d.body(reply, index), to, since=answered)
    if answered.replies:
        yield run(FINISH, message=answered["reply_message"], since=answered)


# ---- the names of the rules


class _Anything(Mapping[str, Value]):
    """Outputs of every name."""

    def __getitem__(self, name: str) -> Value:
        return name

    def __iter__(self) -> Any:
        return iter(())

    def __len__(self) -> int:
        return 0

    def __contains__(self, name: object) -> bool:
        return True


ANYTHING = Outcome(_Anything(), _Anything())
"""The outcome of a step of which nothing is known: it has every output, and each counts as true."""


class _Names:
    """Drives a sequence to learn which rules are in it: nothing is run, every step is taken."""

    caller = None

    def __init__(self, call: str) -> None:
        self.outcome = Outcome(_Anything(), _Anything(), 1 if _named_rights(call) else 0)

    def destination(self, message: Value) -> Value:
        return None

    def reply(self, message: Value) -> Value:
        return None

    def body(self, message: Value, index: Value) -> Value:
        return None

    def parts(self, descriptors: Value) -> Iterable[Part]:
        return ArrayPart(0), RightPart(0), PagePart(0)

    def rights(self, message: Value) -> Iterable[Part]:
        return (Part(0),)

    def pages(self, message: Value) -> Iterable[Part]:
        return (Part(0),)

    def any_of(self, conditions: list[Value]) -> Value:
        return None

    def rules(self, steps: Steps, ends_at: int | None = None, end: Exception | None = None) -> list[str]:
        """The rules that ``steps`` run, if the step with this number raises ``end``."""
        found: list[str] = []
        try:
            step = next(steps)
            while True:
                found.append(step.rule)
                step = steps.throw(end) if end is not None and len(found) - 1 == ends_at else steps.send(self.outcome)
        except (StopIteration, Failed, CallerWaits):
            return found


@cache
def _all_rules(call: str, declared: CallSequence | None, resumed_as: CallSequence | None, goes_on: bool) -> tuple[str, ...]:
    """The rules of ``call`` when these sequences are declared for it. ``goes_on``: it can go on after a wait."""
    found: dict[str, None] = {}
    for resumed in (False, True):
        if resumed and not goes_on:
            continue
        names = _Names(call)
        straight = names.rules(begin(names, call, resumed))
        found |= dict.fromkeys(straight)
        for index in range(len(straight)):
            for end in (Failed(names.outcome), CallerWaits()):
                found |= dict.fromkeys(names.rules(begin(names, call, resumed), index, end))
    return tuple(found)


def forget_rules() -> None:
    """The code of a sequence is another: which rules it runs is found out again."""
    _all_rules.cache_clear()


def rules_of(call: str, profile: Profile | None = None) -> tuple[str, ...]:
    """The names of the rules that the call runs in ``profile`` (None: in any profile, but for the looks at names before
    its own rules).
    """
    resumed = _DECLARED.get((call, True))
    rules = _all_rules(call, _DECLARED.get((call, False)), resumed, resumed is not None or resumption(call) in RULES)
    if profile is not None and call in SIGNATURES and SIGNATURES[call].target is not None:
        rules = tuple(dict.fromkeys((*rules, *LOOKS)))
    return tuple(rule for rule in rules if profile is None or rule not in RULES or RULES[rule].is_used(profile))
