"""What each clause rests on: declared for every case in every profile, and nothing cited that a reader can't open."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from support.places import ROOT

from sendright.mach.kernel.profile_files import add_profile, profile_from, remove_profile
from sendright.mach.kernel.profiles import GNUMACH, MANUAL, OSF, PROFILES, XNU, XNU_792, Profile
from sendright.mach.results.evidence import STRENGTH, EvidenceKind
from sendright.model.language.evidence import NONE, SOURCES, SUITES, decided, in_all_profiles, page, ran, read, rests_on, suite
from sendright.model.language.rule import RULES, Case
from sendright.model.proof.relevance import cases_of
from sendright.model.tracing import evidence
from sendright.model.tracing.evidence import counts, covers, declared, evidence_for, evidence_of, page_codes, rules_in_use, runs
from sendright.properties.coverage.traceability import trace_specification

NOT_SHIPPED = re.compile(r"\bsemantics \d|\bfact base\b|kernel-facts|\bshared/\w+\.md|generation\.md|soundness\.md")
"""The notes with which the project began, and the like."""
FOLDERS = ("api", "package", "model", "impl", "mach", "properties", "reports", "plugins", "cli", "benchmarks", "tests")


def cases(profile: Profile) -> list[tuple[str, Case]]:
    return [(rule, case) for rule in rules_in_use(profile) for case in cases_of(rule, profile)]


@pytest.mark.parametrize("profile", PROFILES.values(), ids=lambda profile: profile.name)
def test_every_case_rests_on_something(profile: Profile) -> None:
    found = {(rule, case): items for rule in rules_in_use(profile) for case, items in evidence_of(rule, profile).items()}
    assert [each for each, items in found.items() if not items] == []
    assert len(found) > 250
    for items in found.values():
        strengths = [STRENGTH[item.kind] for item in items]
        assert strengths == sorted(strengths), "the strongest stands first"
        assert all(item.words for item in items)


def test_a_rule_without_evidence_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(RULES, "mach_port_type", replace(RULES["mach_port_type"], evidence=NONE))
    evidence._evidence_of.cache_clear()
    evidence._cases.cache_clear()
    try:
        problems = trace_specification(XNU_792, None, "mach_port_type").problems
    finally:
        monkeypatch.undo()
        evidence._evidence_of.cache_clear()
        evidence._cases.cache_clear()
    lacking = {problem for problem in problems if problem.startswith("mach_port_type/e") and problem.endswith("rests on nothing")}
    assert len(lacking) == len(cases_of("mach_port_type", XNU_792)) - 1, "the test of the target has evidence of its own"
    assert trace_specification(XNU_792, None, "mach_port_type").problems == ()


@pytest.mark.parametrize("profile", PROFILES.values(), ids=lambda profile: profile.name)
def test_titles_that_evidence_speaks_of_exist(profile: Profile) -> None:
    for rule in rules_in_use(profile):
        titles = {case.title for case in cases_of(rule, profile)}
        for one in RULES[rule].evidence.of(profile.name):
            assert one.silent <= titles, rule
            assert one.only <= titles, rule


def test_a_decision_says_why() -> None:
    for profile in PROFILES.values():
        for rule, case in cases(profile):
            for one in declared(rule, case, profile.name):
                if one.kind in (EvidenceKind.DECISION, EvidenceKind.CODE_RUN):
                    assert one.words.endswith("."), one.words
                    assert len(one.words.split()) > 7, one.words


def test_a_page_covers_an_error_only_if_it_names_the_code() -> None:
    for rule, case in cases(MANUAL):
        items = evidence_for(case.id, rule, MANUAL)
        assert items is not None
        pages = [one for one in declared(rule, case, MANUAL.name) if one.kind is EvidenceKind.MANUAL]
        if any(item.kind is EvidenceKind.MANUAL for item in items) and case.refuses and case.code is not None and "PROGRESS" not in case.code.name:
            assert any(case.code.name.removesuffix("_VM_SPACE") in page_codes()[one.names[0]] for one in pages), (rule, case.id)
    refs = {case.title: case for case in cases_of("mach_port_get_refs", MANUAL)}
    [its_page] = page("mach_port_get_refs", silent=("one",))
    assert covers(its_page, refs["the name denotes nothing"])
    assert not covers(its_page, refs["no such kind of right"]), "the page names no such code"
    assert not covers(its_page, refs["one"]), "declared"
    assert covers(its_page, refs["none of this kind"])


def test_where_the_pages_are_silent_a_kernel_is_named() -> None:
    items = evidence_for("KERN_INVALID_VALUE/no such kind of right", "mach_port_get_refs", MANUAL)
    assert items is not None
    assert {item.kind for item in items} == {EvidenceKind.DECISION}
    assert any("mach_port_get_refs in osfmk/ipc/mach_port.c (XNU 792" in item.words for item in items)


def test_a_case_has_evidence_of_its_own_profile_by_profile() -> None:
    rule = rests_on("a.c: f", xnu="b.c: g, h", manual=page("f"))
    case = rests_on(gnumach=decided("It is so."))
    assert rule.under(case).of(GNUMACH.name) == decided("It is so.")
    assert rule.under(case).of(OSF.name) == read("a.c: f")
    assert rule.under(case).of(XNU.name) == read("b.c: g, h")
    assert set(in_all_profiles(decided("So.")).by_profile) == set(PROFILES)


def test_what_ran_and_what_a_suite_asserts_is_added() -> None:
    both = rests_on("a.c: f", gnumach=suite("t.c: test", "one case"), xnu=read("b.c: g") + ran("It did this.", "one case"), manual=page("f"))
    assert both.of(GNUMACH.name) == read("a.c: f") + suite("t.c: test", "one case")
    assert both.of(XNU.name) == read("b.c: g") + ran("It did this.", "one case")
    assert both.of(MANUAL.name) == page("f")
    kinds = {case: {item.kind for item in items} for case, items in evidence_of("mach_port_mod_refs", XNU).items()}
    assert EvidenceKind.TEST_SUITE in kinds["KERN_INVALID_VALUE/no such kind of right"]
    assert EvidenceKind.TEST_SUITE not in kinds["KERN_INVALID_VALUE/no such reference count"], "the suite asserts nothing of it"


@pytest.mark.parametrize("citation", ["f", "a.c", "a.c:f", "a.c: f; b.c", "a.c: f g", ""])
def test_a_citation_names_a_file_and_functions(citation: str) -> None:
    with pytest.raises(ValueError, match="isn't a citation"):
        read(citation)


def test_addresses_are_of_the_version() -> None:
    assert SOURCES[XNU.name].url("../libsyscall/mach/task.c") == (
        "https://github.com/apple-oss-distributions/xnu/blob/xnu-11417.101.15/libsyscall/mach/task.c"
    )
    assert SOURCES[GNUMACH.name].path("ipc/ipc_port.c") == "ipc/ipc_port.c"
    assert set(SOURCES) == set(PROFILES) > set(SUITES)


def test_what_runs_have_reached_exists() -> None:
    for each in runs():
        known = {f"{rule}/{case.id}" for rule, case in cases(PROFILES[each.profile])}
        assert each.cases <= known, "run python tests/record_evidence.py"
        assert each.cases
    [first, *_] = evidence_for("KERN_SUCCESS/one of several references goes", "mach_port_deallocate", GNUMACH) or ()
    assert first.kind is EvidenceKind.LIVE_RUN


def test_the_counts_are_of_the_strongest() -> None:
    for count in counts():
        assert sum(count.counts.values()) + count.without == count.cases
        assert count.without == 0
    of = {count.profile: count.counts for count in counts()}
    assert of["gnumach"]["live run"] > 250
    assert of["manual"]["manual page"] > of["manual"]["our decision"] > 0
    assert of["osf"]["live run"] == of["osf"]["manual page"] == 0


def test_nothing_is_cited_that_is_not_shipped() -> None:
    code = [path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py") if path.name != "test_evidence.py"]
    pages = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "docs").rglob("*.j2")]
    assert len(code) > 300
    for path in [*code, *pages]:
        found = NOT_SHIPPED.search(" ".join(path.read_text("utf-8").split()))
        assert found is None, f"{path}: {found[0] if found else ''}"


def test_an_added_profile_says_whose_evidence_it_shows() -> None:
    mine = profile_from({"name": "mine", "based_on": "gnumach", "resume_at_zero_code": "KERN_SUCCESS"})
    try:
        add_profile(mine)
        of_base, found = evidence_of("task_resume", GNUMACH), evidence_of("task_resume", mine)
    finally:
        remove_profile("mine")
    resumed = "KERN_SUCCESS/one suspension is taken back"
    assert [item.words for item in found[resumed]] == [f"of the profile gnumach, on which mine is based: {item.words}" for item in of_base[resumed]]
    changed = "KERN_SUCCESS/the task is not suspended"
    assert changed not in of_base
    assert found[changed] == (), "no kernel was seen to do this"
