"""What each case of the specification rests on, in each profile: what is declared beside it, and what was recorded.

A manual page covers an error only if it names the code. Where the pages are silent, the profile ``manual`` does what
the kernels do whose source we read, and that is a decision of ours. Which codes the pages name is in ``pages.json``,
which ``benchmarks/citations.py`` writes. Which cases runs of real kernels have reached is in ``runs.json``, which
``tests/record_evidence.py`` writes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import msgspec

from sendright.mach.abi.codes import IN_PROGRESS
from sendright.mach.json_text import read_json
from sendright.mach.kernel.bases import base_of
from sendright.mach.kernel.profiles import MANUAL, PROFILES, XNU, Profile
from sendright.mach.results.evidence import STRENGTH, EvidenceCount, EvidenceItem, EvidenceKind
from sendright.mach.signatures import SIGNATURES
from sendright.model.language.evidence import MANUAL_PAGES, SOURCES, SUITES, Ground, Grounds
from sendright.model.language.rule import PENDING_RULES, RULES, Case
from sendright.model.language.sequences import rules_of
from sendright.model.proof.relevance import cases_of

FOLLOWED = ("xnu-792", "osf", "gnumach", XNU.name)
"""Whose source tells what the profile ``manual`` does where the manual pages are silent: the first that has the
case."""


class RecordedRun(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Cases that runs of a real kernel have reached, and in which it agreed."""

    profile: str
    kind: EvidenceKind
    words: str
    """What ran, and where a reader finds it."""
    cases: frozenset[str]
    """``rule/CODE/title``."""


PAGES = Path(__file__).with_name("pages.json")
RUNS = Path(__file__).with_name("runs.json")


@cache
def page_codes() -> dict[str, frozenset[str]]:
    """Manual page -> the return codes that it names."""
    return read_json(PAGES.read_bytes(), dict[str, frozenset[str]])


@cache
def runs() -> tuple[RecordedRun, ...]:
    """What runs of real kernels have reached."""
    return read_json(RUNS.read_bytes(), tuple[RecordedRun, ...])


def rules_in_use(profile: Profile) -> list[str]:
    """The rules that calls of ``profile`` run through, and those that do what a call left pending."""
    used = dict.fromkeys(rule for call in SIGNATURES if profile.serves(call) for rule in rules_of(call, profile))
    return [rule for rule in (*used, *PENDING_RULES) if rule in RULES and RULES[rule].is_used(profile)]


def evidence_of(rule: str, profile: Profile) -> dict[str, tuple[EvidenceItem, ...]]:
    """What each case of ``rule`` rests on in ``profile``, the strongest first: ``CODE/title`` -> evidence.

    Raises KeyError if there is no such rule.
    """
    return _evidence_of(rule, profile.name)


@cache
def _evidence_of(rule: str, name: str) -> dict[str, tuple[EvidenceItem, ...]]:
    base, found = base_of(name), {}
    for case in _cases(rule, name):
        if base == name or name in RULES[rule].evidence.under(case.evidence).by_profile:
            items = [*_items(rule, case, PROFILES[name])]
        else:  # its switches differ from the base's, so a case of the base may mean something else here
            of_base = _evidence_of(rule, base).get(case.id, ())
            items = [msgspec.structs.replace(item, words=f"of the profile {base}, on which {name} is based: {item.words}") for item in of_base]
        found[case.id] = tuple(sorted(items, key=lambda item: STRENGTH[item.kind]))
    return found


def evidence_for(reference: str, rule: str, profile: Profile) -> tuple[EvidenceItem, ...] | None:
    """What the case ``reference`` rests on: ``CODE/title`` of ``rule``, or ``rule: CODE/title`` of another one. The
    name of a call stands in the page of ``rule``, which names it. None if it is none of these.
    """
    head, slash, title = reference.partition("/")
    if not slash and reference in SIGNATURES:
        pages = [one for one in RULES[rule].evidence.of(profile.name) if one.kind is EvidenceKind.MANUAL]
        return tuple([_page_item(one) for one in pages])
    other, _, code = head.rpartition(": ")
    named = other or rule
    return evidence_of(named, profile).get(f"{code}/{title}") if slash and named in RULES else None


def counts() -> Iterator[EvidenceCount]:
    """How many cases of each profile rest on what."""
    for profile in PROFILES.values():
        strongest: Counter[str] = Counter()
        cases = without = 0
        for rule in rules_in_use(profile):
            for items in evidence_of(rule, profile).values():
                cases += 1
                if items:
                    strongest[items[0].kind.value] += 1
                else:
                    without += 1
        yield EvidenceCount(profile=profile.name, cases=cases, counts={kind.value: strongest[kind.value] for kind in EvidenceKind}, without=without)


def declared(rule: str, case: Case, profile: str) -> Grounds:
    """What is declared of ``case`` in ``profile``."""
    return RULES[rule].evidence.under(case.evidence).of(profile)


def _items(rule: str, case: Case, profile: Profile) -> Iterator[EvidenceItem]:
    for seen in runs():
        if seen.profile == base_of(profile.name) and f"{rule}/{case.id}" in seen.cases:
            yield EvidenceItem(kind=seen.kind, words=seen.words)
    found = [one for one in declared(rule, case, profile.name) if not one.only or case.title in one.only]
    yield from (item for one in found for item in _items_of(one, case, profile.name))
    if base_of(profile.name) == MANUAL.name and not any(one.kind is not EvidenceKind.MANUAL or covers(one, case) for one in found):
        yield from _followed(rule, case)


def covers(page: Ground, case: Case) -> bool:
    """Whether the manual page says what ``case`` says."""
    if case.title in page.silent:
        return False
    if case.code is None or not case.refuses or case.code in IN_PROGRESS:
        return True
    return case.code.name.removesuffix("_VM_SPACE") in page_codes().get(page.names[0], ())


def _items_of(one: Ground, case: Case, profile: str) -> Iterator[EvidenceItem]:
    if one.kind in (EvidenceKind.SOURCE, EvidenceKind.TEST_SUITE):
        source = (SOURCES if one.kind is EvidenceKind.SOURCE else SUITES)[base_of(profile)]
        yield EvidenceItem(kind=one.kind, words=f"{', '.join(one.names)} in {source.path(one.file)} ({source.title})", url=source.url(one.file))
    elif one.kind is not EvidenceKind.MANUAL:
        yield EvidenceItem(kind=one.kind, words=one.words)
    elif covers(one, case):
        yield _page_item(one)


def _page_item(one: Ground) -> EvidenceItem:
    return EvidenceItem(kind=one.kind, words=f"the page {one.names[0]}", url=MANUAL_PAGES.url(one.file))


def _followed(rule: str, case: Case) -> Iterator[EvidenceItem]:
    """The kernel that the profile ``manual`` follows in this case, since the manual pages are silent on it."""
    for name in FOLLOWED:
        for other in _cases(rule, name):
            if other.id == case.id:
                read = [item for one in declared(rule, other, name) if one.kind is EvidenceKind.SOURCE for item in _items_of(one, other, name)]
                for item in read:
                    words = f"no manual page says it, and we follow a kernel: {item.words}"
                    yield EvidenceItem(kind=EvidenceKind.DECISION, words=words, url=item.url)
                if read:
                    return


@cache
def _cases(rule: str, profile: str) -> tuple[Case, ...]:
    return tuple(cases_of(rule, PROFILES[profile])) if rule in rules_in_use(PROFILES[profile]) else ()
