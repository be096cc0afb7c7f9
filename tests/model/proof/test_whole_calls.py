"""Whole calls: a sequence with one mistake isn't proved, whatever step the mistake is in."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from typing import cast

import pytest
from support.specification import little_effort

from sendright.impl.reference import ReferenceKernel
from sendright.mach.kernel.profiles import MANUAL, XNU, Profile
from sendright.mach.results.verdicts import Verdict
from sendright.mach.signatures import SIGNATURES
from sendright.model.execution.oracle import Oracle
from sendright.model.execution.witnesses import witnessed_calls
from sendright.model.language.rule import LOOK, LOOK_AT_NAME, RULES
from sendright.model.language.sequences import rules_of
from sendright.model.proof.preconditions import Precondition, holds, preconditions_of
from sendright.model.proof.solver.instantiate import follows_from_nothing
from sendright.model.proof.whole_calls import named_rights, whole_call
from sendright.properties.check import check
from sendright.properties.mutants.drawing import calls_driven_by, mutants_of, step_of
from sendright.properties.mutants.judging import wrong
from sendright.properties.mutants.mutant import Mutant
from sendright.properties.mutants.operators import OPERATORS
from sendright.properties.mutants.source import Unit, code_of, compiled, rule_modules, units_of
from sendright.properties.mutants.usage import Usage

WRONG_STEPS = {name: OPERATORS[name] for name in ("step forgotten", "step always run")}
CALLS = "sendright.model.calls"
SEND, CARRIED = Unit(f"{CALLS}.messages", "", "sending"), Unit(f"{CALLS}.messages", "", "_carried")
INSERT, EXTRACT = Unit(f"{CALLS}.transfer", "", "insert_right"), Unit(f"{CALLS}.transfer", "", "extract_right")
REQUEST = Unit(f"{CALLS}.notifications", "", "request_notification")
TAKEN = Unit(f"{CALLS}.receive", "", "take")
COPY_OUT_BODY = Unit("sendright.model.language.sequences", "", "copy_out_body")
COPY_IN_POLY = "yield copy_in(d, request, d.body(request, 0), poly, disposition, when=begun['carries'])"
DEST, REPLY = "d.destination(message), 'dest'", "d.reply(message), 'reply'"
ONCE = "is carried once"
IN_ORDER = "all that the body names is carried once, in order, and nothing else"
GIVEN = "all rights that the results name are copied out once, in order, and nothing else"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Here it is enough that a sequence is proved with little effort and a wrong one isn't."""
    little_effort(monkeypatch)


def missed(goals: Iterable[Precondition], profile: Profile = MANUAL) -> str:
    """The first goal that isn't proved; empty if all are."""
    for goal in goals:
        left = [claim for claim in goal.claims if not follows_from_nothing(claim)]
        if left and not holds(Precondition(goal.case, goal.title, goal.assumptions, left), profile):
            return goal.title
    return ""


def missed_of(rules: tuple[str, ...]) -> str:
    """What isn't proved of whole calls; then what isn't of what each step requires. In xnu some calls have steps that
    they have in no other profile.
    """
    return missed_in(rules, MANUAL) or missed_in(rules, XNU)


def missed_in(rules: tuple[str, ...], profile: Profile) -> str:
    served = [rule for rule in rules if rule in RULES and RULES[rule].is_used(profile)]
    first = (missed(whole_call(rule, profile), profile) for rule in served)
    then = (missed(preconditions_of(rule, profile), profile) for rule in served)
    return next((title for titles in (first, then) for title in titles if title), "")


def wrong_steps() -> list[Mutant]:
    units = [unit for module in rule_modules() for unit in units_of(module)]
    return [mutant for unit in units for mutant in mutants_of(unit, WRONG_STEPS, Usage()) if mutant.calls]


@pytest.mark.heavy
@pytest.mark.parametrize("mutant", wrong_steps(), ids=lambda mutant: cast(Mutant, mutant).id)
def test_no_step_can_be_left_out_or_always_run(mutant: Mutant) -> None:
    with wrong(code_of(mutant.unit, mutant.edits), mutant.unit):
        if step_of(mutant) in (LOOK, LOOK_AT_NAME):  # no proof speaks of them, for they depend on no call: a check finds it
            result = check(ReferenceKernel, Oracle, XNU, 1000, first=witnessed_calls(XNU), minimize_seconds=0)
            assert result.verdict is Verdict.FAILED
        else:
            try:
                assert missed_of(mutant.rules)
            except TypeError as error:  # a call without its one step
                assert str(error).endswith("runs no rule")  # noqa: PT017 - most mutants raise nothing


def with_text(unit: Unit, old: str, new: str) -> ast.FunctionDef:
    """The function with ``new`` in place of ``old``."""
    text = ast.unparse(unit.node())
    assert old in text
    [node] = ast.parse(text.replace(old, new)).body
    return cast(ast.FunctionDef, node)


@pytest.mark.parametrize(
    ("unit", "rule", "old", "new", "title"),
    [
        (SEND, "mach_msg_send", "in d.parts(descriptors)", "in list(d.parts(descriptors))[::-1]", IN_ORDER),
        (SEND, "mach_msg_send", f"{DEST}, since=delivered", f"{REPLY}, since=delivered", GIVEN),
        (INSERT, "mach_port_insert_right: request", "poly, disposition, when", "poly, 19, when", ONCE),
        (INSERT, "mach_port_insert_right: request", COPY_IN_POLY, f"{COPY_IN_POLY}; {COPY_IN_POLY.replace('0', '1')}", ONCE),
        (EXTRACT, "mach_port_extract_right", "control=task", "control=name", ONCE),
        (EXTRACT, "mach_port_extract_right", "'poly'", "'acquired'", GIVEN),
        (REQUEST, "mach_port_request_notification", "'previous', since=registered", "'previous', when=False", GIVEN),
        (COPY_OUT_BODY, "mach_msg_receive", "in d.rights(message)", "in [*d.rights(message)][:0]", GIVEN),
        (COPY_OUT_BODY, "mach_msg_receive", "in d.pages(message)", "in [*d.pages(message)] * 2", GIVEN),
    ],
)
def test_a_right_is_carried_once_as_it_is_named(unit: Unit, rule: str, old: str, new: str, title: str) -> None:
    call = rule.partition(":")[0]
    first = f"{call}: request" if f"{call}: request" in RULES else call
    with wrong(compiled(unit, with_text(unit, old, new)), unit):
        assert missed(whole_call(first, MANUAL)).endswith(title)


@pytest.mark.parametrize(
    ("unit", "old", "new"),
    [
        (CARRIED, "place = d.body(message, part.index)", "place = d.body(message, 0)"),
        (CARRIED, "place = d.body(message, part.index)", "place = d.reply(message)"),
        (CARRIED, "'index': part.index", "'index': part.index * 0"),
        (SEND, "since=destination, goes_on", "since=header, goes_on"),
    ],
)
def test_what_a_step_requires_holds_when_those_between_have_run(unit: Unit, old: str, new: str) -> None:
    """Each part finds its place free, though any number of others were copied in since the header was checked."""
    with wrong(compiled(unit, with_text(unit, old, new)), unit):
        assert "what it requires" in missed(preconditions_of("mach_msg_send", MANUAL))


@pytest.mark.heavy
@pytest.mark.parametrize("unit", [SEND, EXTRACT, REQUEST])
def test_the_sequences_themselves_are_proved(unit: Unit) -> None:
    calls = calls_driven_by(unit)
    assert calls
    for call in calls:
        assert not missed_of(rules_of(call, MANUAL))


def test_a_rule_that_no_call_runs() -> None:
    assert not missed(whole_call("mach_msg_send: body", MANUAL))
    node = with_text(SEND, "yield run(BODY, message=message, since=header)", "pass")
    with wrong(compiled(SEND, node), SEND):
        assert missed(whole_call("mach_msg_send: body", MANUAL)) == "a call runs the rule"


def test_a_result_that_no_rule_says() -> None:
    node = with_text(TAKEN, "size=told, message=message", "message=message")
    with wrong(compiled(TAKEN, node), TAKEN):
        assert missed(whole_call("mach_msg_receive: take", MANUAL)) == "mach_msg_receive: a rule says what each result is"


def test_the_rights_that_arguments_name() -> None:
    found = {call.name: named for call in SIGNATURES.values() if (named := named_rights(call))}
    assert found == {
        "mach_msg": {"dest": "dest_disposition", "reply": "reply_disposition"},
        "mach_msg_send": {"dest": "dest_disposition", "reply": "reply_disposition"},
        "mach_port_insert_right": {"poly": "disposition"},
        "mach_port_extract_right": {"name": "disposition"},
        "mach_port_request_notification": {"notify": "notify_disposition"},
    }
