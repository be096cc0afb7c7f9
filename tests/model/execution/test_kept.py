"""The compiled specification that a user keeps: the same code as compiled anew, and never another user's."""

from __future__ import annotations

import marshal
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from sendright.impl.reference import ReferenceKernel
from sendright.mach import extensions
from sendright.mach.kernel.profiles import MANUAL, PROFILES
from sendright.mach.results.checks import CheckResult
from sendright.model.execution import kept, property_check, system
from sendright.model.execution.compiler import CompiledRule
from sendright.model.execution.kept import CodeFile, code_file, described, is_kept, kept_specification
from sendright.model.execution.oracle import Oracle
from sendright.model.execution.witnesses import witnessed_calls
from sendright.model.language.invariant import INVARIANTS
from sendright.model.language.rule import RULES, Context
from sendright.model.language.sorts import UNBOUNDED
from sendright.model.language.state import State
from sendright.properties.check import check

CODE = b"key of a test, 32 bytes long ....", b"what it is made from"


def forget() -> None:
    """What this process has compiled."""
    system._compiled.clear()
    property_check.compiled.cache_clear()


@pytest.fixture(autouse=True)
def _compiled_anew(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(system, "_compiled", {})
    property_check.compiled.cache_clear()
    yield
    property_check.compiled.cache_clear()


def folder() -> Path:
    return Path(os.environ["XDG_CACHE_HOME"], kept.FOLDER)


def checked(profile: str = "manual", runs: int = 12) -> CheckResult:
    """A check with so many known runs, by a specification that this process hasn't compiled yet."""
    forget()
    result = check(ReferenceKernel, Oracle, PROFILES[profile], examples=2, steps=3 * runs, first=witnessed_calls(PROFILES[profile])[:runs])
    return msgspec.structs.replace(result, seconds=0.0)


def compilations(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the functions that are compiled from now on."""
    seen: list[str] = []
    from sendright.model.execution import compiler

    real = compiler.code_of

    def code_of(source: str, name: str) -> object:
        seen.append(name)
        return real(source, name)

    monkeypatch.setattr(compiler, "code_of", code_of)
    monkeypatch.setattr(property_check, "code_of", code_of)
    return seen


@pytest.mark.parametrize(
    ("profile", "runs"), [("manual", 1), pytest.param("manual", 12, marks=pytest.mark.heavy), pytest.param("xnu", 12, marks=pytest.mark.heavy)]
)
def test_the_result_is_the_same_with_and_without(profile: str, runs: int, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = compilations(monkeypatch)
    without = checked(profile, runs)
    anew = len(seen)
    with kept_specification():
        first = checked(profile, runs)
    assert len(seen) == 2 * anew
    with kept_specification():
        second = checked(profile, runs)
    assert len(seen) == 2 * anew, "all of it was kept"
    assert without == first == second
    assert checked(profile, runs) == without
    assert len(seen) == 3 * anew, "outside of the block nothing is taken from the cache"


@pytest.mark.parametrize("every", [50, pytest.param(5, marks=pytest.mark.heavy)])
def test_kept_code_is_the_code_that_would_be_compiled(every: int) -> None:
    """Of one in ``every`` rules, but for the numbers of releases, which differ from one time to the next."""
    with kept_specification():
        for rule in [*Oracle(MANUAL).system.rules.values()][::every]:
            for case in rule.cases:
                assert case.functions
    forget()
    with kept_specification():
        for name, rule in [*Oracle(MANUAL).system.rules.items()][::every]:
            anew = CompiledRule(Context(RULES[name], State.arbitrary(UNBOUNDED), rule.context.profile))
            assert [(one.id, one.code, one.replies) for one in rule.cases] == [(one.id, one.code, one.replies) for one in anew.cases]
            assert rule.applies.__code__ == anew.applies.__code__
            for one, other in zip(rule.cases, anew.cases, strict=True):
                assert [*map(tuple, one.functions.releases)] == [*map(tuple, other.functions.releases)]
                if not one.functions.releases:
                    assert one.functions.effect.__code__ == other.functions.effect.__code__
                    assert one.functions.check.__code__ == other.functions.check.__code__
                    assert one.functions.outputs.__code__ == other.functions.outputs.__code__
                assert "terms" not in one.__dict__, "its terms weren't needed"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "one.code"
    written = CodeFile(path, *CODE)
    written.keep("ours", 7)
    written.save()
    return path


def found(path: Path, key: bytes = CODE[0], identity: bytes = CODE[1]) -> object:
    return CodeFile(path, key, identity).get("ours")


def test_what_was_written_is_found(file: Path) -> None:
    assert found(file) == 7
    assert file.stat().st_mode & 0o077 == 0
    second = CodeFile(file, *CODE)
    third = CodeFile(file, *CODE)
    second.keep("theirs", 8)
    second.save()
    third.keep("mine", 9)
    third.save()  # keeps what another process has written meanwhile
    assert [CodeFile(file, *CODE).get(name) for name in ("ours", "theirs", "mine")] == [7, 8, 9]


def test_other_keys_and_other_sources_find_nothing(file: Path) -> None:
    assert found(file, key=bytes(32)) is None
    assert found(file, identity=b"another source") is None


@pytest.mark.parametrize("damage", ["cut", "empty", "flipped", "unsealed", "another body", "longer"])
def test_damaged_and_forged_files_are_none(file: Path, damage: str) -> None:
    data = file.read_bytes()
    forged = marshal.dumps({"ours": marshal.dumps(666)})
    bad = {
        "cut": data[:-1],
        "empty": b"",
        "flipped": data[:40] + bytes([data[40] ^ 1]) + data[41:],
        "unsealed": forged,
        "another body": data[:32] + forged,
        "longer": data + b"\0",
    }[damage]
    file.write_bytes(bad)
    assert found(file) is None
    again = CodeFile(file, *CODE)
    again.keep("ours", 7)
    again.save()
    assert found(file) == 7


def test_nothing_is_taken_out_before_the_seal_is_compared(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file.write_bytes(file.read_bytes()[:-1])

    def loads(data: bytes) -> object:
        raise AssertionError("what isn't sealed was read")

    monkeypatch.setattr(kept.marshal, "loads", loads)
    assert found(file) is None


@pytest.mark.parametrize("what", ["link", "pipe", "device", "folder", "open to all", "two names", "too long"])
def test_hostile_places_are_no_files(file: Path, tmp_path: Path, what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    moved = tmp_path / "moved"
    file.rename(moved)
    match what:
        case "link":
            file.symlink_to(moved)
        case "pipe":
            os.mkfifo(file)
        case "device":
            file.symlink_to("/dev/zero")
        case "folder":
            file.mkdir()
        case "open to all":
            moved.rename(file)
            file.chmod(0o666)
        case "two names":
            os.link(moved, file)
        case "too long":
            moved.rename(file)
            monkeypatch.setattr(kept, "FILE_LIMIT", 10)
    assert found(file) is None


def test_changed_source_finds_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import sendright.model

    with kept_specification():
        expected = checked(runs=1)
    before = kept.made_from()
    extra = tmp_path / "extra"
    extra.mkdir()
    (extra / "one.py").write_text("# another rule\n")
    monkeypatch.setattr(sendright.model, "__path__", [*sendright.model.__path__, str(extra)])
    assert kept.made_from() != before
    seen = compilations(monkeypatch)
    with kept_specification():
        assert checked(runs=1) == expected
    assert seen


def test_source_that_changes_meanwhile_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    with kept_specification():
        monkeypatch.setattr(kept, "made_from", lambda: b"changed")
        assert code_file("invariants") is None
    assert not [*folder().glob("*.code")]


def test_rules_and_invariants_from_elsewhere_are_not_kept() -> None:
    rule = RULES["mach_port_type"]
    assert is_kept(rule.cases)
    other = replace(rule, cases=lambda k: rule.cases(k))
    with kept_specification():
        mine = CompiledRule(Context(other, State.arbitrary(UNBOUNDED), MANUAL), code_file("mine"))
        assert mine.kept is None
        assert mine.cases[0].functions
        ours = INVARIANTS[1]
        theirs = msgspec.structs.replace(ours, clauses=lambda variables, state: ours.clauses(variables, state))
        assert (is_kept(ours.clauses), is_kept(theirs.clauses)) == (True, False)
        assert property_check.compiled(theirs)
    assert not [*folder().glob("*.code")]


def test_code_is_kept_for_the_same_plugins() -> None:
    """A plugin may wrap a rule of the specification so that it looks like the specification's own."""

    def keep_or_find(value: int | None = None) -> object:
        with kept_specification():
            file = code_file("a profile")
            assert file is not None
            if value is not None:
                file.keep("a rule", value)
            return file.get("a rule")

    keep_or_find(1)
    plugin = extensions.Extension("wraps", "1", "wraps", (), "digest")
    with pytest.MonkeyPatch.context() as with_plugin:
        with_plugin.setattr(extensions, "_told", {("wraps", "wraps"): (plugin, lambda: None)})
        assert keep_or_find() is None
        keep_or_find(2)
    assert keep_or_find() == 1


def test_the_folder_does_not_grow_for_ever(tmp_path: Path) -> None:
    for number in range(kept.MOST_FILES + 5):
        file = CodeFile(tmp_path / f"{number}.code", *CODE)
        file.keep("ours", number)
        file.save()
        os.utime(tmp_path / f"{number}.code", (number, number))
    assert len([*tmp_path.glob("*.code")]) == kept.MOST_FILES
    assert (tmp_path / f"{kept.MOST_FILES + 4}.code").exists()


def test_profiles_are_described_alike_in_every_process() -> None:
    sets = [frozenset(order) for order in (("a", "b", "c"), ("c", "b", "a"))]
    assert described(sets[0]) == described(sets[1]) == "{'a', 'b', 'c'}"
    assert len({described(profile) for profile in PROFILES.values()}) == len(PROFILES)
    assert " at 0x" not in described(MANUAL)


def test_without_a_home_everything_is_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "/dev/null/nowhere")
    with kept_specification():
        assert code_file("invariants") is None
