"""Whether what the specification cites is where it says: opens the kernels' sources and the manual pages, and looks.

A citation (``model/language/evidence.py``) names functions of a file. Each file must be in its repository at that
version, and each function must be defined there. Of the functions that an error's citations name, one must mention the
error's code. And the file that a call's signature names must declare the call. The files come from GitHub and are kept
in ``~/.cache/sendright/sources``::

    python benchmarks/citations.py             # exit status 1 if a citation is wrong
    python benchmarks/citations.py --record    # also note which codes the manual pages name (model/tracing/pages.json)
    python benchmarks/citations.py --git slp/osfmk-mklinux=DIR    # read a git repository on this machine instead
"""

from __future__ import annotations

import argparse
import html
import re
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import msgspec

from sendright.mach.abi.codes import IN_PROGRESS
from sendright.mach.kernel.profiles import MANUAL, PROFILES, XNU, XNU_792
from sendright.mach.results.evidence import EvidenceKind
from sendright.mach.signatures import SIGNATURES, Signature
from sendright.model.language.evidence import MANUAL_PAGES, SOURCES, SUITES, Ground, Source
from sendright.model.language.rule import Case
from sendright.model.proof.relevance import cases_of
from sendright.model.tracing.evidence import PAGES, declared, rules_in_use

CACHE = Path.home() / ".cache" / "sendright" / "sources"
CODE = re.compile(r"\b(?:KERN|MIG|MACH_SEND|MACH_RCV)_[A-Z_]*[A-Z]\b")


class NotThere(Exception):
    """A repository has no such file at that version."""


class NoSources(Exception):
    """The sources can't be had: there is no network, or no git repository."""


@dataclass(frozen=True)
class Library:
    """Where sources are read: git repositories on this machine, the cache, or GitHub."""

    cache: Path = CACHE
    repositories: dict[str, Path] = field(default_factory=dict)
    """Of GitHub -> on this machine."""
    fetches: bool = True

    def text(self, source: Source, file: str) -> str:
        """The text of ``file``. Raises NotThere and NoSources."""
        kept = self.cache / source.repository / source.revision / source.path(file)
        if not kept.is_file():
            content = self._content(source, file)
            kept.parent.mkdir(parents=True, exist_ok=True)
            kept.write_bytes(content)
        return _read(kept)

    def _content(self, source: Source, file: str) -> bytes:
        path = source.path(file)
        if source.repository in self.repositories:
            command = ["git", "-C", str(self.repositories[source.repository]), "show", f"{source.revision}:{path}"]
            shown = subprocess.run(command, capture_output=True, check=False)
            if shown.returncode:
                raise NotThere(shown.stderr.decode(errors="replace").strip())
            return shown.stdout
        if not self.fetches:
            raise NoSources(f"{path} isn't in {self.cache}")
        try:
            with urllib.request.urlopen(f"https://raw.githubusercontent.com/{source.repository}/{source.revision}/{path}", timeout=30) as answer:
                content: bytes = answer.read()
                return content
        except urllib.error.HTTPError as error:
            if error.code == 404:
                raise NotThere(path) from None
            raise NoSources(f"{path}: {error}") from error
        except OSError as error:
            raise NoSources(f"{path}: {error}") from error


@cache
def _read(file: Path) -> str:
    return file.read_text(encoding="latin-1")


@cache
def definition(text: str, name: str) -> str | None:
    """The text of the function, macro, MIG routine or test called ``name``; None if ``text`` only mentions it."""
    lines = text.splitlines()
    begins = re.compile(rf"(?:[A-Za-z_][\w \t*]*[ \t*])?{name}\s*\(|#\s*define\s+{name}\b|(?:simple)?routine\s+{name}\s*\(|T_DECL\({name}\b")
    for number, line in enumerate(lines):
        if begins.match(line) and not _is_prototype(lines[number:]):
            rest = lines[number:]
            end = next(
                (at for at, each in enumerate(rest) if at and (each.startswith("}") or (line.startswith("#") and not rest[at - 1].endswith("\\")))),
                None,
            )
            return "\n".join(rest[: len(rest) if end is None else end + 1])
    return None


def _is_prototype(lines: list[str]) -> bool:
    """Whether a semicolon ends what stands in ``lines``, before any brace opens (not counting old declarations of
    parameters)."""
    if re.match(r"#|(?:simple)?routine|T_DECL", lines[0]):
        return False
    head = "\n".join(lines[:80])
    closed = re.search(r"\)\s*(?:__\w+(?:\([^)]*\))?\s*)*([;{]|\w)", head)
    return closed is None or closed[1] == ";"


@cache
def _readable(page: str) -> str:
    return html.unescape(re.sub(r"<[^>]*>", "", page))


def codes_of_page(page: str) -> tuple[str, ...]:
    """The return codes that a manual page names."""
    return tuple(sorted(set(CODE.findall(_readable(page)))))


def problems(library: Library) -> Iterator[str]:
    """What is wrong with the citations, one line each. Raises NoSources."""
    said: set[str] = set()
    for profile in PROFILES.values():
        for rule in rules_in_use(profile):
            for case in cases_of(rule, profile):
                for problem in of_case(library, rule, case, profile.name):
                    if problem not in said:
                        said.add(problem)
                        yield problem
    for signature in SIGNATURES.values():
        if not any(signature.section in _declaring(library, SOURCES[name], signature) for name in (XNU_792.name, XNU.name)):
            yield f"{signature.name}: no XNU declares it in {signature.section}"


def _declaring(library: Library, source: Source, signature: Signature) -> Iterator[str]:
    """The signature's file, if it names the call in ``source``. A trap has a name like ``task_self_trap`` there, and
    sending and receiving are one call.
    """
    core = signature.name.removeprefix("mach_").removesuffix("_send").removesuffix("_receive")
    file = f"../{signature.section}" if signature.section.startswith("bsd/") else signature.section
    with suppress(NotThere):
        if re.search(rf"\b(mach_)?{core}(_trap)?\b", library.text(source, file)):
            yield signature.section


def of_case(library: Library, rule: str, case: Case, profile: str) -> Iterator[str]:
    """What is wrong with what ``case`` cites in ``profile``. Raises NoSources."""
    found: list[str] = []
    for one in declared(rule, case, profile):
        if one.file and (not one.only or case.title in one.only):
            source = source_of(one, profile)
            try:
                text = library.text(source, one.file)
            except NotThere:
                yield f"{rule}: {source.title} has no {source.path(one.file)}"
                continue
            if one.kind is not EvidenceKind.MANUAL:
                bodies = {name: definition(text, name) for name in one.names}
                yield from (f"{rule}: {source.path(one.file)} ({source.title}) has no {name}" for name, body in bodies.items() if body is None)
                found += [body or "" for body in bodies.values()]
    code = _tested_code(case)
    if code and found and not any(re.search(rf"\b{code}\b", body) for body in found):
        yield f"{rule}/{case.id} in {profile}: none of the cited functions mentions {code}"


def _tested_code(case: Case) -> str:
    """The code that a cited function has to mention; empty if there is none: sendright's codes for calls that wait, and
    the codes that MIG's own code returns."""
    if case.code is None or not case.refuses or case.code in IN_PROGRESS or case.code.name.startswith("MIG_"):
        return ""
    return case.code.name.removesuffix("_VM_SPACE")


def source_of(one: Ground, profile: str) -> Source:
    """Of which source a citation is, in ``profile``."""
    return MANUAL_PAGES if one.kind is EvidenceKind.MANUAL else (SUITES if one.kind is EvidenceKind.TEST_SUITE else SOURCES)[profile]


def pages(library: Library) -> dict[str, tuple[str, ...]]:
    """The cited manual pages, and which codes each names. Raises NotThere and NoSources."""
    cases = [(rule, case) for rule in rules_in_use(MANUAL) for case in cases_of(rule, MANUAL)]
    every = [one for rule, case in cases for one in declared(rule, case, MANUAL.name)]
    files = {one.names[0]: one.file for one in every if one.kind is EvidenceKind.MANUAL}
    return {name: codes_of_page(library.text(MANUAL_PAGES, file)) for name, file in sorted(files.items())}


def _repository(words: str) -> tuple[str, Path]:
    name, equals, directory = words.partition("=")
    if not equals or not Path(directory).is_dir():
        raise argparse.ArgumentTypeError(f"{words}: write OWNER/NAME=DIRECTORY of a git repository")
    return name, Path(directory)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--git", metavar="OWNER/NAME=DIR", type=_repository, action="append", default=[], help="a repository on this machine")
    parser.add_argument("--record", action="store_true", help="note which codes the manual pages name")
    chosen = parser.parse_args(arguments)
    library = Library(repositories=dict(chosen.git))
    try:
        found = list(problems(library))
        named = pages(library)
    except (NoSources, NotThere) as error:
        print(f"citations.py: the sources can't be read: {error}", file=sys.stderr)
        return 2
    print(*found, sep="\n", end="\n" if found else "")
    print(f"{len(found)} wrong citations" if found else "All cited functions and codes are where the specification says.")
    if chosen.record:
        PAGES.write_bytes(msgspec.json.format(msgspec.json.encode(named), indent=1) + b"\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
