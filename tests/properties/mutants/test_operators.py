"""The operators: what each makes of a small function."""

from __future__ import annotations

import ast

import pytest

from sendright.properties.mutants.operators import OF_INVARIANTS, OF_STEPS, OPERATORS, Move, Operator, Scope, visits

SORTS = {"task": "Task", "other": "Task", "slot": "Slot", "carried": "Slot", "port": "Port", "name": "Name"}


def texts(operator: Operator, source: str) -> list[str]:
    """What the operator makes of a function, in the order of its source."""
    [function] = ast.parse(source).body
    assert isinstance(function, ast.FunctionDef)

    def scope_of(node: ast.FunctionDef, outer: Scope | None) -> Scope:
        return Scope(node, outer, node.name, SORTS)

    made = [made for visit in visits(function, scope_of(function, None), scope_of) for made in operator(visit)]
    return [f"after {ast.unparse(each.statement)}" if isinstance(each, Move) else each for each in made]


def effect(statement: str) -> str:
    return f"def effect(k: Context, after: After) -> None:\n    {statement}"


def rule(statement: str) -> str:
    return f"@rule()\ndef call(k: Context, name: Name) -> Iterator[Case]:\n    {statement}"


GUARD = 'yield k.fails(ReturnCode.KERN_INVALID_NAME, "nothing", unknown)'
CASES = f'{GUARD}\n    yield k.succeeds("some", k.otherwise(tested=sends), change, refs=port)'
LONG = '__import__("sendright.model.language.actions", fromlist=["actions"])'

MADE = {
    "forgotten count": (effect('after.add("srights", port, 1)'), ["pass"]),
    "forgotten notification": (effect("notify(after, slot, message, Notification.DEAD_NAME)"), ["pass"]),
    "forgotten clean-up": (effect("drop_held_send(after, slot)"), ["pass"]),
    "effect dropped": (effect('after.at("stage")[message] = STAGE.FREE'), ["pass"]),
    "choice without bounds": (effect("after.assumptions.append(fresh)"), ["pass"]),
    "clone for make, and the like": (effect("clone(after, carried, slot)"), [f"{LONG}.make_send(after, slot, after.port(carried))"]),
    "argument replaced": (effect("clear(after, slot)"), ["carried"]),
    "wrong task": (effect("clear(after, k.slot(name, task))"), ["k.slot(name)", "k.caller"]),
    "wrong slot": (effect("clear(after, S.destination_slot(message))"), ["S.reply_slot"]),
    "wrong field": (
        effect('after.at("wired")[task] = before.paged(task)'),
        ["'paged'", "'waits_for'", "before.waits_for(task)", "before.waits_host(task)"],
    ),
    "wrong kind": (effect("put(after, slot, KIND.SEND, port)"), ["KIND.RECEIVE", "KIND.SEND_RECEIVE"]),
    "guard dropped": (rule(GUARD), ["yield from ()"]),
    "guard negated": (rule(CASES), ["z3.Not(unknown)", "z3.Not(sends)"]),
    "cases swapped": (rule(CASES), ["after yield k.succeeds('some', k.otherwise(tested=sends), change, refs=port)"]),
    "other code": (rule(GUARD), ["ReturnCode.KERN_INVALID_RIGHT"]),
    "output dropped or replaced": (rule(CASES), ["k.succeeds('some', k.otherwise(tested=sends), change)"]),
    "comparison": (rule("full = urefs >= limit"), ["(urefs) > (limit)", "(urefs) < (limit)"]),
    "off by one": (effect("put(after, slot, KIND.SEND, port, urefs + 1)"), ["urefs", "2"]),
    "operand dropped": (rule("x = z3.And(sends, z3.Not(full))"), ["z3.And(z3.Not(full))", "z3.And(sends)", "full"]),
    "and for or": (rule("x = z3.If(z3.Or(sends, full), a, b)"), ["z3.If(z3.Or(sends, full), b, a)", "z3.And(sends, full)"]),
    "wrong profile switch": (rule("x = a if k.profile.has_guards else b"), ["not (k.profile.has_guards)"]),
    "step forgotten": ("def send(d: Driver) -> Steps:\n    yield run(DESTROY, message=request)", ["yield from ()"]),
    "step always run": ("def send(d: Driver) -> Steps:\n    yield run(ANSWER, message=m, when=by_kernel)", ["run(ANSWER, message=m)"]),
    "comparison in an invariant": ("def one(v, s):\n    yield 'it', s.count(v.p) == 1", ["(s.count(v.p)) != (1)"]),
    "operand of an invariant dropped": ("def one(v, s):\n    yield 'it', z3.Implies(a, b)", ["b"]),
    "and for or in an invariant": ("def one(v, s):\n    yield 'it', z3.Or(a, b)", ["z3.And(a, b)"]),
    "clause dropped": ("def one(v, s):\n    yield 'it', a", ["yield from ()"]),
    "clause negated": ("def one(v, s):\n    yield 'it', a", ["yield ('it', z3.Not(a))"]),
}
"""For each operator a function, and what it makes of it."""


@pytest.mark.parametrize("name", [*OPERATORS, *OF_INVARIANTS])
def test_what_an_operator_makes(name: str) -> None:
    if name == "changes another field too":
        return  # below
    source, expected = MADE[name]
    assert texts((OPERATORS | OF_INVARIANTS)[name], source) == expected


def test_what_a_case_rests_on_is_no_result() -> None:
    dropped = OPERATORS["output dropped or replaced"]
    assert texts(dropped, rule("yield k.fails(ReturnCode.KERN_FAILURE, 'no', full, evidence=FORM)")) == []
    assert texts(dropped, rule("yield k.fails(ReturnCode.KERN_FAILURE, 'no', full, told=port, evidence=FORM)")) == [
        "k.fails(ReturnCode.KERN_FAILURE, 'no', full, evidence=FORM)"
    ]


def test_any_field_can_be_changed_too() -> None:
    changed = texts(OPERATORS["changes another field too"], effect("clear(after, slot)"))
    assert any("after.store('exception_behaviour', " in text for text in changed)
    assert any("after.store('qlimit', (port, )" in text for text in changed)
    assert not any("sending_slots" in text for text in changed), "a ghost follows from the rest"
    quiet = rule("yield k.succeeds('none', unknown, refs=port)\n    yield k.succeeds('some', sends, change, refs=port)")
    told = texts(OPERATORS["changes another field too"], quiet)
    assert told
    assert all(text.startswith("k.succeeds('none', unknown, lambda after: after.store(") and text.endswith(", refs=port)") for text in told)
    failing = texts(OPERATORS["changes another field too"], rule(GUARD))
    assert any(text.startswith("k.fails(ReturnCode.KERN_INVALID_NAME, 'nothing', unknown, lambda after: after.store('clock', ()") for text in failing)


def test_only_what_concerns_terms_is_changed() -> None:
    """Not what Python decides: ``range(3)``, a test of the place; not a docstring, an annotation or a decorator."""
    source = "def one(v: KIND.SEND, s) -> KIND.SEND:\n    '''KIND.SEND'''\n    x = [a for a in range(3) if place == HOST]\n    y = parts[0]"
    assert [
        made for operator in (OPERATORS["comparison"], OPERATORS["off by one"], OPERATORS["wrong kind"]) for made in texts(operator, source)
    ] == []


def test_step_properties_are_only_negated() -> None:
    assert OF_STEPS.keys() <= OF_INVARIANTS.keys()
    assert list(OF_STEPS) == ["clause negated"]
