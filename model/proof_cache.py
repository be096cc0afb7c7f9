"""What was proved once isn't asked again: a folder of the questions to which z3 answered ``unsat``.

A question is kept as the hash of all that its answer rests on: the assumptions and the goal with the declarations of all that they speak of, as
SMT-LIB; the solver's version and limit; the source of the prover. Nothing but proofs is kept, so that a file says nothing that could be read
wrongly: what isn't such a hash is ignored. The folder may be deleted at any time.
"""

from __future__ import annotations

import contextlib
import inspect
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import cache, partial
from hashlib import sha256
from pathlib import Path

import z3

from sendright.model import instantiate
from sendright.model.sorts import Sorts, Term

_HASH = re.compile(r"[0-9a-f]{64}")


class _Questions:
    """Where answers are kept, and how many questions were asked in this process."""

    folder: Path | None = None
    asked = 0
    answered = 0
    """By the cache."""


_questions = _Questions()


def keep_proofs_in(folder: Path | None) -> None:
    """From now on, in this process, proofs are kept in ``folder`` and looked for there. None: nowhere."""
    _questions.folder = folder


class Mark:
    """A moment, to tell later what was asked since."""

    def __init__(self) -> None:
        self._asked, self._answered = _questions.asked, _questions.answered

    @property
    def all_from_cache(self) -> bool:
        """Something was asked since, and the cache answered it all."""
        asked = _questions.asked - self._asked
        return asked > 0 and asked == _questions.answered - self._answered


class Proof:
    """As ``instantiate.Proof``, which is only begun when there is a question that the cache can't answer."""

    def __init__(self, sorts: Sorts, ground_facts: list[Term], universals: list[Term]) -> None:
        self._given = sorts, ground_facts, universals
        self._start: Callable[[], instantiate.Proof] = partial(instantiate.Proof, *self._given)
        self._proof: instantiate.Proof | None = None
        self._known: Known | None = None

    def decide(self, goal: Term) -> z3.CheckSatResult:
        """``unsat``: the goal (a clause) follows. Anything else: not shown."""
        _questions.asked += 1
        if _questions.folder is None:
            return self._ask(goal)
        if self._known is None:
            _, facts, universals = self._given
            self._known = Known(_questions.folder, [*facts, *universals])
        question = self._known.question(goal)
        if question in self._known.proved:
            _questions.answered += 1
            return z3.unsat
        verdict = self._ask(goal)
        if verdict == z3.unsat:
            self._known.keep(question)
        return verdict

    @contextmanager
    def with_more(self, assumptions: list[Term]) -> Iterator[Proof]:
        """The same proof with more assumptions, "for all …" or plain, as long as the block lasts."""
        sorts, ground_facts, universals = self._given
        more = Proof(sorts, [*ground_facts, *assumptions], universals)
        with ExitStack() as stack:
            more._start = lambda: stack.enter_context(self._begun().with_more(assumptions))
            yield more

    def _begun(self) -> instantiate.Proof:
        if self._proof is None:
            self._proof = self._start()
        return self._proof

    def _ask(self, goal: Term) -> z3.CheckSatResult:
        return self._begun().decide(goal)


class Known:
    """What is known to follow from some assumptions: a file of hashes, one a line."""

    def __init__(self, folder: Path, assumptions: Sequence[Term]) -> None:
        self._tags: dict[str, str] = {}
        self._assumptions = sha256("\n".join([rests_on(), self._written(assumptions, self._tags)]).encode()).hexdigest()
        self._file = folder / self._assumptions[:2] / f"{self._assumptions}.txt"
        self.proved: set[str] = set()
        with contextlib.suppress(OSError):
            self.proved = set(filter(_HASH.fullmatch, self._file.read_text("ascii", "replace").splitlines()))

    def question(self, goal: Term) -> str:
        """The hash of the question whether ``goal`` follows."""
        return sha256(f"{self._assumptions}\n{self._written([goal], dict(self._tags))}".encode()).hexdigest()

    def keep(self, question: str) -> None:
        """It does. (A folder that can't be written keeps nothing.)"""
        self.proved.add(question)
        with contextlib.suppress(OSError):
            self._file.parent.mkdir(parents=True, exist_ok=True)
            with self._file.open("a", encoding="ascii") as file:
                file.write(f"\n{question}\n")  # a line that was cut off stays one

    @staticmethod
    def _written(formulas: Sequence[Term], tags: dict[str, str]) -> str:
        """Formulas, and the declarations of all that they speak of, alike in all processes.

        Tags are numbered in the order in which they come up: such a tag makes a name fresh and says nothing, and it is any number that the
        process hasn't used yet. (``to_smt2`` would say it all, but its text of formulas depends on what else there is in the process.)
        """

        def untagged(text: str) -> str:
            return _TAG.sub(lambda match: f"!{tags.setdefault(match[1], str(len(tags)))}", text)

        solver = z3.SimpleSolver()
        solver.add(*formulas)
        declarations, _, _ = solver.to_smt2().partition("\n(assert")
        texts = [untagged(" ".join(formula.sexpr().split())) for formula in formulas]  # lines are broken where names end
        return "\n".join([*texts, *sorted(untagged(declarations).splitlines())])


_TAG = re.compile(r"(?<=[a-z_0-9])(?<!\(a)(?<!\sa)!(\d+)")
"""The tag of a name like ``dying!12``; not ``a!12``, which is how z3 prints what it shares."""


@cache
def rests_on() -> str:
    """What all proofs rest on beside formulas."""
    return "\n".join([z3.get_full_version(), str(instantiate.RLIMIT), inspect.getsource(instantiate)])
