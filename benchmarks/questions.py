"""Which questions ``sendright prove`` puts to the solver: a hash of each, to compare before and after a change.

A question is a goal with all its assumptions. Two questions have the same hash if they are the same but for the order
of "for all …" assumptions and the numbers in fresh names. Nothing is solved::

    python benchmarks/questions.py before.json           # all profiles; then change the code, and:
    python benchmarks/questions.py after.json --profile manual
    python benchmarks/questions.py --compare before.json after.json

The exit status of a comparison is 1 if the questions differ.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any, ClassVar
from unittest.mock import patch

import z3

from sendright.mach.kernel.profiles import PROFILES, profile_named
from sendright.model.proof import obligations
from sendright.model.proof.obligations import ProofTask, decide
from sendright.model.proof.prove import proof_tasks
from sendright.model.proof.solver.cache import Proof

KINDS = ("cases", "rule", "sequence", "follow-up", "theorem 1")
"""The kinds of proof tasks that ask the solver."""

_TAG = re.compile(r"(?<=[a-z_0-9])(?<!\(a)(?<!\sa)!(\d+)")
"""The number that makes a name fresh."""


def _text(formula: Any, tags: dict[str, str]) -> str:
    return _TAG.sub(lambda match: f"!{tags.setdefault(match[1], str(len(tags)))}", " ".join(formula.sexpr().split()))


def _hash(text: str) -> str:
    return sha256(text.encode()).hexdigest()[:16]


class _Listed(Proof):
    """A proof that lists the questions, and answers none."""

    asked: ClassVar[list[str]] = []
    _known_texts: ClassVar[dict[int, tuple[Any, str]]] = {}

    def __init__(self, sorts: Any, ground_facts: list[Any], universals: list[Any], shallow: bool = False) -> None:
        super().__init__(sorts, ground_facts, universals, shallow)
        self._tags: dict[str, str] = {}
        self._assumed = ""

    def _alone(self, formula: Any) -> str:
        """The hash of a "for all …" assumption. Many proofs share it."""
        if formula.get_id() not in self._known_texts:
            self._known_texts[formula.get_id()] = formula, _hash(_text(formula, {}))
        return self._known_texts[formula.get_id()][1]

    def decide(self, goal: Any, hint: Any = None) -> Any:
        if not self._assumed:
            _, facts, universals = self._given
            self._assumed = "\n".join([*(_text(fact, self._tags) for fact in facts), *sorted(map(self._alone, universals))])
        self.asked.append(_hash(self._assumed + "\n" + _text(goal, dict(self._tags))))
        return z3.unknown if z3.is_false(goal) else z3.unsat

    def is_contradictory(self) -> bool:
        return bool(self.decide(z3.BoolVal(False)) == z3.unsat)

    @contextmanager
    def with_more(self, assumptions: list[Any]) -> Iterator[Proof]:
        sorts, facts, universals = self._given
        yield _Listed(sorts, [*facts, *assumptions], universals)


def questions_of(profile: str, part: ProofTask) -> list[str]:
    """The hashes of all questions of one proof task, sorted."""
    _Listed.asked.clear()
    everything = patch.multiple(obligations, Proof=_Listed, known_break=lambda *_: None, follows_from_nothing=lambda _: False)
    with everything, patch("sendright.model.proof.preconditions.Proof", _Listed):
        decide(profile, part)
    return sorted(_Listed.asked)


def _one(job: tuple[str, ProofTask]) -> tuple[str, list[str]]:
    profile, part = job
    return f"{part.kind}: {part.rule}", questions_of(profile, part)


def write(file: Path, profiles: list[str], calls: list[str] | None = None) -> None:
    """Write the hashes of each profile's questions, by proof task."""
    found: dict[str, dict[str, list[str]]] = {}
    with ProcessPoolExecutor(2) as pool:
        for profile in profiles:
            work = [(profile, part) for part in proof_tasks(profile_named(profile), calls) if part.kind in KINDS]
            found[profile] = dict(pool.map(_one, work, chunksize=4))
            print(f"{profile}: {sum(map(len, found[profile].values()))} questions in {len(work)} proof tasks", flush=True)
    file.write_text(json.dumps(found, indent=0, sort_keys=True))


def compare(before: Path, after: Path) -> bool:
    """Print which proof tasks ask something else. Whether none does."""
    same = True
    old, new = (json.loads(file.read_text()) for file in (before, after))
    for profile in sorted(old.keys() & new.keys()):
        for task in sorted(old[profile].keys() | new[profile].keys()):
            first, second = Counter(old[profile].get(task, ())), Counter(new[profile].get(task, ()))
            if first != second:
                same = False
                print(f"{profile}: {task}: {(first - second).total()} questions only before, {(second - first).total()} only after")
    print("the same questions" if same else "the questions differ")
    return same


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="List the questions that sendright prove asks, or compare two lists.")
    parser.add_argument("file", type=Path, nargs="?", help="write the list to this file")
    parser.add_argument("--profile", action="append", choices=sorted(PROFILES), help="only this profile (may be repeated)")
    parser.add_argument("--call", action="append", help="only this call and the rules that it uses (may be repeated)")
    parser.add_argument("--compare", type=Path, nargs=2, metavar=("BEFORE", "AFTER"), help="compare two lists")
    options = parser.parse_args(arguments)
    if options.compare:
        return 0 if compare(*options.compare) else 1
    if options.file is None:
        parser.error("name a file, or two with --compare")
    write(options.file, options.profile or list(PROFILES), options.call)
    return 0


if __name__ == "__main__":
    sys.exit(main())
