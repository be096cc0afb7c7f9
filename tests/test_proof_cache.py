"""The proof cache answers only what was proved, and only while all that the answer rests on is the same."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import z3

from sendright.cli.main import main
from sendright.mach.profiles import MANUAL
from sendright.mach.results import ProofResult
from sendright.mach.verdicts import Verdict
from sendright.model import instantiate, proof_cache
from sendright.model import refute as refuter
from sendright.model.actions import Release, put
from sendright.model.proof_cache import Known, Mark, Proof, keep_proofs_in
from sendright.model.prove import CaseProof, prove
from sendright.model.rules import RULES, Case, Context
from sendright.model.sorts import KIND, UNBOUNDED, Term
from sendright.model.state import After, State

CALL = "mach_port_deallocate"


@pytest.fixture(autouse=True)
def no_folder_afterwards() -> Iterator[None]:
    yield
    keep_proofs_in(None)


@pytest.fixture
def no_refuting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refuter, "refute", lambda *arguments: refuter.Outcome("not looked for", None, False))


def proved(folder: Path | None, call: str = CALL, invariant: int = 7) -> ProofResult:
    return prove(MANUAL, calls=[call], invariants=[invariant], jobs=0, cache=folder)


def cached(result: ProofResult) -> int:
    return sum(one.cached for one in result.obligations)


def test_what_was_proved_is_not_asked_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = proved(tmp_path)
    monkeypatch.setattr(instantiate.Proof, "decide", lambda *anything: pytest.fail("the solver was asked"))
    again = proved(tmp_path)
    assert first.verdict is again.verdict is Verdict.PROVED
    assert cached(again) > cached(first)
    assert [one.property for one in first.obligations] == [one.property for one in again.obligations]


def test_without_a_folder_nothing_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert cached(proved(None)) == cached(proved(None)) == 0
    assert not list(tmp_path.iterdir())


def test_only_proofs_are_kept(tmp_path: Path) -> None:
    keep_proofs_in(tmp_path)
    x = z3.Int("x")
    assert Proof(UNBOUNDED, [x > 0], []).decide(x > 1) != z3.unsat
    assert not list(tmp_path.rglob("*.txt"))
    assert Proof(UNBOUNDED, [x > 0], []).decide(x > -1) == z3.unsat
    assert len(list(tmp_path.rglob("*.txt"))) == 1
    mark = Mark()
    assert Proof(UNBOUNDED, [x > 0], []).decide(x > 1) != z3.unsat
    assert not mark.all_from_cache
    mark = Mark()
    assert Proof(UNBOUNDED, [x > 0], []).decide(x > -1) == z3.unsat
    assert mark.all_from_cache


@pytest.mark.usefixtures("no_refuting")
def test_a_changed_rule_is_proved_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A wrong effect in one case: what rests on it is asked, and not proved, the second time too."""
    proved(tmp_path)
    rule = RULES[CALL]

    def wrong(k: Context, case: Case) -> Case:
        def effect(after: After) -> None:
            case.effect(after)
            put(after, k.slot(k["name"], k.task_behind(k["task"])), KIND.DEAD_NAME, k.sorts.no_port, 0)

        return replace(case, effect=effect) if case.code == 0 else case

    monkeypatch.setitem(RULES, CALL, replace(rule, cases=lambda k: (wrong(k, case) for case in rule.cases(k))))
    for _ in range(2):
        result = proved(tmp_path)
        broken = [one for one in result.obligations if one.verdict is not Verdict.PROVED]
        assert broken
        assert not any(one.cached for one in broken)
        assert all("KERN_SUCCESS" in one.case for one in broken)


def terms() -> tuple[list[Term], Term]:
    """Some assumptions and a goal, with names that are fresh each time."""
    unit = CaseProof(RULES["task_terminate"], 2, MANUAL)
    assert unit.after.releases
    release: Release = unit.after.releases[0]
    port = z3.Const("port", UNBOUNDED.Port)
    return [*unit.k.assumptions(), unit.guard, *unit.after.assumptions], z3.Not(release.dying(port))


def test_fresh_names_say_nothing(tmp_path: Path) -> None:
    (facts, goal), (other_facts, other_goal) = terms(), terms()
    assert not goal.eq(other_goal)
    assert Known(tmp_path, facts).question(goal) == Known(tmp_path, other_facts).question(other_goal)
    assert Known(tmp_path, facts).question(goal) != Known(tmp_path, facts).question(other_goal)


def test_the_key_has_all_that_an_answer_rests_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    x, y, b = z3.Int("x"), z3.Int("y"), z3.Bool("x")
    real = z3.Real("x")
    state = State.arbitrary(UNBOUNDED)
    slot = z3.Const("s", UNBOUNDED.Slot)
    asked = {
        Known(tmp_path, facts).question(goal)
        for facts, goal in (
            ([x > 0], x > 1),
            ([x > 0], x > 2),
            ([x > 1], x > 1),
            ([x > 0, y > 0], x > 1),
            ([], x > 1),
            ([x > 0], y > 1),
            ([x + x > 0], x == x),
            ([real + real > 0], real == real),
            ([b], b),
            ([state.empty(slot)], state.sends(slot)),
        )
    }
    assert len(asked) == 10
    before = Known(tmp_path, [x > 0]).question(x > 1)
    for name in ("a newer solver", "another limit"):
        proof_cache.rests_on.cache_clear()
        with monkeypatch.context() as patch:
            if name == "another limit":
                patch.setattr(instantiate, "RLIMIT", 5)
            else:
                patch.setattr(z3, "get_full_version", lambda: "Z3 99")
            assert Known(tmp_path, [x > 0]).question(x > 1) != before, name
    proof_cache.rests_on.cache_clear()
    assert Known(tmp_path, [x > 0]).question(x > 1) == before


@pytest.mark.parametrize("content", [b"", b"PROVED\n", b"\xff\x00" * 99, b"{}", b"0" * 63], ids=["empty", "words", "bytes", "json", "cut off"])
def test_a_foreign_file_is_ignored(tmp_path: Path, content: bytes) -> None:
    keep_proofs_in(tmp_path)
    x = z3.Int("x")

    def answered() -> bool:
        mark = Mark()
        assert Proof(UNBOUNDED, [x > 0], []).decide(x > -1) == z3.unsat
        return mark.all_from_cache

    assert not answered()
    [file] = tmp_path.rglob("*.txt")
    file.write_bytes(content)
    assert [answered(), answered()] == [False, True]


def test_a_folder_that_is_none_is_no_failure(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("no folder")
    keep_proofs_in(file)
    x = z3.Int("x")
    assert Proof(UNBOUNDED, [x > 0], []).decide(x > -1) == z3.unsat


def test_the_command_line_tells_them_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    part = ["prove", "--call", CALL, "--invariant", "7", "--jobs", "1"]
    assert main([*part, "--no-cache"]) == 0
    assert not Path(".sendright").exists()
    assert main([*part, "--cache", "kept"]) == 0
    assert main(part) == 0
    capsys.readouterr()
    assert main(part) == 0
    assert "from the cache" in " ".join(capsys.readouterr().out.split())
    assert main([*part, "--json", "--cache", "kept"]) == 0
    assert any(one["cached"] for one in json.loads(capsys.readouterr().out)["obligations"])
    assert main([*part, "--json", "--no-cache"]) == 0
    assert not any(one["cached"] for one in json.loads(capsys.readouterr().out)["obligations"])
