"""What each case of the specification rests on, in each profile: what is declared beside it, and what was recorded.

A manual page covers an error only if it names the code. Where the pages are silent, the profile ``manual`` does what
the kernels do whose source we read, and that is a decision of ours. ``seen.json`` has which codes the pages name, and
which cases runs of real kernels have reached: ``tests/record_evidence.py`` writes it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from functools import cache
from importlib.resources import files

import msgspec

from sendright.mach.json_text import read_json
from sendright.mach.kernel.profiles import MANUAL, PROFILES, XNU, Profile
from sendright.mach.results.evidence import STRENGTH, EvidenceItem, EvidenceCount, EvidenceKind
from sendright.mach.signatures import SIGNATURES
from sendright.model.language.evidence import MANUAL_PAGES, SOURCES, SUITES, Declared, Grounds
from sendright.model.language.rule import PENDING_RULES, RULES, Case
from sendright.model.language.sequences import rules_of
from sendright.model.proof.relevance import cases_of

FOLLOWED = ("xnu-792", "osf", "gnumach", XNU.name)
"""Whose source tells what the profile ``manual`` does where the manual pages are silent: the first that has the case."""


class Seen(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Cases that runs of a real kernel have reached, and in which it agreed."""

    profile: str
    kind: EvidenceKind
    words: str
    """What ran, and where a reader finds it."""
    cases: tuple[str, ...]
    """``rule/CODE/title``."""


class Record(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What ``seen.json`` has."""

    runs: tuple[Seen, ...]
    pages: dict[str, tuple[str, ...]]
    """Manual page -> the return codes that it names."""


@cache
def record() -> Record:
    """What was recorded."""
    return read_json(files("sendright.model.tracing").joinpath("seen.json").read_bytes(), Record)


def rules_in_use(profile: Profile) -> list[str]:
    """The rules that calls of ``profile`` run through, and those that do what a call left pending."""
    used = dict.fromkeys(rule for call in SIGNATURES if profile.serves(call) for rule in rules_of(call, profile))
    return [rule for rule in (*used, *PENDING_RULES) if rule in RULES]


def evidence_of(rule: str, profile: Profile) -> dict[str, tuple[EvidenceItem, ...]]:
    """What each case of ``rule`` rests on in ``profile``, the strongest first: ``CODE/title`` -> evidence.

    Raises KeyError if there is no such rule.
    """
    return _evidence_of(rule, profile.name)


@cache
def _evidence_of(rule: str, name: str) -> dict[str, tuple[EvidenceItem, ...]]:
    profile = PROFILES[name]
    return {case.id: tuple(sorted(_items(rule, case, profile), key=lambda item: STRENGTH[item.kind])) for case in _cases(rule, profile.name)}


def evidence_for(reference: str, rule: str, profile: Profile) -> tuple[EvidenceItem, ...] | None:
    """What the case ``reference`` rests on: ``CODE/title`` of ``rule``, or ``rule: CODE/title`` of another one. None if
    it isn't one case of a rule.
    """
    head, slash, title = reference.partition("/")
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
    for seen in record().runs:
        if seen.profile == profile.name and f"{rule}/{case.id}" in seen.cases:
            yield EvidenceItem(kind=seen.kind, words=seen.words)
    found = declared(rule, case, profile.name)
    yield from (item for one in found for item in _items_of(one, case, profile.name))
    if profile is MANUAL and not any(covers(one, case) for one in found if one.kind is EvidenceKind.MANUAL) and _is_only_page(found):
        yield from _followed(rule, case)


def _is_only_page(found: Grounds) -> bool:
    return all(one.kind is EvidenceKind.MANUAL for one in found)


def covers(page: Declared, case: Case) -> bool:
    """Whether the manual page says what ``case`` says."""
    if case.title in page.silent:
        return False
    return not case.refuses or (case.code is not None and case.code.name in record().pages.get(page.names[0], ()))


def _items_of(one: Declared, case: Case, profile: str) -> Iterator[EvidenceItem]:
    if one.kind in (EvidenceKind.SOURCE, EvidenceKind.TEST_SUITE):
        source = (SOURCES if one.kind is EvidenceKind.SOURCE else SUITES)[profile]
        yield EvidenceItem(kind=one.kind, words=f"{', '.join(one.names)} in {source.path(one.file)} ({source.title})", url=source.url(one.file))
    elif one.kind is not EvidenceKind.MANUAL:
        yield EvidenceItem(kind=one.kind, words=one.words)
    elif covers(one, case):
        yield EvidenceItem(kind=one.kind, words=f"the page {one.names[0]}", url=MANUAL_PAGES.url(one.file))


def _followed(rule: str, case: Case) -> Iterator[EvidenceItem]:
    """The kernel that the profile ``manual`` follows in this case, since the manual pages are silent on it."""
    for name in FOLLOWED:
        for other in _cases(rule, name):
            if other.id == case.id:
                read = [item for one in declared(rule, other, name) if one.kind is EvidenceKind.SOURCE for item in _items_of(one, other, name)]
                for item in read:
                    words = f"the manual pages are silent, and we follow a kernel: {item.words}"
                    yield EvidenceItem(kind=EvidenceKind.DECISION, words=words, url=item.url)
                if read:
                    return


@cache
def _cases(rule: str, profile: str) -> tuple[Case, ...]:
    return tuple(cases_of(rule, PROFILES[profile])) if rule in rules_in_use(PROFILES[profile]) else ()
