"""Clauses of invariants that follow from others: they are found, and each that is kept is listed with its reason."""

from __future__ import annotations

import pytest

from sendright.cli.main import main
from sendright.mach.kernel.profiles import MANUAL, PROFILES, Profile
from sendright.mach.results.checks import Obligation
from sendright.mach.results.verdicts import Verdict
from sendright.model.invariants import lemmas
from sendright.model.language.invariant import INVARIANTS
from sendright.model.proof import redundant


def said_of(number: int, index: int) -> Obligation | None:
    """What the command says of one clause."""
    invariant = INVARIANTS[number]
    title = redundant.of_any_state(invariant)[index][0]
    return redundant.judged(invariant, title, redundant.from_what(invariant, index, MANUAL), 0.0)


def test_a_clause_that_follows_and_one_that_does_not() -> None:
    found = said_of(3, 0)
    assert found is not None
    assert (found.verdict, found.property) == (Verdict.PROVED, "invariant 3")
    assert found.title.startswith("follows from invariants 1, 10; kept, since")
    assert said_of(1, 0) is None


def test_a_clause_that_is_not_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lemmas, "LEMMAS", ())
    found = said_of(2, 0)
    assert found is not None
    assert (found.verdict, found.title) == (Verdict.FAILED, "follows from invariant 10: drop it, or list it in model/invariants/lemmas.py")


def test_a_line_that_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = (lemmas.Lemma(2, "no receive right", frozenset({1}), ""), lemmas.Lemma(1, "it has no other", frozenset({3}), ""))
    monkeypatch.setattr(lemmas, "LEMMAS", wrong)
    other, independent = said_of(2, 0), said_of(1, 1)
    assert other is not None
    assert independent is not None
    assert (other.verdict, independent.verdict) == (Verdict.FAILED, Verdict.UNDETERMINED)


def test_a_selection_makes_no_sense(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["prove", "--redundant", "--theorem", "3"]) == 2
    assert "--redundant looks at all invariants" in capsys.readouterr().err


@pytest.mark.heavy
@pytest.mark.parametrize("profile", PROFILES.values(), ids=PROFILES)
def test_all_that_follows_is_listed(profile: Profile) -> None:
    found = redundant.redundant(profile)
    assert found.verdict is Verdict.PROVED
    assert {int(one.property.split()[-1]) for one in found.obligations} == {one.invariant for one in lemmas.LEMMAS}
