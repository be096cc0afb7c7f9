"""The proof cache answers only what was proved, and only while all that the answer rests on is the same."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import z3

from sendright.cli.main import main
from sendright.mach.kernel.profiles import MANUAL
from sendright.mach.results.checks import ProofResult
from sendright.mach.results.verdicts import Verdict
from sendright.model.language.actions import put
from sendright.model.language.release import Release
from sendright.model.language.rule import RULES, Case, Context
from sendright.model.language.sorts import KIND, UNBOUNDED, Term
from sendright.model.language.state import After, State
from sendright.model.proof.counterexamples import refute as refuter
from sendright.model.proof.obligations import CaseProof
from sendright.model.proof.prove import prove
from sendright.model.proof.solver import cache as proof_cache
from sendright.model.proof.solver import instantiate, own_source
from sendright.model.proof.solver.cache import Cache, Proof, ProvedQueries, keep_proofs_in, open_cache
from sendright.model.proof.solver.own_source import sources
from sendright.model.proof.solver.questions import Mark

CALL = "mach_port_deallocate"


@pytest.fixture(autouse=True)
def no_folder_afterwards() -> Iterator[None]:
    yield
    keep_proofs_in(None)
    proof_cache._rests_on.cache_clear()


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return open_cache(tmp_path / "proofs")


@pytest.fixture
def no_refuting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refuter, "refute", lambda *arguments: refuter.Outcome("not looked for", None, False))


def proved(cache: Cache | None, call: str = CALL, invariant: int = 7) -> ProofResult:
    return prove(MANUAL, calls=[call], invariants=[invariant], jobs=0, cache=cache)


def cached(result: ProofResult) -> int:
    return sum(one.cached for one in result.obligations)


def test_what_was_proved_is_not_asked_again(cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    first = proved(cache)
    monkeypatch.setattr(instantiate.Proof, "decide", lambda *anything: pytest.fail("the solver was asked"))
    again = proved(cache)
    assert first.verdict is again.verdict is Verdict.PROVED
    assert cached(again) > cached(first)
    assert [one.property for one in first.obligations] == [one.property for one in again.obligations]


def test_without_a_folder_nothing_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert cached(proved(None)) == cached(proved(None)) == 0
    assert not list(tmp_path.iterdir())


def test_only_proofs_are_kept(cache: Cache) -> None:
    keep_proofs_in(cache)
    x = z3.Int("x")
    assert Proof(UNBOUNDED, [x > 0], []).decide(x > 1) != z3.unsat
    assert not list(cache.folder.iterdir())
    assert Proof(UNBOUNDED, [x > 0], []).decide(x > -1) == z3.unsat
    assert len(list(cache.folder.iterdir())) == 1
    mark = Mark()
    assert Proof(UNBOUNDED, [x > 0], []).decide(x > 1) != z3.unsat
    assert not mark.all_from_cache
    mark = Mark()
    assert Proof(UNBOUNDED, [x > 0], []).decide(x > -1) == z3.unsat
    assert mark.all_from_cache


@pytest.mark.heavy
@pytest.mark.usefixtures("no_refuting")
def test_a_changed_rule_is_proved_again(cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    """A wrong effect in one case: what rests on it is asked, and not proved, the second time too."""
    proved(cache)
    rule = RULES[CALL]

    def wrong(k: Context, case: Case) -> Case:
        def effect(after: After) -> None:
            case.effect(after)
            put(after, k.slot(k["name"], k.task_behind(k["task"])), KIND.DEAD_NAME, k.sorts.no_port, 0)

        return replace(case, effect=effect) if case.code == 0 else case

    monkeypatch.setitem(RULES, CALL, replace(rule, cases=lambda k: (wrong(k, case) for case in rule.cases(k))))
    for _ in range(2):
        result = proved(cache)
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


def test_fresh_names_say_nothing(cache: Cache) -> None:
    (facts, goal), (other_facts, other_goal) = terms(), terms()
    assert not goal.eq(other_goal)
    assert ProvedQueries(cache, facts).question(goal) == ProvedQueries(cache, other_facts).question(other_goal)
    assert ProvedQueries(cache, facts).question(goal) != ProvedQueries(cache, facts).question(other_goal)


def test_the_hash_has_all_that_an_answer_rests_on(cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    x, y, b = z3.Int("x"), z3.Int("y"), z3.Bool("x")
    real = z3.Real("x")
    state = State.arbitrary(UNBOUNDED)
    slot = z3.Const("s", UNBOUNDED.Slot)
    asked = {
        ProvedQueries(cache, facts).question(goal)
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
    before = ProvedQueries(cache, [x > 0]).question(x > 1)
    proof_cache._rests_on.cache_clear()
    with monkeypatch.context() as patch:
        patch.setattr(z3, "get_full_version", lambda: "Z3 99")
        assert ProvedQueries(cache, [x > 0]).question(x > 1) != before
    proof_cache._rests_on.cache_clear()
    assert ProvedQueries(cache, [x > 0]).question(x > 1) == before


PROVER = list(sources(proof_cache.__name__))


@pytest.mark.parametrize("module", [name for name in PROVER if name.count(".") == 2])
def test_any_change_of_the_prover_changes_the_hash(module: str, monkeypatch: pytest.MonkeyPatch) -> None:
    read = own_source._source
    before = proof_cache.rests_on()
    proof_cache._rests_on.cache_clear()
    monkeypatch.setattr(own_source, "_source", lambda spec: read(spec) + ("\n# changed" if spec.name == module else ""))
    assert proof_cache.rests_on() != before


def test_all_modules_that_answer_are_in_the_hash() -> None:
    """Python itself says which those are: the modules that a process has when it has loaded those that answer."""
    program = f"import sys, {proof_cache.__name__}; print(*(name for name in sys.modules if name.partition('.')[0] == 'sendright'))"
    loaded = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout.split()
    assert (
        {"sendright.model.proof.solver.instantiate", "sendright.model.language.term_walk", "sendright.model.proof.solver.cache"}
        <= set(loaded)
        <= set(PROVER)
    )


def test_imports_are_found_wherever_they_stand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "imported_here"
    (package / "deep").mkdir(parents=True)
    files = {
        "__init__.py": "",
        "root.py": "import json\nimport imported_here.a\nfrom . import b as other\ndef late():\n    from .deep.c import something\n",
        "a.py": "from imported_here import root",
        "b.py": "if False:\n    from imported_here.d import nothing\n",
        "d.py": "",
        "deep/__init__.py": "from .e import *",
        "deep/c.py": "something = 1",
        "deep/e.py": "",
        "unused.py": "",
    }
    for name, text in files.items():
        (package / name).write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    found = sources("imported_here.root")
    assert list(found) == ["imported_here", *(f"imported_here.{name}" for name in ("a", "b", "d", "deep", "deep.c", "deep.e", "root"))]
    assert found["imported_here.deep.c"] == "something = 1"


@pytest.mark.parametrize("content", [b"", b"PROVED\n", b"\xff\x00" * 99, b"{}", b"0" * 63], ids=["empty", "words", "bytes", "json", "cut off"])
def test_a_foreign_file_is_ignored(cache: Cache, content: bytes) -> None:
    keep_proofs_in(cache)
    x = z3.Int("x")

    def answered() -> bool:
        mark = Mark()
        assert Proof(UNBOUNDED, [x > 0], []).decide(x > -1) == z3.unsat
        return mark.all_from_cache

    assert not answered()
    [file] = cache.folder.iterdir()
    file.write_bytes(content)
    assert [answered(), answered()] == [False, True]


def test_the_command_line_tells_them_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home" / "caches"))
    part = ["prove", "--call", CALL, "--invariant", "7", "--jobs", "1"]
    assert main([*part, "--no-cache"]) == 0
    assert not list(tmp_path.iterdir())
    assert main([*part, "--cache", "kept"]) == 0
    assert main(part) == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["home", "kept"]
    assert list((tmp_path / "home" / "caches" / "sendright" / "proofs").iterdir())
    capsys.readouterr()
    assert main(part) == 0
    assert "from the cache" in " ".join(capsys.readouterr().out.split())
    assert main([*part, "--json", "--cache", "kept"]) == 0
    assert any(one["cached"] for one in json.loads(capsys.readouterr().out)["obligations"])
    assert main([*part, "--json", "--no-cache"]) == 0
    assert not any(one["cached"] for one in json.loads(capsys.readouterr().out)["obligations"])
