"""Which proofs need which clauses of invariants; the table of them."""

from __future__ import annotations

import pytest
from rich.console import Console
from support.specification import little_effort

from sendright.mach.kernel.profiles import MANUAL
from sendright.mach.results.mutants import ClauseNeed, ClausesResult
from sendright.mach.results.verdicts import Verdict
from sendright.model.invariants import goals
from sendright.model.invariants.catalogue import state_invariants
from sendright.model.language.invariant import INVARIANTS
from sendright.model.proof import needed
from sendright.model.proof.any_state import of_any_state
from sendright.model.proof.needed import needed_clauses
from sendright.model.proof.obligations import ProofTask
from sendright.reports.mutants import clause_lines, clauses_page

FREED = "mach_port_move_member"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """One rule is enough here, with little effort."""
    little_effort(monkeypatch)
    monkeypatch.setattr(needed, "proof_tasks", lambda _: [ProofTask("cases", FREED)])


def test_a_clause_is_needed_if_a_proof_is_lost_without_it(monkeypatch: pytest.MonkeyPatch) -> None:
    found = needed_clauses(MANUAL)
    by_clause = {(one.invariant, one.clause): one for one in found.clauses}
    assert len(found.clauses) == sum(len(of_any_state(each)) for each in state_invariants(MANUAL))
    lost = {key for key, one in by_clause.items() if one.needed_by}
    assert lost
    assert all(by_clause[key].uses for key in lost)
    assert all(one.uses == 0 and not one.needed_by for one in found.clauses if one.invariant == 37)  # nothing about ledgers
    assert found.verdict is Verdict.FAILED  # in one rule alone most clauses have no use


def test_what_is_interrupted_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(needed, "stop_if_interrupted", interrupted)
    found = needed_clauses(MANUAL)
    assert found.interrupted
    assert found.verdict is Verdict.UNDETERMINED
    assert "interrupted: not all proofs were looked at" in clauses_page(found, "0")


def test_every_goal_is_a_clause() -> None:
    titles = {(each.number, title) for each in INVARIANTS.values() for title, _ in of_any_state(each)}
    assert {(one.invariant, one.clause) for one in goals.GOALS} <= titles
    assert len({(one.invariant, one.clause) for one in goals.GOALS}) == len(goals.GOALS)


def test_the_table() -> None:
    some = [
        ClauseNeed(invariant=1, clause="a | b", uses=3, needed_by="invariant 2 of the case"),
        ClauseNeed(invariant=2, clause="c", uses=0, needed_by="", reason="users read it"),
        ClauseNeed(invariant=3, clause="d", uses=1, needed_by=""),
    ]
    result = ClausesResult(verdict=Verdict.FAILED, profile="manual", clauses=tuple(some), questions=1000, seconds=60, command="the command")
    page = clauses_page(result, "1.2.3")
    assert "| 1, a / b | 3 | invariant 2 of the case |" in page
    assert "| 2, c | 0 | users read it |" in page
    assert "| 3, d | 1 | no proof was found that needs it, and no reason is known |" in page
    assert "1 of 3 clauses are needed by some proof, 1 have another reason, 1 have none" in " ".join(page.split())
    console = Console(width=200)
    with console.capture() as shown:
        console.print(*clause_lines(result))
    assert "FAILED: 1 of 3 clauses" in shown.get()
