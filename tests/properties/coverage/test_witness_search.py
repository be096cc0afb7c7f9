"""The search for witnesses: what is recorded is kept as long as it is right and needed, and only the rest is searched
for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace as replaced

import msgspec
import pytest

from sendright.impl.reference import ReferenceKernel
from sendright.mach.kernel.implementation import Implementation
from sendright.mach.kernel.profiles import GNUMACH
from sendright.mach.signatures import with_defaults
from sendright.model.execution import system
from sendright.model.execution.oracle import Oracle
from sendright.model.execution.witnesses import Witness, calls_of, replay, witnesses
from sendright.model.language.rule import RULES
from sendright.model.proof.must_fail import MustFailWatch
from sendright.properties.coverage import witness_search
from sendright.properties.coverage.witness_search import Found, find_witnesses

RECORDED = tuple(witnesses(GNUMACH))


def no_kernel() -> Implementation:
    raise AssertionError("a kernel was started")


def shown(recorded: Sequence[Witness]) -> set[str]:
    """The cases that runs reach and the must-fail invariants that they break."""
    watch = MustFailWatch(GNUMACH)
    cases = {case for witness in recorded for step in replay(witness, GNUMACH, lambda oracle, _: watch.look(oracle)) for case in step}
    return cases | set(watch.found)


def test_what_is_whole_is_kept_without_a_search() -> None:
    assert find_witnesses(no_kernel, GNUMACH, RECORDED) == Found(RECORDED, (), ())


@pytest.mark.heavy
def test_what_is_missing_is_found_and_the_rest_stays() -> None:
    gone = RECORDED[3::15][:5]
    left = tuple(witness for witness in RECORDED if witness not in gone)
    lost = shown(RECORDED) - shown(left)
    assert len(gone) == 5
    assert len(lost) >= 5
    found = find_witnesses(ReferenceKernel, GNUMACH, left)
    assert (found.kept, found.missing) == (left, ())
    assert lost <= shown(found.new)
    assert shown([*found.kept, *found.new]) >= shown(RECORDED)


def test_a_witness_whose_answers_are_no_longer_right_is_recorded_again() -> None:
    """Its calls are tried first, so that a change of answers costs no search."""
    spoilt = RECORDED[10]
    last = spoilt.steps[-1]
    wrong = msgspec.structs.replace(last, result=msgspec.structs.replace(last.result, code=5))
    recorded = [msgspec.structs.replace(spoilt, steps=(*spoilt.steps[:-1], wrong)) if each is spoilt else each for each in RECORDED]
    found = find_witnesses(ReferenceKernel, GNUMACH, recorded)
    assert found.missing == ()
    assert found.kept == tuple(witness for witness in RECORDED if witness is not spoilt)
    assert len(found.new) == 1
    before = [(task, with_defaults(call)) for task, call in calls_of(spoilt)]
    assert all((task, with_defaults(call)) in before for task, call in calls_of(found.new[0]))


def test_a_witness_that_shows_nothing_of_its_own_is_dropped() -> None:
    """As one of a case that doesn't exist any more."""
    found = find_witnesses(no_kernel, GNUMACH, (*RECORDED, RECORDED[0], Witness("gnumach", 4, 2, 2, ()), Witness("vms", 4, 2, 2, ())))
    assert found == Found(RECORDED, (), ())


def test_a_case_with_a_new_title_keeps_its_witness_and_one_that_has_gone_takes_its_along(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of mach_port_rename one case gets another title; mach_port_get_refs is no longer a call with cases of its own."""
    renamed, removed = RULES["mach_port_rename"], "mach_port_get_refs"
    titled = replaced(renamed, cases=lambda k: (replaced(case, title=f"{case.title}, so to say") for case in renamed.cases(k)))
    monkeypatch.setitem(RULES, "mach_port_rename", titled)
    monkeypatch.setattr(system, "_compiled", {})
    monkeypatch.setattr(Oracle, "all_cases", property(lambda self: [case for case in all_cases(self) if not case.startswith(f"{removed}/")]))
    found = find_witnesses(no_kernel, GNUMACH, RECORDED)
    assert found.missing == found.new == ()
    dropped = [witness for witness in RECORDED if witness not in found.kept]
    assert dropped
    assert [witness for witness in RECORDED if witness not in dropped] == list(found.kept)
    assert all(removed in {call.name for _, call in calls_of(witness)} for witness in dropped)
    assert any("so to say" in case for case in shown(found.kept))


_getter = Oracle.__dict__["all_cases"]


def all_cases(oracle: Oracle) -> list[str]:
    """What ``Oracle.all_cases`` says unpatched."""
    return list(_getter.fget(oracle))


def test_what_no_run_reaches_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(witness_search, "_candidates", lambda *arguments: iter(()))
    found = find_witnesses(no_kernel, GNUMACH, RECORDED[1:])
    assert (found.kept, found.new, found.interrupted) == (RECORDED[1:], (), False)
    assert set(found.missing) == shown(RECORDED) - shown(RECORDED[1:])


def test_ctrl_c_ends_the_search_with_what_is_missing() -> None:
    def interrupted() -> Implementation:
        raise KeyboardInterrupt

    found = find_witnesses(interrupted, GNUMACH, RECORDED[1:])
    assert (found.kept, found.new, found.interrupted) == (RECORDED[1:], (), True)
    assert found.missing
