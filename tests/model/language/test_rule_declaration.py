"""How a rule is declared: what it takes is read off its function, and compared with the table of signatures."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import z3

from sendright.mach.kernel.profiles import MANUAL
from sendright.mach.signatures import SIGNATURES
from sendright.model import calls as _declared  # noqa: F401 - declares the rules
from sendright.model.language.arguments import parameters_of
from sendright.model.language.rule import RULES, Case, Context, rule
from sendright.model.language.sorts import UNBOUNDED
from sendright.model.language.state import State
from sendright.model.language.terms import Array, Bool, Function, Int, Name, Object, Port, Sort, Task


@pytest.fixture(autouse=True)
def nothing_stays_declared(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a test declares is gone after it; calls whose rules it declares have none before it."""
    kept = {name: declared for name, declared in RULES.items() if name not in ("mach_port_mod_refs", "task_set_special_port", "mach_ports_register")}
    monkeypatch.setattr("sendright.model.language.rule.RULES", kept)


def case(k: Context, when: Any) -> Iterator[Case]:
    yield k.succeeds("one", when)


def test_parameters_and_choices_are_the_functions_own() -> None:
    @rule("a rule")
    def declared(k: Context, space: Task, names: Array[Name], names_length: Int, *, reaches: Function[Port, Bool], copied: Object) -> Iterator[Case]:
        """What it says."""
        yield k.succeeds("one", z3.And(reaches(z3.Const("p", k.sorts.Port)), names(0) == names(names_length), k.before.alive(space)))

    assert declared.name == "a rule"
    assert declared.manual == "What it says."
    assert declared.parameters == {"space": Sort("Task"), "names": Sort("Name", "Int"), "names_length": Sort("Int")}
    assert declared.choices == {"reaches": Sort("Bool", "Port"), "copied": Sort("Object")}
    k = Context(declared, State.arbitrary(UNBOUNDED), MANUAL, "@here")
    [one] = declared.cases(k)
    assert "names@here" in str(one.when)
    assert k["space"].sort() == UNBOUNDED.Task
    assert (k["names"].domain(0), k["names"].range()) == (z3.IntSort(), UNBOUNDED.Name)
    with pytest.raises(KeyError, match="'a rule' has no parameter 'name'"):
        k["name"]


def test_what_a_rule_requires_speaks_of_its_own_parameters() -> None:
    def wants(k: Context, *, lift: Int) -> list[Any]:
        return [lift > 0]

    @rule("another rule", requires=wants)
    def declared(k: Context, name: Name, *, lift: Int) -> Iterator[Case]:
        return case(k, lift == 0)

    k = Context(declared, State.arbitrary(UNBOUNDED), MANUAL)
    assert str(declared.requires(k)) == "[lift > 0]"
    with pytest.raises(TypeError, match="third: wants wants lift: Int, and the rule has no such parameter"):

        @rule("third", requires=wants)
        def other(k: Context, name: Name, lift: Bool) -> Iterator[Case]:
            return case(k, lift)


def without_context(name: Name) -> Iterator[Case]:
    return iter([])


def unannotated(k: Context, name, right: Int, delta: Int) -> Iterator[Case]:  # type: ignore[no-untyped-def]
    return iter([])


def of_no_sort(k: Context, task: Name, name: str) -> Iterator[Case]:
    return iter([])


def with_default(k: Context, task: Name, name: Name = None) -> Iterator[Case]:
    return iter([])


def of_any_number(k: Context, *names: Name) -> Iterator[Case]:
    return iter([])


def in_another_order(k: Context, task: Name, right: Int, name: Name, delta: Int) -> Iterator[Case]:
    return iter([])


def of_another_sort(k: Context, task: Name, name: Name, right: Int, delta: Bool) -> Iterator[Case]:
    return iter([])


def with_one_too_few(k: Context, task: Name, name: Name, right: Int) -> Iterator[Case]:
    return iter([])


def with_one_too_many(k: Context, task: Name, name: Name, right: Int, delta: Int, extra: Int) -> Iterator[Case]:
    return iter([])


def in_steps_too(k: Context, task: Name, name: Name, right: Int, delta: Int, stop: Bool) -> Iterator[Case]:
    return iter([])


def shortage_first(k: Context, shortage: Int, task: Name, name: Name, right: Int, delta: Int) -> Iterator[Case]:
    return iter([])


def not_in_steps(k: Context, task: Name, which: Int, port: Name) -> Iterator[Case]:
    return iter([])


def an_array_without_its_length(k: Context, task: Name, ports: Array[Name]) -> Iterator[Case]:
    return iter([])


@pytest.mark.parametrize(
    ("call", "function", "words"),
    [
        ("any", without_context, "the first parameter of without_context is not k: Context"),
        ("any", unannotated, "the parameter name has no sort: None isn't a type of model/language/terms.py"),
        ("any", of_no_sort, "the parameter name has no sort: <class 'str'>"),
        ("any", with_default, "name: 'Name' = None is neither an argument nor"),
        ("any", of_any_number, "names: 'Name' is neither an argument nor"),
        (
            "mach_port_mod_refs",
            in_another_order,
            r"the rule takes \(task: Name, right: Int, name: Name, delta: Int\), the call in mach/signatures takes",
        ),
        ("mach_port_mod_refs", of_another_sort, "delta: Bool"),
        ("mach_port_mod_refs", with_one_too_few, r"the rule takes \(task: Name, name: Name, right: Int\)"),
        ("mach_port_mod_refs", with_one_too_many, "extra: Int"),
        ("mach_port_mod_refs", in_steps_too, "a rule takes stop if the signature says in_steps"),
        ("mach_port_mod_refs", shortage_first, r"the rule takes \(shortage: Int, task"),
        ("task_set_special_port", not_in_steps, "a rule takes stop if the signature says in_steps"),
        ("mach_ports_register", an_array_without_its_length, "ports_length: Int"),
    ],
)
def test_a_declaration_that_is_refused(call: str, function: Callable[..., Iterator[Case]], words: str) -> None:
    with pytest.raises(TypeError, match=f"{call}: .*{words}"):
        rule(call)(function)


@pytest.mark.parametrize(
    ("exceptions", "words"),
    [
        ({"without": ("delta",)}, r"without=\['delta'\]"),
        ({"without": ("size",)}, r"without=\['size'\]"),
        ({"computed": ("size",)}, r"computed=\['size'\]"),
        ({"computed": ("delta",)}, r"computed=\['delta'\]"),
    ],
)
def test_exceptions_that_are_none(exceptions: dict[str, tuple[str, ...]], words: str) -> None:
    def complete(k: Context, task: Name, name: Name, right: Int, delta: Int) -> Iterator[Case]:
        return iter([])

    with pytest.raises(TypeError, match=words):
        rule("mach_port_mod_refs", **exceptions)(complete)
    assert rule("mach_port_mod_refs")(complete).name == "mach_port_mod_refs"


def test_every_call_has_its_signatures_parameters() -> None:
    """But for the rules that say which they leave to others: those whose rights other rules carry, and the sending of a
    message.
    """
    different = set()
    for name, signature in SIGNATURES.items():
        wanted = parameters_of(signature)
        if name in RULES and [each for each in RULES[name].parameters if each not in ("shortage", "stop")] != list(wanted):
            different.add(name)
    assert different == {"mach_msg_send", "mach_port_insert_right", "mach_port_request_notification"}
