"""Attacks by a sceptic who edits rules. The prover must prove what the oracle runs, and must leave out nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from enum import IntEnum
from typing import Any, cast

import pytest
import z3
from support.mutants import Change, mutant, quick, seen, then  # noqa: F401 - quick is a fixture

from sendright.mach.abi.codes import ReturnCode
from sendright.mach.abi.rights import Disposition
from sendright.mach.kernel.profiles import MANUAL
from sendright.mach.results.checks import Obligation
from sendright.mach.results.verdicts import Verdict
from sendright.model.invariants.steps import STEP_PROPERTIES
from sendright.model.language import sequences
from sendright.model.language.invariant import INVARIANTS, Invariant, Variables, forall, invariant
from sendright.model.language.rule import DELIVER, DESTROY, FINISH, RULES, Case, Context, rule
from sendright.model.language.sequences import Driver, Outcome, Steps, Value, copy_in, copy_out, rules_of, run, sequence
from sendright.model.language.sorts import STAGE, UNBOUNDED, Term
from sendright.model.language.state import After, Field, State, Store
from sendright.model.language.step_property import step_property
from sendright.model.language.terms import Bool, Function, Int, Message, Name, Port, Task
from sendright.model.language.transition import Transition
from sendright.model.proof import preconditions
from sendright.model.proof.any_state import ANY_STATE
from sendright.model.proof.obligations import ProofTask, decide, decide_and_do
from sendright.model.proof.preconditions import Precondition, holds, preconditions_of
from sendright.model.proof.solver.questions import Also
from sendright.model.proof.well_formed import faults
from sendright.model.proof.whole_calls import whole_call

WRITE, WRITTEN = "vm_write", "the page is written"


def change_of(change: Change) -> list[str]:
    """What is wrong with ``vm_write`` after a change, in words."""
    return [words for _, words in faults(mutant(WRITE, change), MANUAL)]


def raises(effect: Callable[[Context, After], object]) -> str:
    """What the prover raises for ``vm_write`` with this effect."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(RULES, WRITE, mutant(WRITE, then(WRITTEN, lambda k, after: effect(k, after) and None)))
        with pytest.raises((TypeError, AttributeError)) as raised:
            decide("manual", ProofTask("cases", WRITE, 0, (110,)))
    return str(raised.value)


# ---- inputs that change


@pytest.mark.parametrize(
    "effect",
    [
        lambda k, after: setattr(k, "before", State(after.sorts, after.fields)),
        lambda k, after: setattr(k, "caller", k.task_behind(k["task"])),
        lambda k, after: setattr(k, "profile", MANUAL),
        lambda k, after: setattr(k, "constants", {}),
        lambda k, after: k.constants.__setitem__("task", k.sorts.null),
        lambda k, after: setattr(after, "before", State(after.sorts, after.fields)),
        lambda k, after: setattr(after, "fields", after.before.fields),
        lambda k, after: setattr(after, "assumptions", []),
        lambda k, after: setattr(after, "releases", []),
        lambda k, after: setattr(k.before, "fields", after.fields),
    ],
)
def test_an_effect_cannot_replace_what_its_proof_compares(effect: Callable[[Context, After], object]) -> None:
    """If the state before were replaced by the one after, nothing would have changed, and all would be proved."""
    assert raises(effect)


def test_an_effect_cannot_change_results() -> None:
    case = next(case for case in RULES["task_info"].cases(Context(RULES["task_info"], ANY_STATE, MANUAL)) if case.outputs)
    with pytest.raises(TypeError):
        case.outputs["value"] = z3.IntVal(0)  # type: ignore[index]


def test_only_reasons_that_are_written_down_are_assumed() -> None:
    words = raises(lambda k, after: after.assume_argued([k["value"] == 0]))
    assert words.endswith("only sendright.model.language.choices and sendright.model.language.release give reasons")


# ---- what is proved is what runs


def another_update(k: Context, after: After) -> None:
    """The oracle would run an update that no proof sees."""
    field = after.fields["qlimit"]
    after._fields["qlimit"] = Field("qlimit", field.read, (*field.updates, Store((k.sorts.host_port,), z3.IntVal(7))))


def another_reading(k: Context, after: After) -> None:
    """A proof would see what no oracle runs."""
    content = after.fields["content"]
    after._fields["content"] = Field("content", after.before.content.read, content.updates)


def read_later(k: Context, after: After) -> None:
    """What the sweep is when it is made, and what it is after the next update."""
    after.sweep("mscount", "ports", lambda p: (p == k.sorts.host_port, after.seqno(p)))
    after.at("seqno")[k.sorts.host_port] = z3.IntVal(0)


def binds_what_it_is_asked_of(k: Context, after: After) -> None:
    """At the invariants' variable p the sweep's own p would be meant."""
    p = z3.Const("p", k.sorts.Port)
    after.sweep("mscount", "ports", lambda x: (z3.Exists([p], z3.And(k.before.active(p), p != x)), z3.IntVal(0)))


@pytest.mark.parametrize(
    ("effect", "words"),
    [
        (another_update, "qlimit is read otherwise than its updates say"),
        (another_reading, "content is read otherwise than its updates say"),
        (read_later, "mscount is read otherwise than its updates say"),
        (binds_what_it_is_asked_of, "mscount is read otherwise than its updates say"),
    ],
)
def test_reading_a_field_gives_what_its_updates_say(effect: Callable[[Context, After], None], words: str) -> None:
    assert change_of(then(WRITTEN, effect)) == [words]


def test_a_case_that_is_not_well_formed_has_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(RULES, WRITE, mutant(WRITE, then(WRITTEN, another_update)))
    found = [one for one in decide("manual", ProofTask("rule", WRITE)) if one.verdict is not Verdict.PROVED]
    assert [(one.property, one.verdict) for one in found] == [("well formed", Verdict.FAILED)]


CALLS: list[int] = []


def with_a_memory(k: Context, after: After) -> None:
    CALLS.append(1)
    after.at("content")[k.before.mapped(k.caller, k["address"])] = z3.IntVal(len(CALLS))


def if_it_is_proved(k: Context, after: After) -> None:
    if k.before is not ANY_STATE:
        after.at("seqno")[k.sorts.host_port] = z3.IntVal(0)


def guarded_by_a_global(k: Context, case: Case) -> Iterator[Case]:
    CALLS.extend([1] * (case.title == WRITTEN))
    yield replace(case, when=z3.And(case.when, z3.BoolVal(len(CALLS) % 2 == 0))) if case.title == WRITTEN else case


def answers_by_a_global(k: Context, case: Case) -> Iterator[Case]:
    CALLS.append(1)
    yield replace(case, outputs={"value": z3.IntVal(len(CALLS))}) if case.title == WRITTEN else case


def assumes_by_a_global(k: Context, after: After) -> None:
    CALLS.append(1)
    after.assumptions.append(k["value"] > len(CALLS))


@pytest.mark.parametrize(
    "change",
    [then(WRITTEN, with_a_memory), then(WRITTEN, if_it_is_proved), guarded_by_a_global, answers_by_a_global, then(WRITTEN, assumes_by_a_global)],
)
def test_a_case_depends_on_its_inputs_only(change: Change) -> None:
    assert "made again, it is another case: it depends on more than its inputs" in change_of(change)


def test_a_rule_with_other_cases_when_made_again() -> None:
    def now_and_then(k: Context, case: Case) -> Iterator[Case]:
        if case.title != WRITTEN or CALLS.append(1) or len(CALLS) % 2:  # type: ignore[func-returns-value]
            yield case

    assert change_of(now_and_then) == ["made again, it has other cases"]


def test_two_cases_of_one_name() -> None:
    """A witness of the first would count for the second, and a known break would excuse it."""

    def twice(k: Context, case: Case) -> Iterator[Case]:
        yield case
        if case.title == WRITTEN:
            yield replace(case, when=k["value"] > 5)

    assert change_of(twice) == ["two cases have this name"]


def widened(condition: Callable[[Context], Term]) -> Change:
    def change(k: Context, case: Case) -> Iterator[Case]:
        yield replace(case, when=z3.Or(case.when, condition(k))) if case.title == "the page is not allocated" else case

    return change


def test_a_kernel_may_not_refuse_at_will() -> None:
    """No right kernel would show it, and the call changes nothing."""
    assert change_of(widened(lambda k: z3.Bool("whim"))) == ["it speaks of whim, and the rule has no such input"]


@pytest.mark.parametrize(
    "constant",
    [
        z3.Const("p!any", UNBOUNDED.Port),  # the prover's own, which stands for any port of a goal
        z3.Bool("secret!x"),
        z3.Const("task", UNBOUNDED.Port),  # the input of this name is a task's name
        z3.Const("kind", UNBOUNDED.Port),  # the state's field of this name is a function
        z3.Bool("slots"),  # where a sweep runs
        z3.Bool("sweep0"),
        z3.Const("tallied", UNBOUNDED.Slot),
    ],
    ids=str,
)
def test_a_constant_that_only_looks_like_one_of_the_rules(constant: Term) -> None:
    condition = constant if z3.is_bool(constant) else constant != z3.Const("other", constant.sort())
    found = change_of(widened(lambda k: condition))
    assert f"it speaks of {constant}, and the rule has no such input" in found
    allocate = RULES["vm_allocate"]

    def cases(k: Context) -> Iterator[Case]:
        for case in allocate.cases(k):
            yield replace(case, when=z3.Or(case.when, k["new_page"] == 7)) if case.refuses else case

    found = {words for _, words in faults(replace(allocate, cases=cases), MANUAL)}
    assert found == {"it applies when the kernel likes: new_page"}


@pytest.mark.parametrize(
    ("rule", "title"),
    [
        ("mach_msg_send: deliver", "circular: the message is destroyed"),
        ("a receive right is rescued", "the requester's port is dead, or on its way to this port: this port dies"),
    ],
)
def test_another_case_assumes_what_this_one_chooses_by(rule: str, title: str) -> None:
    """Whether a receive right would go in a circle depends on a choice. Each case says itself what that is."""
    whole = RULES[rule]

    def cases(k: Context) -> Iterator[Case]:
        for case in whole.cases(k):
            yield replace(case, effect=lambda after: None) if case.title == title else case

    assert [words for _, words in faults(whole, MANUAL)] == []
    found = {(case.partition("/")[2], words) for case, words in faults(replace(whole, cases=cases), MANUAL)}
    assert found == {(title, "it applies when the kernel likes: reaches")}


# ---- cases of the wrong types


class OtherCode(IntEnum):
    """As many properties tell codes by identity, and the oracle by number."""

    KERN_SUCCESS = 0


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: Case(cast(ReturnCode, OtherCode.KERN_SUCCESS), "x", z3.BoolVal(True)),
        lambda: Case(cast(ReturnCode, 0), "x", z3.BoolVal(True)),
        lambda: Case(None, "x", cast(Term, None)),
        lambda: Case(None, "x", z3.IntVal(1)),
        lambda: Case(None, "x", z3.BoolVal(True), outputs={"value": 1}),
    ],
)
def test_a_case_of_other_types(wrong: Callable[[], Case]) -> None:
    with pytest.raises(TypeError, match=r"^x: "):
        wrong()


# ---- names that would mean something else


def named_p(k: Context, *, p: Port) -> Iterator[Case]:
    """A port that the invariants' quantifiers would bind."""
    yield k.succeeds("x", k.otherwise())


def named_clock(k: Context, clock: Int) -> Iterator[Case]:
    """The field ``clock``."""
    yield k.succeeds("x", k.otherwise())


def named_caller(k: Context, caller: Task) -> Iterator[Case]:
    """The caller of every rule."""
    yield k.succeeds("x", k.otherwise())


def named_host_port(k: Context, host_port: Name) -> Iterator[Case]:
    """The oracle would take it for the host's port."""
    yield k.succeeds("x", k.otherwise())


def named_arrival(k: Context, *, arrival: Function[Message, Int]) -> Iterator[Case]:
    """The field ``arrival``."""
    yield k.succeeds("x", k.otherwise())


def named_rights_of(k: Context, rights_of: Bool) -> Iterator[Case]:
    """What the specification says of layouts."""
    yield k.succeeds("x", k.otherwise())


@pytest.mark.parametrize("function", [named_p, named_clock, named_caller, named_host_port, named_arrival, named_rights_of])
def test_a_parameter_with_a_name_that_is_taken(function: Callable[..., Iterator[Case]]) -> None:
    with pytest.raises(TypeError, match=r"has the name of .*: the two would be one constant"):
        rule("example: taken")(function)
    assert "example: taken" not in RULES


def test_an_invariant_that_binds_an_input_of_a_rule(monkeypatch: pytest.MonkeyPatch) -> None:
    """ "All messages are queued" would become "the message of the rule is"."""

    def clauses(v: Variables, s: State) -> Iterator[tuple[str, Term]]:
        message = z3.Const("message", v.sorts.Message)
        yield "", forall([message], z3.Implies(s.stage(message) == STAGE.QUEUED, s.size(message) >= 0))

    monkeypatch.setitem(INVARIANTS, 199, Invariant(199, "a mutant", "", clauses))
    assert [words for _, words in faults(RULES[DELIVER], MANUAL)] == ["the input message has the name of a variable that a formula binds"]
    assert list(faults(RULES[WRITE], MANUAL)) == []


@pytest.mark.heavy
def test_no_step_property_binds_an_input_of_a_rule() -> None:
    from sendright.model.proof.well_formed import _bound_in, _inputs

    found: dict[Any, None] = {}
    for name in ("mach_msg_send: deliver", "host_security_create_task_token", "mach_port_destroy", "mach_msg_receive: take"):
        k = Context(RULES[name], ANY_STATE, MANUAL)
        for case in RULES[name].cases(k):
            step = Transition(k, case, After(k.before, MANUAL), looks_at_order=True)
            found |= _bound_in([clause for each in STEP_PROPERTIES.values() for _, clause in each.clauses(Variables(UNBOUNDED), step)])
    inputs = {each for one in RULES.values() for each in _inputs(Context(one, ANY_STATE, MANUAL))}
    assert len(found) > 10
    assert inputs & found.keys() == set()


@pytest.mark.parametrize(
    "declare",
    [
        lambda: rule("vm_write")(named_p),
        lambda: invariant(8, "again")(lambda v, s: iter(())),
        lambda: step_property(201, "again")(lambda v, x: iter(())),
    ],
)
def test_two_of_one_name(declare: Callable[[], object]) -> None:
    with pytest.raises(TypeError, match=r"there is a.* already"):
        declare()


# ---- sequences


@pytest.fixture
def example(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Rules and sequences that are declared here are gone afterwards."""
    monkeypatch.setattr(sequences, "_DECLARED", dict(sequences._DECLARED))
    for name in ("example: begin", "example: go on", "example: end"):
        monkeypatch.setitem(RULES, name, RULES["mach_port_type"])
        RULES.pop(name)
    preconditions.forget_driven()

    @rule("example: begin")
    def begin(k: Context, task: Name, *, request_message: Message) -> Iterator[Case]:
        """Begin a message."""

        def make(after: After) -> None:
            after.assumptions.append(after.stage(request_message) == STAGE.FREE)
            after.at("stage")[request_message] = STAGE.IN_KERNEL
            after.at("owner")[request_message] = k.caller

        yield k.continues("at first", task == k.sorts.null, make, first=z3.BoolVal(True), some=task == k.sorts.dead)
        yield k.continues("then", k.otherwise(), make, first=z3.BoolVal(False), some=task == k.sorts.dead)

    @rule("example: go on")
    def go_on(k: Context, task: Name) -> Iterator[Case]:
        """Change nothing."""
        yield k.continues("on", k.otherwise())

    def a_limit_of_3(k: Context, task: Name) -> list[Term]:
        return [k.before.qlimit(k.sorts.host_port) == 3]

    @rule("example: end", requires=a_limit_of_3)
    def end(k: Context, task: Name) -> Iterator[Case]:
        """Nobody has established what it requires."""
        yield k.succeeds("the end", k.otherwise())

    yield
    preconditions.forget_driven()


def asked(steps: Callable[..., Steps], of: str) -> list[Precondition]:
    """What is asked of the rule ``of`` in a sequence."""
    sequence("mach_port_deallocate")(steps)
    return list(preconditions_of(of, MANUAL))


def not_held(found: list[Precondition]) -> list[str]:
    return [one.title for one in found if not holds(one, MANUAL)]


def test_a_rule_that_runs_twice(example: None) -> None:
    def steps(d: Driver) -> Steps:
        yield run("example: go on")
        yield run("example: go on")
        yield run("example: end")

    assert not_held(asked(steps, "example: go on")) == ["example: end: what it requires"]


def test_a_step_that_only_a_later_case_leads_to(example: None) -> None:
    def steps(d: Driver) -> Steps:
        begun = yield run("example: begin")
        yield run("example: go on")
        yield run("example: end", when=not_(begun["first"]))

    assert not_held(asked(steps, "example: go on")) == ["example: end: what it requires"]


def not_(condition: Value) -> Value:
    return z3.simplify(z3.Not(condition)) if z3.is_expr(condition) else condition is None


def test_a_rule_that_may_be_left_out(example: None) -> None:
    """What runs after it would be asked only where it ran."""

    def steps(d: Driver) -> Steps:
        begun = yield run("example: begin")
        yield run("example: go on", when=begun["some"])
        yield run("mach_port_type")

    titles = not_held(asked(steps, "example: begin"))
    assert "whether 'example: go on' runs, which copies nothing, is not known from the cases before it" in titles


def test_a_sequence_without_an_end(example: None) -> None:
    def steps(d: Driver) -> Steps:
        for _ in range(100):
            yield run("example: go on")

    with pytest.raises(TypeError, match="has more than 12 rules one after the other"):
        asked(steps, "example: go on")


def to(d: Driver, begun: Outcome, **more: Any) -> sequences.Run:
    message = begun["request_message"]
    return copy_in(d, message, d.reply(message), begun["task"], int(Disposition.COPY_SEND), **more)


def made_up(d: Driver) -> Steps:
    begun = yield run("example: begin")
    yield to(d, begun, within=(z3.BoolVal(False),))


def twice(d: Driver) -> Steps:
    begun = yield run("example: begin")
    yield to(d, begun, since=begun)
    yield to(d, begun, since=begun)


def cannot_fail(d: Driver) -> Steps:
    begun = yield run("example: begin")
    yield to(d, begun)
    message = begun["request_message"]
    yield copy_in(d, message, d.destination(message), begun["task"], int(Disposition.COPY_SEND), since=begun, cannot_fail=True)


def of_another_call(d: Driver) -> Steps:
    begun = yield run("example: begin")
    yield to(d, begun, since=Outcome({}, {}))


@pytest.mark.parametrize(
    ("steps", "words"),
    [
        (made_up, "assumes of a part of the message what its driver doesn't know"),
        (twice, "copy in a right: what it requires"),
        (cannot_fail, "copy in a right: what it requires, so that it cannot fail"),
        (of_another_call, "names a step that isn't one of the steps since the last rule that copies nothing"),
    ],
)
def test_a_step_that_assumes_too_much(example: None, steps: Callable[[Driver], Steps], words: str) -> None:
    refused = [one for one in asked(steps, "example: begin") if words in one.title]
    assert not_held(refused)


def test_choices_of_a_rule_that_runs_twice_have_names_of_their_own() -> None:
    """Two copied-out rights get two names: one that is free both times would be a contradiction."""
    k = preconditions.first("copy out a right", MANUAL)
    state = next(preconditions.runs(k)).next("copy out a right")
    after = next(preconditions.runs(k))
    once = next(after.going_on(after.next("copy out a right"), []))
    again = once.next("copy out a right")
    names = {str(context["new_name"]) for context in (k, state, again)}
    assert len(names) == 3


@pytest.mark.heavy
def test_what_a_later_rule_requires_of_more_than_its_message(monkeypatch: pytest.MonkeyPatch) -> None:
    """Parts are copied in between. It is known what these leave alone in the message, and of nothing else."""

    def dying(k: Context, message: Message) -> list[Term]:
        return [k.in_kernel(message), k.before.qlimit(k.sorts.host_port) == 3]

    original = RULES[DELIVER]
    monkeypatch.setitem(RULES, DELIVER, replace(original, requires=lambda k: dying(k, k["message"])))
    found = [one for rule in rules_of("mach_msg_send", MANUAL) for one in preconditions_of(rule, MANUAL) if one.title.startswith(DELIVER)]
    assert not_held(found)


@pytest.mark.heavy
def test_a_rule_that_requires_less_of_a_state_after_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """It assumes more in its own proof than is asked of the rules before it."""

    def requires(k: Context) -> list[Term]:
        made = isinstance(k.before, After) or any(field.updates for field in k.before.fields.values())
        return [] if made else [k.before.qlimit(k.sorts.host_port) == 3]

    monkeypatch.setitem(RULES, FINISH, replace(RULES[FINISH], requires=requires))
    monkeypatch.setitem(RULES, DESTROY, replace(RULES[DESTROY], requires=requires))
    found = [one for one in preconditions_of("copy in a right", MANUAL) if DESTROY in one.title]
    assert not_held(found)


# ---- theorem 4


@pytest.mark.heavy
def test_a_store_under_a_condition_that_the_caller_does_not_see() -> None:
    def hidden(k: Context, after: After) -> None:
        unseen = k.before.content(z3.Const("elsewhere", k.sorts.Object)) == 7
        after.store_all((k.before.mapped(k.task_behind(k["task"]), k["address"]),), {"content": k["value"]}, unseen)

    def instead_of_writing(k: Context, case: Case) -> Iterator[Case]:
        yield replace(case, effect=lambda after: hidden(k, after)) if case.title == WRITTEN else case

    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(RULES, WRITE, mutant(WRITE, instead_of_writing))
        found: list[Obligation] = decide("manual", ProofTask("rule", WRITE, 0, ("T4",)))
    assert {one.property for one in found if one.verdict is not Verdict.PROVED} >= {"theorem 4"}


def test_a_rule_that_raises_takes_nothing_else_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def effect(k: Context, after: After) -> None:
        raise KeyError("x")

    monkeypatch.setitem(RULES, WRITE, mutant(WRITE, then(WRITTEN, effect)))
    tasks = [ProofTask("cases", WRITE), ProofTask("cases", "mach_host_self", 0, (110,))]
    first, second = (decide_and_do("manual", task, None, Also()).obligations for task in tasks)
    assert [(one.call, one.verdict) for one in first] == [(WRITE, Verdict.CRASHED)]
    assert "KeyError: 'x' (test_sceptic.py, line" in str(first[0].scope)
    assert {one.verdict for one in second} == {Verdict.PROVED}


def test_the_attacks_are_on_rules_that_hold() -> None:
    assert list(faults(RULES[WRITE], MANUAL)) == []
    assert seen(WRITE, WRITTEN, (110,), lambda k, case: iter([case])) == set()


@pytest.mark.heavy
def test_a_message_that_stays_in_the_kernel() -> None:
    """A call that fails destroys the message that it has begun."""

    def forgets(d: Driver, notify: Value, notify_disposition: Value) -> Steps:
        begun = yield run("mach_port_request_notification: request")
        request = begun["request_message"]
        place = d.body(request, 0)
        yield copy_in(d, request, place, notify, notify_disposition, when=begun["carries"])
        registered = yield run("mach_port_request_notification", message=request)
        yield copy_out(request, place, "previous", since=registered)
        yield run(FINISH, message=request, since=registered)

    name = "mach_port_request_notification"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sequences, "_DECLARED", dict(sequences._DECLARED))
        sequence(name)(forgets)
        assert any(map(not_held, left_in_the_kernel(name)))
    preconditions.forget_driven()
    assert left_in_the_kernel(name)
    assert not any(map(not_held, left_in_the_kernel(name)))


def left_in_the_kernel(call: str) -> list[list[Precondition]]:
    """What is asked of each rule of the call about the messages that it has last."""
    asked = [[one for one in whole_call(rule, MANUAL) if "left in the kernel" in one.title] for rule in rules_of(call, MANUAL)]
    return [of_rule for of_rule in asked if of_rule]
