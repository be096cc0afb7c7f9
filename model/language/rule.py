"""The notation of a rule: parameters, ordered cases, effects.

A rule is a list of cases in the order in which the kernel tests them. The first case whose condition holds applies, so
error precedence is part of the specification. Every rule has the same sections in the same order, marked by comments.
Empty sections are left out:

- NAMES: what the arguments denote;
- CASES: the tests, before anything changes;
- RIGHTS: what changes, except tokens: the effects, and the cases that have them;
- TOKENS: how tokens change;
- REPLY: results, and rights in the reply.

Two sections that one statement makes share a heading (``# RIGHTS, REPLY``). ``tests/model/language/test_rule_form.py``
enforces this.

A call is one rule or a sequence of several (``sequences.py``). A message's rights are copied in one by one, each step
by a rule of its own, so that proofs cover messages with any number of rights.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import wraps
from inspect import Parameter, signature
from types import MappingProxyType
from typing import Any, Concatenate, get_type_hints

import z3

from sendright.mach.abi.codes import ReturnCode
from sendright.mach.abi.rights import Disposition, PortObject
from sendright.mach.kernel.profiles import Profile
from sendright.mach.signatures import SIGNATURES
from sendright.model.language.actions import begin_reply, is_kernel_objects, makes_immovable
from sendright.model.language.arguments import CIRCUMSTANCES, parameters_of
from sendright.model.language.evidence import NONE, Evidence, Grounds, in_all_profiles, page, rests_on
from sendright.model.language.invariant import Variables
from sendright.model.language.sorts import KIND, NUMBERED_ENUMERATIONS, OBJECT, POSSIBLE, STAGE, UNBOUNDED, WAIT, Sorts, Term
from sendright.model.language.state import FIELDS, After, State, sort_named
from sendright.model.language.terms import Array, Bool, Int, Message, Name, Sort, sort_of

Effect = Callable[[After], None]

REQUEST_SENT = rests_on("ipc/ipc_kmsg.c: ipc_kmsg_copyin_header", xnu="ipc/ipc_kmsg.c: ipc_kmsg_copyin_header_rights", manual=page("mach_msg"))
"""Of the test of a request's target."""
RIGHTS_COPIED_IN = rests_on(
    "ipc/ipc_kmsg.c: ipc_kmsg_copyin_body",
    xnu="ipc/ipc_kmsg.c: ipc_kmsg_copyin_port_descriptor, ipc_kmsg_copyin_ool_ports_descriptor",
    manual=page("mach_msg"),
)
"""Of the test of a request's other ports."""


def nothing(after: After) -> None:
    """The effect of a case that changes nothing."""


@dataclass(frozen=True)
class Otherwise:
    """The condition of a case that takes what earlier cases leave: what is tested, and what the test amounts to
    (``Context.otherwise``).
    """

    tested: Term
    meaning: Term | None


@dataclass(frozen=True)
class Case:
    """One case of a rule. ``code`` None: the call goes on with the next rule."""

    code: ReturnCode | None
    title: str
    when: Term
    effect: Effect = nothing
    outputs: Mapping[str, Term] = field(default_factory=dict)
    replies: int = 0
    """Rights in the reply message, to be copied out to the caller."""
    meaning: Term | None = None
    """For readers: when the case applies if no earlier case refuses the call.

    None: when ``when`` holds. Only ``when`` is tested and proved.
    """
    evidence: Evidence = NONE
    """What it rests on, where that isn't what its rule rests on."""

    def __post_init__(self) -> None:
        """Keep the outputs from changes. Raises TypeError for a code, a condition or an output that is none: properties
        and the oracle might read it in different ways.
        """
        if not (self.code is None or isinstance(self.code, ReturnCode)):
            raise TypeError(f"{self.title}: {self.code!r} is not a ReturnCode")
        if isinstance(self.when, bool):
            object.__setattr__(self, "when", z3.BoolVal(self.when))
        if not z3.is_bool(self.when):
            raise TypeError(f"{self.title}: the condition is {self.when!r}, not a formula")
        if wrong := [name for name, term in self.outputs.items() if not z3.is_expr(term)]:
            raise TypeError(f"{self.title}: the output {wrong[0]} is not a term")
        object.__setattr__(self, "outputs", MappingProxyType(dict(self.outputs)))

    @property
    def refuses(self) -> bool:
        """The case answers an error."""
        return self.code not in (None, ReturnCode.KERN_SUCCESS)

    @property
    def id(self) -> str:
        return f"{'CONTINUES' if self.code is None else self.code.name}/{self.title}"


@dataclass(frozen=True)
class Rule:
    """A named rule: its parameters and what the kernel may choose, each with its sort, and the function that yields its
    cases.
    """

    name: str
    parameters: dict[str, Sort]
    choices: dict[str, Sort]
    cases: Callable[[Context], Iterator[Case]]
    requires: Callable[[Context], list[Term]]
    """What the earlier rules establish: proved of the sequences (``preconditions.py``), and checked by the oracle at
    every step.
    """
    pending: bool = False
    """The rule does work that an earlier rule left pending. All other rules begin when nothing is pending.

    The first thing that such a rule requires says that there is work for it, the others say that it is its turn.
    """
    resumes: str = "NOTHING"
    """The member of ``Wait`` with which the rule goes on. The callers of all other rules aren't waiting."""
    applies: Callable[[Profile], bool] = lambda profile: True
    """Whether this profile's kernels have calls that wait for the rule, or that run it."""
    evidence: Evidence = NONE
    """What its cases rest on, unless they have evidence of their own."""

    def is_used(self, profile: Profile) -> bool:
        """Whether calls use the rule in this profile."""
        return self.applies(profile)

    @property
    def manual(self) -> str:
        """The rule's docstring: the manual entry in our words."""
        return self.cases.__doc__ or ""


class Context:
    """The inputs of a rule: the state before, the caller, the arguments, the kernel's choices, and the profile's
    limits.

    Nothing can change them: the cases of a rule and the properties of these cases speak of the same inputs.
    """

    def __init__(
        self, rule: Rule, before: State, profile: Profile, tag: str = "", caller: Term | None = None, given: Mapping[str, Term] | None = None
    ) -> None:
        """``caller`` and ``given``: what stands for the caller and for some of the arguments, instead of constants of
        which nothing is known.
        """
        self.rule = rule
        self.before = before
        self.sorts: Sorts = before.sorts
        self.profile = profile
        self.caller: Term = z3.Const("caller" + tag, self.sorts.Task) if caller is None else caller
        self.urefs_max: Term = z3.Int("urefs_max")
        self.queue_limit: Term = z3.Int("queue_limit")
        self.queue_limit_max: Term = z3.Int("queue_limit_max")
        self.pages: Term = z3.Int("pages")
        constants: dict[str, Term] = {}
        for name, sort in {**rule.parameters, **rule.choices}.items():
            range_ = sort_named(self.sorts, sort.name)
            constants[name] = (
                z3.Const(name + tag, range_) if sort.domain is None else z3.Function(name + tag, sort_named(self.sorts, sort.domain), range_)
            )
        self.constants: Mapping[str, Term] = MappingProxyType(constants | dict(given or {}))
        """The arguments and the kernel's choices, by the names of the rule's parameters."""

    def __setattr__(self, name: str, value: object) -> None:
        if name in self.__dict__:
            raise AttributeError(f"{self.rule.name}: {name} is an input of the rule, and can't be replaced")
        super().__setattr__(name, value)

    def __getitem__(self, name: str) -> Term:
        """The argument or choice called ``name``, for code outside the rule. Raises KeyError if the rule has none."""
        if name not in self.constants:
            raise KeyError(f"the rule {self.rule.name!r} has no parameter {name!r}")
        return self.constants[name]

    # ---- names

    def slot(self, name: Term, task: Term | None = None) -> Term:
        """The slot of ``name`` in the caller's space (or ``task``'s)."""
        return self.sorts.Slot.name_slot(self.caller if task is None else task, name)

    def reserved(self, name: Term) -> Term:
        return z3.Or(name == self.sorts.null, name == self.sorts.dead)

    def sends(self, name: Term) -> Term:
        """The caller has a send right under ``name``."""
        return self.before.sends(self.slot(name))

    def carriable(self, name: Term) -> Term:
        """``name`` can be copied in with COPY_SEND: a send right, a dead name, NULL or DEAD."""
        return z3.Or(self.reserved(name), self.sends(name), self.before.kind(self.slot(name)) == KIND.DEAD_NAME)

    def object(self, name: Term, kind: PortObject) -> Term:
        """The caller's ``name`` is a send right to a port that stands for a kernel object of this kind."""
        return z3.And(self.sends(name), self.before.object(self.before.port(self.slot(name))) == OBJECT.of(kind))

    @property
    def target_objects(self) -> tuple[PortObject, ...]:
        """What a port can be that stands for the task that the rule's call is about."""
        call = SIGNATURES.get(self.rule.name)
        return call.target_objects if call is not None and self.profile.flavour_ports else (PortObject.TASK,)

    def is_target(self, name: Term) -> Term:
        """The caller's ``name`` is a send right to a port that stands for a task, for this call."""
        return z3.Or(*[self.object(name, kind) for kind in self.target_objects])

    def task_behind(self, name: Term) -> Term:
        """The task whose port the caller's ``name`` denotes (when ``object(name, TASK)``, or ``is_target(name)``)."""
        return self.before.object_task(self.before.port(self.slot(name)))

    def is_own(self, name: Term) -> Term:
        """The caller's ``name`` is a send right to its own port."""
        return z3.And(self.object(name, PortObject.TASK), self.task_behind(name) == self.caller)

    def carried_kind(self, name: Term) -> Term:
        """What COPY_SEND of ``name`` carries: a send right, a dead right or nothing."""
        dead = z3.Or(name == self.sorts.dead, self.before.kind(self.slot(name)) == KIND.DEAD_NAME)
        return z3.If(self.sends(name), KIND.SEND, z3.If(dead, KIND.DEAD_NAME, KIND.NONE))

    def carried_port(self, name: Term) -> Term:
        return z3.If(self.sends(name), self.before.port(self.slot(name)), self.sorts.no_port)

    def handler_kind(self, name: Term) -> Term:
        """What an exception place keeps of ``carried_kind``: where kernel objects' ports are kept as null, no right to
        one.
        """
        kind = self.carried_kind(name)
        return z3.If(is_kernel_objects(self.before, self.slot(name)), KIND.NONE, kind) if self.profile.kernel_ports_kept_as_null else kind

    def handler_port(self, name: Term) -> Term:
        """The port of the right that an exception place keeps."""
        port = self.carried_port(name)
        if not self.profile.kernel_ports_kept_as_null:
            return port
        return z3.If(is_kernel_objects(self.before, self.slot(name)), self.sorts.no_port, port)

    # ---- names at which no call has looked since their port died

    def is_unlooked(self, slot: Term) -> Term:
        """The dead name in ``slot`` still passes as what it was (where ``dead_names_are_lazy``)."""
        if not self.profile.dead_names_are_lazy:
            return z3.BoolVal(False)
        return z3.And(self.before.kind(slot) == KIND.DEAD_NAME, self.before.unlooked(slot) != KIND.NONE)

    def dead_urefs(self, slot: Term) -> Term:
        """The references of the dead name in ``slot`` once a call has looked at it."""
        urefs = self.before.urefs(slot)
        if not self.profile.dead_names_are_lazy:
            return urefs
        more = z3.And(self.is_unlooked(slot), self.before.told(slot), urefs < self.urefs_max)
        return z3.If(more, urefs + 1, urefs)

    def look_at(self, after: After, slot: Term) -> None:
        """From now on the dead name in ``slot`` is one (where ``dead_names_are_lazy``)."""
        if self.profile.dead_names_are_lazy:
            after.at("urefs")[slot] = self.dead_urefs(slot)
            after.at("unlooked")[slot] = KIND.NONE
            self.free_place(after, slot)

    def free_place(self, after: After, slot: Term) -> None:
        """If the dead name in ``slot`` has a request that has fired for send-possible, the place of that is free."""
        if self.profile.send_possible:
            request = self.sorts.Slot.request_slot(self.sorts.Slot.space(slot), self.sorts.Slot.name(slot))
            dead = z3.And(self.before.kind(slot) == KIND.DEAD_NAME, self.before.empty(request))
            fired = z3.And(dead, self.before.send_possible(request) == POSSIBLE.FIRED)
            after.at("send_possible")[request] = z3.If(fired, POSSIBLE.NOT_ASKED, self.before.send_possible(request))

    # ---- pegged and immovable rights

    def is_pegged(self, slot: Term) -> Term:
        """The name in ``slot`` has the maximum of references, and keeps them (where ``pegged_urefs``)."""
        return self.before.urefs(slot) == self.urefs_max

    def stays(self, slot: Term) -> Term:
        """The send right in ``slot`` leads to a task's port that makes it immovable: it can't go to another task."""
        return z3.And(self.before.sends(slot), makes_immovable(self.before, self.before.port(slot), self.profile))

    # ---- cases

    def request(self, target: Name, *others: Name, called: str = "task", arrays: dict[str, tuple[Array[Name], Int]] | None = None) -> Iterator[Case]:
        """The tests of the request: first the target needs a send right, then each other port a send right, a dead name
        or a reserved name.

        ``called`` is the name of the argument ``target``. ``arrays`` are further ports: each array by its name, with
        its length.
        """
        unsent = z3.Not(self.sends(target))
        yield self.fails(ReturnCode.MACH_SEND_INVALID_DEST, f"no send right under {called}", unsent, evidence=REQUEST_SENT)
        unfit = [z3.Not(self.carriable(other)) for other in others]
        for name, (array, length) in (arrays or {}).items():
            i = z3.Int(f"{name}_index")
            unfit.append(z3.Exists([i], z3.And(i >= 0, i < length, z3.Not(self.carriable(array(i))))))
        if unfit:
            title = "a right in the request cannot be copied in"
            yield self.fails(ReturnCode.MACH_SEND_INVALID_RIGHT, title, z3.Or(*unfit), evidence=RIGHTS_COPIED_IN)

    def lacks_memory(self, shortage: Int, out_of_memory: Bool, evidence: Evidence | Grounds = NONE) -> Case:
        """Memory is short, and the kernel fails for lack of it."""
        fails = z3.And(shortage > 0, out_of_memory)
        return self.fails(ReturnCode.KERN_RESOURCE_SHORTAGE, "the kernel is out of memory", fails, evidence=evidence)

    def fails(
        self, code: ReturnCode, title: str, when: Term | Otherwise, effect: Effect = nothing, evidence: Evidence | Grounds = NONE, **outputs: Term
    ) -> Case:
        return _case(code, title, when, effect, outputs, evidence)

    def succeeds(
        self, title: str, when: Term | Otherwise, effect: Effect = nothing, replies: int = 0, evidence: Evidence | Grounds = NONE, **outputs: Term
    ) -> Case:
        return _case(ReturnCode.KERN_SUCCESS, title, when, effect, outputs, evidence, replies)

    def continues(self, title: str, when: Term | Otherwise, effect: Effect = nothing, evidence: Evidence | Grounds = NONE, **outputs: Term) -> Case:
        return _case(None, title, when, effect, outputs, evidence)

    def otherwise(self, meaning: Term | None = None, tested: Term | None = None) -> Otherwise:
        """All remaining cases, or those in which ``tested`` holds. ``meaning`` writes them out, unless they are all
        that aren't refused.

        The meaning is for readers, and ``tests/model/language/test_rule_form.py`` proves it. The rule tests, and the
        prover uses, only ``tested``.
        """
        return Otherwise(z3.BoolVal(True) if tested is None else tested, meaning)

    def begin_reply(self, after: After, message: Message, rights: int) -> list[Term]:
        """Begin a reply to the caller in ``message``. Returns the slots for its rights."""
        begin_reply(after, message, self.caller, rights)
        return [self.sorts.Slot.body_slot(message, z3.IntVal(index)) for index in range(rights)]

    # ---- numbers

    @property
    def send_urefs_max(self) -> Term:
        """The most references that a send right can have.

        Where they aren't pegged, there must be room for the one that its port's death may add.
        """
        return self.urefs_max if self.profile.pegged_urefs else self.urefs_max - 1

    def is_disposition(self, disposition: Term) -> Term:
        return z3.And(int(Disposition.MOVE_RECEIVE) <= disposition, disposition <= int(Disposition.MAKE_SEND_ONCE))

    def is_sendish(self, disposition: Term) -> Term:
        """A disposition that carries a send or send-once right."""
        return z3.And(int(Disposition.MOVE_SEND) <= disposition, disposition <= int(Disposition.MAKE_SEND_ONCE))

    def assumptions(self) -> list[Term]:
        """What always holds for a caller and for limits, and what the rule requires."""
        limits = [self.urefs_max >= 2, self.queue_limit >= 0, self.queue_limit_max >= 0, self.pages >= 1]
        if self.rule.pending:
            return [*limits, *self.rule.requires(self)]
        return [self.caller_runs(), *limits, *self.nothing_left_to_do(), *self.rule.requires(self)]

    def caller_runs(self) -> Term:
        """The caller lives, isn't suspended, and waits in what the rule resumes, if in anything."""
        waits = self.before.wait(self.caller) == getattr(WAIT, self.rule.resumes)
        return z3.And(self.before.alive(self.caller), self.before.suspend_count(self.caller) == 0, waits)

    def nothing_left_to_do(self) -> list[Term]:
        """Nothing is pending: dead-name requests are beside live rights, limbo is empty, no no-senders notification is
        due, and a send right to the resume port of each suspended task exists.
        """
        b, S = self.before, self.sorts.Slot
        task, name, port = z3.Const("t", self.sorts.Task), z3.Const("n", self.sorts.Name), z3.Const("p", self.sorts.Port)
        entry = S.name_slot(task, name)
        live = z3.Or(b.sends(entry), b.receives(entry), b.kind(entry) == KIND.SEND_ONCE)
        request = S.request_slot(task, name)
        none_due = [z3.ForAll([task, name], b.send_possible(request) != POSSIBLE.DUE)] if self.profile.send_possible else []
        return [
            z3.ForAll([task, name], z3.Or(b.empty(request), live)),
            z3.ForAll([port], z3.And(b.empty(S.limbo_slot(port)), b.no_senders_due(port) == 0)),
            *none_due,
            *([z3.ForAll([port], z3.Not(self.ends_suspensions(port)))] if self.profile.resume_ports else []),
        ]

    def ends_suspensions(self, port: Term) -> Term:
        """``port`` is the resume port of a suspended task, and no send right to it exists any more."""
        b = self.before
        resumes = z3.And(b.active(port), b.object(port) == OBJECT.of(PortObject.TASK_RESUME))
        return z3.And(resumes, b.srights(port) == 0, b.suspend_count(b.object_task(port)) > 0)

    def carries_nothing_but(self, message: Term, *slots: Term) -> Term:
        """``message`` carries nothing outside ``slots``."""
        slot = z3.Const("carried", self.sorts.Slot)
        others = z3.And(self.sorts.slots_of_message(slot, message), *[slot != kept for kept in slots])
        return z3.ForAll([slot], z3.Implies(others, self.before.empty(slot)))

    def carries_no_memory(self, message: Term) -> Term:
        page = z3.Int("page")
        return z3.ForAll([page], self.before.memory(message, page) == self.sorts.no_object)

    def in_kernel(self, message: Term) -> Term:
        """``message`` is being sent or received by the caller."""
        return z3.And(self.before.stage(message) == STAGE.IN_KERNEL, self.before.owner(message) == self.caller)


def _case(
    code: ReturnCode | None,
    title: str,
    when: Term | Otherwise,
    effect: Effect,
    outputs: Mapping[str, Term],
    evidence: Evidence | Grounds,
    replies: int = 0,
) -> Case:
    if isinstance(when, Otherwise):
        return Case(code, title, when.tested, effect, outputs, replies, when.meaning, in_all_profiles(evidence))
    return Case(code, title, when, effect, outputs, replies, evidence=in_all_profiles(evidence))


RULES: dict[str, Rule] = {}
"""Every rule by name."""


Cases = Callable[Concatenate[Context, ...], Iterator[Case]]
"""A rule's function: it takes the context, the call's arguments and, as keyword-only parameters, the kernel's choices.
"""


def rule(
    name: str = "",
    /,
    requires: Callable[Concatenate[Context, ...], list[Term]] | None = None,
    pending: bool = False,
    resumes: str = "NOTHING",
    applies: Callable[[Profile], bool] = lambda profile: True,
    computed: tuple[str, ...] = (),
    without: tuple[str, ...] = (),
    evidence: Evidence | Grounds = NONE,
) -> Callable[[Cases], Rule]:
    """Declare a rule. It rests on ``evidence``. It is named ``name``, or like the function, which then is named like a
    call.

    The function's signature says what the rule takes. Positional parameters are arguments, keyword-only ones are free
    choices of the kernel's. Their annotations (``model/language/terms.py``) give the sorts. ``requires`` is a function
    of some of these parameters, by the same names.

    A rule that is named like a call takes the call's arguments in the order of the signature table, then those of
    ``CIRCUMSTANCES`` that it needs. Exceptions are declared: ``without`` names arguments that other rules of the call
    take, ``computed`` names parameters that are computed from arguments. Raises TypeError if the function's signature
    doesn't fit.
    """

    def declare(function: Cases) -> Rule:
        called = name or function.__name__
        if called in RULES:
            raise TypeError(f"{called}: there is a rule of this name already")
        if pending != (called in PENDING_RULES):
            raise TypeError(f"{called}: a rule is pending if PENDING_RULES says when it runs, and only then")
        parameters, choices = _sorts(called, function)
        for parameter, sort in {**parameters, **choices}.items():
            if meaning := _TAKEN.get((parameter, None)) or _TAKEN.get((parameter, str(sort))):
                raise TypeError(f"{called}: the parameter {parameter} has the name of {meaning}: the two would be one constant")
        _check_against_table(called, parameters, computed, without)

        @wraps(function)
        def cases(k: Context) -> Iterator[Case]:
            return function(k, **{each: k.constants[each] for each in (*parameters, *choices)})

        declared = Rule(
            called,
            parameters,
            choices,
            cases,
            _requirements(called, requires, {**parameters, **choices}),
            pending,
            resumes,
            applies,
            in_all_profiles(evidence),
        )
        RULES[called] = declared
        return declared

    return declare


def _taken() -> Iterator[tuple[str, str | None, str]]:
    """The names that mean something else in formulas: (name, of which sort, what they mean)."""
    yield from ((name, None, "an input of every rule") for name in ("caller", "urefs_max", "queue_limit", "queue_limit_max", "pages"))
    special = [each for each in vars(UNBOUNDED).values() if z3.is_expr(each)] + [each for members in UNBOUNDED.members.values() for each in members]
    yield from ((constant.decl().name(), None, "a constant of the specification") for constant in special)
    yield from ((member, None, "a constant of the specification") for each in NUMBERED_ENUMERATIONS for member in each.members)
    yield from ((name, None, "a function of the specification") for name, each in vars(UNBOUNDED).items() if isinstance(each, z3.FuncDeclRef))
    for name, declared in FIELDS.items():
        if len(declared.domain) < 2:
            yield name, str(Sort(declared.range, *declared.domain)), "a field of the state"
    for name, variable in vars(Variables(UNBOUNDED)).items():
        if z3.is_expr(variable):
            yield name, str(variable.sort()), "a variable of the invariants"


_TAKEN = {(name, sort): meaning for name, sort, meaning in _taken()}

SPECIAL_NAMES = {name for name, sort in _TAKEN if sort is None}
"""What constants and functions of the specification, and the inputs of every rule, are called."""


def _sorts(called: str, function: Callable[..., object]) -> tuple[dict[str, Sort], dict[str, Sort]]:
    """The sorts of the function's parameters after the context: positional ones, keyword-only ones."""
    hints = get_type_hints(function, include_extras=True)
    context, *others = signature(function).parameters.values()
    if hints.get(context.name) is not Context:
        raise TypeError(f"{called}: the first parameter of {function.__name__} is not k: Context")
    found: dict[Any, dict[str, Sort]] = {Parameter.POSITIONAL_OR_KEYWORD: {}, Parameter.KEYWORD_ONLY: {}}
    for parameter in others:
        if parameter.kind not in found or parameter.default is not Parameter.empty:
            raise TypeError(f"{called}: {parameter} is neither an argument nor, after *, a choice of the kernel's")
        try:
            found[parameter.kind][parameter.name] = sort_of(hints.get(parameter.name))
        except TypeError as error:
            raise TypeError(f"{called}: the parameter {parameter.name} has no sort: {error}") from None
    return found[Parameter.POSITIONAL_OR_KEYWORD], found[Parameter.KEYWORD_ONLY]


def _requirements(called: str, requires: Callable[..., list[Term]] | None, known: dict[str, Sort]) -> Callable[[Context], list[Term]]:
    """``requires`` as a function of the context alone; its parameters are some of the rule's."""
    if requires is None:
        return lambda k: []
    positional, keyword_only = _sorts(called, requires)
    wanted = positional | keyword_only
    for name, sort in wanted.items():
        if known.get(name) != sort:
            raise TypeError(f"{called}: {requires.__name__} wants {name}: {sort}, and the rule has no such parameter")
    return lambda k: requires(k, **{each: k.constants[each] for each in wanted})


def _check_against_table(called: str, parameters: dict[str, Sort], computed: tuple[str, ...], without: tuple[str, ...]) -> None:
    """Check that a rule that is named like a call takes what the call takes, except what it declares."""
    call = SIGNATURES.get(called)
    table = parameters_of(call) if call else {}
    if unknown := [name for name in without if name not in table or name in parameters]:
        raise TypeError(f"{called}: without={unknown}, but these aren't arguments of the call that the rule leaves to others")
    if unknown := [name for name in computed if name in table or name not in parameters]:
        raise TypeError(f"{called}: computed={unknown}, but these aren't parameters that only the rule has")
    if call is None:
        return
    wanted = [(name, sort) for name, sort in table.items() if name not in without]
    wanted += [(name, sort) for name, sort in CIRCUMSTANCES.items() if name in parameters]
    found = [(name, sort) for name, sort in parameters.items() if name not in computed]
    if found != wanted:
        raise TypeError(f"{called}: the rule takes ({_listed(found)}), the call in mach/signatures takes ({_listed(wanted)})")
    if call.in_steps != ("stop" in parameters):
        raise TypeError(f"{called}: a rule takes stop if the signature says in_steps, and only then")


def _listed(parameters: list[tuple[str, Sort]]) -> str:
    return ", ".join(f"{name}: {sort}" for name, sort in parameters)


def effective_guards(cases: list[Case]) -> list[Term]:
    """For each case, when it applies: its condition, and none of those before it."""
    guards: list[Term] = []
    earlier: list[Any] = []
    for case in cases:
        guards.append(z3.And(case.when, *[z3.Not(condition) for condition in earlier]))
        earlier.append(case.when)
    return guards


COPY_IN = "copy in a right"
COPY_OUT = "copy out a right"
PAGE_IN = "copy in a page"
PAGE_OUT = "copy out a page"
FINISH = "the message is done with"
DESTROY = "the message is destroyed"
"""The rule that runs after a failure, if rights were copied in before."""
LOOK, LOOK_AT_RIGHT, LOOK_AT_NAME = "a name is looked at", "a right in a request is looked at", "a name of a task's is looked at"
LOOKS = (LOOK, LOOK_AT_RIGHT, LOOK_AT_NAME)
"""The rules that make a dead name of one whose port died, where that waits for a look."""
ANY_RIGHT = -1
"""The right for which a name is looked at: whatever right that was."""
BODY, ARRAY, DELIVER, ANSWER = "mach_msg_send: body", "mach_msg_send: array", "mach_msg_send: deliver", "mach_msg_send: kernel's answer"
HANDED_BACK, RESUMED_SEND = "mach_msg_send: handed back", "mach_msg_send: resumed"
RESUMED_RECEIVE, TAKE, DONE = "mach_msg_receive: resumed", "mach_msg_receive: take", "mach_msg_receive: done"
WILL_RECEIVE = "mach_msg: receives later"
EXEC_RESUMED, WAIT4_RESUMED = "execve: resumed", "wait4: resumed"
CREATION_RESUMED, SETTING_RESUMED = "host_security_create_task_token: resumed", "task_set_special_port: resumed"
FIRES_POSSIBLE = "a send-possible request fires"
ANSWERING_RULES = (FIRES_POSSIBLE, "no senders are left", "a receive right is rescued", "a dead-name request fires")
"""The rules for pending work that answer a request."""
SUSPENSIONS_END = "a task's suspensions end"
PENDING_RULES = (*ANSWERING_RULES, SUSPENSIONS_END)
"""The rules for pending work.

They run after any rule until nothing is pending, in this order: what a received message leads to comes before the end
of its right (``ipc_kmsg_copyout_header`` in ``ipc/ipc_kmsg.c`` of XNU 11417); a receive right that isn't redirected
ends after the send rights, and a name's own request is answered last (``ipc_right_dealloc`` and ``ipc_right_delta`` in
``ipc/ipc_right.c`` of all four kernels). A notification to which a release leads has its place in the order of arrival
reserved, whenever its rule runs. Whether a task's suspensions have ended makes no difference to the other rules.
"""
