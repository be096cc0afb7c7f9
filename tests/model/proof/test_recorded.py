"""A recorded counterexample says where a search begins, and never what it finds."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from support.benchmarks import benchmark

from sendright.mach.kernel.profiles import PROFILES, XNU_792
from sendright.model.invariants.known_breaks import KNOWN_BREAKS
from sendright.model.language.rule import RULES
from sendright.model.language.term_walk import number_of
from sendright.model.proof.counterexamples.counterexample import Found, Question, Search, search
from sendright.model.proof.counterexamples.recorded import Values, equations, recorded, recorded_values, values_of
from sendright.model.proof.obligations import CaseProof
from sendright.model.proof.properties import properties_of_case

RULE, TITLE, NAME = "mach_port_allocate_name", "a dead name, under another name than requested", "step invariant 117"


@pytest.fixture(scope="module")
def question() -> Question:
    """A known break of xnu-792."""
    unit = next(unit for unit in (CaseProof(RULES[RULE], index, XNU_792) for index in range(20)) if unit.case.title == TITLE)
    [goals] = [one.goals for one in properties_of_case(unit.k, unit.case, unit.after, lambda number: number == 117) if one.name == NAME]
    return Question(unit.k, goals, unit.assumptions, unit.case, unit.after)


@pytest.fixture(scope="module")
def values(question: Question) -> Values:
    """The recorded counterexample."""
    assert question.case is not None
    found = recorded_values("xnu-792", RULE, question.case.id, NAME)
    assert found is not None, "run benchmarks/hints.py --breaks"
    return found


def test_the_recorded_counterexample_is_found_again(question: Question, values: Values) -> None:
    found = Search(XNU_792, question).again(values)
    assert found is not None
    assert found.broken
    assert values_of(found) == values


def test_the_solver_gets_a_value_for_all_that_is_recorded(question: Question, values: Values) -> None:
    """Otherwise the record would be of less use than it seems."""
    whole = Search(XNU_792, question)
    said, less = (list(equations(each, whole.here, whole.before, question.k)) for each in (values, {}))
    assert len(said) == len(less)
    assert len({*map(number_of, said)} - {*map(number_of, less)}) == len(values) > 50


WRONG: dict[str, Callable[[Values], Values]] = {
    "nothing": lambda values: {},
    "other values": lambda values: dict.fromkeys(values, "1"),
    "other points": lambda values: {f"of {point}": value for point, value in values.items()},
    "no caller": lambda values: values | {"task_life(task0)": "UNBORN"},
}


@pytest.mark.heavy
@pytest.mark.parametrize("wrong", WRONG)
def test_a_wrong_record_shows_nothing(question: Question, values: Values, wrong: str) -> None:
    assert Search(XNU_792, question).again(WRONG[wrong](values)) is None


@pytest.mark.heavy
@pytest.mark.parametrize("number", ["some", "", "-", "٣", "²", "1_0"])
def test_a_value_that_does_not_exist_says_nothing(question: Question, values: Values, number: str) -> None:
    """The solver finds a value there."""
    found = Search(XNU_792, question).again(values | {"port_life(port0)": "what is that", "suspend_count(task0)": number})
    assert found is not None
    assert found.broken


@pytest.mark.heavy
def test_the_search_goes_on_without_a_wrong_record(question: Question, values: Values) -> None:
    found = search(XNU_792, question, WRONG["no caller"](values))
    assert isinstance(found, Found)
    assert found.broken


def test_a_record_does_not_show_what_is_not_broken(question: Question, values: Values) -> None:
    """The same state, and goals that hold there: the case's own condition."""
    assert question.case is not None
    holds = Question(question.k, [("it applies", question.case.when)], question.assumptions, question.case, question.after)
    assert Search(XNU_792, holds).again(values) is None


def test_a_record_says_nothing_of_a_state_in_which_the_invariants_do_not_hold(question: Question, values: Values) -> None:
    whole = Search(XNU_792, question)
    assert whole.again(values | {"port_life(port0)": "UNBORN"}) is None
    assert whole.again(values) is not None, "what was tried before is forgotten"


@pytest.mark.heavy
def test_all_known_breaks_have_a_record_that_is_good() -> None:
    for name, profile in PROFILES.items():
        known = {(one.property, case) for one in KNOWN_BREAKS if one.breaks(profile) for case in one.cases}
        of_profile = recorded().get(name, {})
        has = {(one, (rule, case.partition("/")[2])) for rule, cases in of_profile.items() for case, ones in cases.items() for one in ones}
        served = {(one, (rule, title)) for one, (rule, title) in known if profile.serves(rule) or rule not in RULES}
        assert served <= has, f"{name}: run benchmarks/hints.py --breaks"
        assert benchmark("hints").breaks_of(name, None) == of_profile, f"{name}: run benchmarks/hints.py --breaks"


def test_values_are_of_every_kind() -> None:
    kept = {value for cases in recorded()["xnu-792"].values() for ones in cases.values() for values in ones.values() for value in values.values()}
    assert {"True", "1", "ALIVE", "SEND", "port0"} <= kept
    assert any("(" in value for value in kept), "slots"
    assert not any("!" in value for value in kept), "no name is fresh"
