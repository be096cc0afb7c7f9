"""What rules and cases rest on: declared beside each rule, and beside a case where it differs.

A rule's evidence holds for all its cases. A case's own evidence takes its place, profile by profile::

    @rule(evidence=rests_on("ipc/mach_port.c: mach_port_get_refs", xnu=..., manual=page("mach_port_get_refs")))
    …
    yield k.fails(code, title, when, evidence=decided("no kernel does this: …"))

A citation names a file and the functions in it. Paths are those below a kernel's folder, so that one citation serves
all kernels that have the same function there (``SOURCES`` has each one's folder and version). What runs have shown
isn't declared. It is recorded when they are made (``model/tracing/evidence.py``).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from posixpath import normpath
from types import MappingProxyType

import msgspec

from sendright.mach.kernel.bases import base_of
from sendright.mach.kernel.profiles import GNUMACH, MANUAL, OSF, OWN_PROFILES, XNU, XNU_792
from sendright.mach.results.evidence import EvidenceKind


class Source(msgspec.Struct, frozen=True):
    """A version of a kernel's source that a reader can open."""

    title: str
    repository: str
    """Of GitHub: owner/name."""
    revision: str
    """A tag or a commit."""
    folder: str
    """The folder in which citations are."""

    def path(self, file: str) -> str:
        """The path of ``file`` in the repository."""
        return normpath(f"{self.folder}/{file}")

    def url(self, file: str = "") -> str:
        """Where to read ``file``, or the folder."""
        path = self.path(file)
        return f"https://github.com/{self.repository}/{'blob' if file else 'tree'}/{self.revision}" + (f"/{path}" if path != "." else "")


MANUAL_PAGES = Source("the manual pages that Apple ships with XNU 792", "apple-oss-distributions/xnu", "xnu-792.6.76", "osfmk/man")

SOURCES: dict[str, Source] = {
    MANUAL.name: MANUAL_PAGES,
    OSF.name: Source("OSF MK, in MkLinux", "slp/osfmk-mklinux", "d4d387a93516d0ab853aafbde28a43924c4e1578", "osfmk/src/mach_kernel"),
    XNU_792.name: Source("XNU 792.6.76, Mac OS X 10.4", "apple-oss-distributions/xnu", "xnu-792.6.76", "osfmk"),
    GNUMACH.name: Source("GNU Mach, as of 24 December 2022", "bugaevc/gnumach", "bdd790bd8397c4b4dd67fe353378e607ec9ae620", "."),
    XNU.name: Source("XNU 11417.101.15, macOS 15", "apple-oss-distributions/xnu", "xnu-11417.101.15", "osfmk"),
}
"""Which source a citation is of, in each profile."""

SUITES: dict[str, Source] = {
    GNUMACH.name: Source("GNU Mach's tests, as of 12 February 2024", "bugaevc/gnumach", "eb7b9cf26a71c9fea472a8fba18c699b6d98fe33", "tests"),
    XNU.name: Source("XNU 11417.101.15's tests", "apple-oss-distributions/xnu", "xnu-11417.101.15", "tests"),
}
"""The kernels' own test suites, for profiles of kernels that have one."""

_CITATION = re.compile(r"(?P<file>[\w./-]+): (?P<names>\w+(?:, \w+)*)")


@dataclass(frozen=True)
class Ground:
    """One thing that a clause rests on, as it is declared: in which profile it is decides which source it is of."""

    kind: EvidenceKind
    file: str = ""
    """Below the source's folder."""
    names: tuple[str, ...] = ()
    """The functions, in a source or a test suite."""
    words: str = ""
    """Why we decided so; what ran."""
    silent: frozenset[str] = frozenset()
    """Of a manual page: the titles of the cases that it is silent on."""
    only: frozenset[str] = frozenset()
    """The titles of the only cases that it is about; empty: all."""


Grounds = tuple[Ground, ...]
"""All that a clause rests on in one profile."""


def read(citations: str) -> Grounds:
    """Functions that we read: ``FILE: FUNCTION, FUNCTION; FILE: FUNCTION``. Raises ValueError for another form."""
    return tuple(_cited(EvidenceKind.SOURCE, citation) for citation in citations.split("; "))


def suite(citations: str, *titles: str) -> Grounds:
    """Tests of the kernel's own suite, in the same form. They assert the cases with these ``titles``."""
    return tuple(replace(_cited(EvidenceKind.TEST_SUITE, citation), only=frozenset(titles)) for citation in citations.split("; "))


def page(name: str, silent: tuple[str, ...] = ()) -> Grounds:
    """The manual page called ``name``. It covers an error if it names the code, and every other case, except those
    whose titles are in ``silent``.
    """
    return (Ground(EvidenceKind.MANUAL, file=f"{name}.html", names=(name,), silent=frozenset(silent)),)


def decided(why: str) -> Grounds:
    """We decided so, because of ``why``."""
    return (Ground(EvidenceKind.DECISION, words=why),)


def ran(what: str, *titles: str) -> Grounds:
    """The kernel's own code ran as a program. It did ``what``: the cases with these ``titles``."""
    return (Ground(EvidenceKind.CODE_RUN, words=what, only=frozenset(titles)),)


def _cited(kind: EvidenceKind, citation: str) -> Ground:
    match = _CITATION.fullmatch(citation)
    if match is None:
        raise ValueError(f"{citation!r} isn't a citation: write FILE: FUNCTION, FUNCTION")
    return Ground(kind, file=match["file"], names=tuple(match["names"].split(", ")))


@dataclass(frozen=True)
class Evidence:
    """What a rule or a case rests on, by profile."""

    by_profile: Mapping[str, Grounds] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "by_profile", MappingProxyType(dict(self.by_profile)))

    def of(self, profile: str) -> Grounds:
        """What it rests on in a profile. In an added one: what it rests on in the profile on which that is based."""
        return self.by_profile.get(profile) or self.by_profile.get(base_of(profile), ())

    def under(self, own: Evidence) -> Evidence:
        """This evidence where a case has none of its ``own``."""
        return Evidence({**self.by_profile, **own.by_profile})


NONE = Evidence()
"""Nothing is declared."""


def in_all_profiles(given: Evidence | Grounds) -> Evidence:
    """Evidence as rules and cases declare it: grounds alone hold in all profiles."""
    return given if isinstance(given, Evidence) else Evidence(dict.fromkeys(OWN_PROFILES, given))


def rests_on(
    everywhere: str = "",
    *,
    manual: Grounds = (),
    osf: Grounds | str = (),
    xnu_792: Grounds | str = (),
    gnumach: Grounds | str = (),
    xnu: Grounds | str = (),
) -> Evidence:
    """Evidence by profile: ``everywhere`` are citations that hold for each kernel for which nothing else is read or
    decided. What ran, and what a test suite asserts, is added to them. A string is what ``read`` takes.
    """
    given = {MANUAL.name: manual, OSF.name: osf, XNU_792.name: xnu_792, GNUMACH.name: gnumach, XNU.name: xnu}
    found: dict[str, Grounds] = {}
    for name, each in given.items():
        own = read(each) if isinstance(each, str) else each
        is_added = all(one.kind in (EvidenceKind.CODE_RUN, EvidenceKind.TEST_SUITE) for one in own)
        shared = read(everywhere) if everywhere and is_added and name != MANUAL.name else ()
        if shared or own:
            found[name] = shared + own
    return Evidence(found)
