"""On-disk cache of proved queries: those for which z3 returned ``unsat``.

A query is identified by the hash of all that its answer rests on: the assumptions and the goal with the declarations of
everything that they mention, as SMT-LIB; the solver's version; and the source of every module that turns a query into
an answer. Code that only makes formulas is not part of the hash, because the formulas are.

The cache contains nothing but an authentication code (HMAC) of each proved query, under a key that belongs to the user
and lies outside the cache. So a folder that came from elsewhere answers no query, and any other line says nothing. The
folder may be deleted at any time.
"""

from __future__ import annotations

import contextlib
import hmac
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import cache, partial
from hashlib import sha256
from pathlib import Path

import platformdirs
import z3

from sendright.mach.extensions import extensions_of_key
from sendright.mach.own_files import Unusable, append_own, folder_in, own_folder, read_own
from sendright.mach.user_key import key_of_user
from sendright.model.language.sorts import Sorts, Term
from sendright.model.language.term_walk import number_of
from sendright.model.proof.solver import instantiate, questions
from sendright.model.proof.solver.instantiate import Hint
from sendright.model.proof.solver.own_source import sources
from sendright.model.proof.solver.smtlib import NotWritable, Writer

FILE_LIMIT = 1 << 20
"""Bytes of a cache file at most. The longest that was seen has 20,000."""


@dataclass(frozen=True)
class Cache:
    """A folder of proved queries, and the key that tells the user's own entries from any others."""

    folder: Path
    key: bytes = field(repr=False)

    def entry(self, question: str) -> str:
        """The line that says that ``question``, the hash of a query, was proved. Making it takes the key."""
        return hmac.digest(self.key, question.encode(), "sha256").hex()


class NoKey(Exception):
    """The user has no trusted key, so no entry can be trusted. The message says why, and what to do."""


def open_cache(folder: Path | None = None) -> Cache:
    """The cache in ``folder``, or in the user's own cache directory. Makes the folder and the user's key if need be.

    Raises Unusable if the folder can't be trusted or made, and NoKey.
    """
    mine = own_folder(folder) if folder else folder_in(platformdirs.user_cache_path, "sendright/proofs")
    try:
        rests_on()
        return Cache(mine, key_of_user())
    except ImportError as error:
        raise NoKey(f"the prover's own source can't be read: {error} (install sendright with its source)") from error
    except Unusable as error:
        raise NoKey(str(error)) from error


class _Kept:
    """Where this process keeps answers."""

    cache: Cache | None = None


_kept = _Kept()


def keep_proofs_in(cache: Cache | None) -> None:
    """From now on, in this process, proofs are looked up and recorded in ``cache``. None: nowhere."""
    _kept.cache = cache


class Proof:
    """As ``instantiate.Proof``, which begins only when the cache can't answer a query."""

    def __init__(self, sorts: Sorts, ground_facts: list[Term], universals: list[Term], shallow: bool = False) -> None:
        self._given = sorts, ground_facts, universals
        self._start: Callable[[], instantiate.Proof] = partial(instantiate.Proof, *self._given, shallow=shallow)
        self._proof: instantiate.Proof | None = None
        self._known: ProvedQueries | None = None
        self._expected: Iterable[Term] = ()

    @property
    def assumptions(self) -> list[Term]:
        """All that the goals may follow from."""
        _, ground_facts, universals = self._given
        return [*ground_facts, *universals]

    def expect(self, goals: Iterable[Term]) -> None:
        """These will be decided. Once the first one isn't in the cache, those that aren't are put to the solver
        together, too (unless a second solver gets each).
        """
        self._expected = goals

    def decide(self, goal: Term, hint: Hint | None = None) -> z3.CheckSatResult:
        """``unsat``: the goal (a clause) follows. Anything else: not shown. The ``hint`` says where to look first."""
        if _kept.cache is None:
            return self._ask(goal, hint)
        try:
            if self._known is None:
                _, ground_facts, universals = self._given
                self._known = ProvedQueries(_kept.cache, ground_facts, universals)
            question = self._known.question(goal)
        except NotWritable:  # then there is nothing to recognize it by
            return self._ask(goal, hint)
        if self._known.is_proved(question) and not questions.wants_solver():
            questions.query(from_cache=True)
            return z3.unsat
        verdict = self._ask(goal, hint)
        if verdict == z3.unsat:
            self._known.keep(question)
        return verdict

    def is_contradictory(self) -> bool:
        """The assumptions can't hold together, and that is seen at once. False: not known."""
        return self._begun().looks_contradictory() and bool(self.decide(z3.BoolVal(False)) == z3.unsat)

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
            self._proof.on_answer = questions.answered
        return self._proof

    def _ask(self, goal: Term, hint: Hint | None) -> z3.CheckSatResult:
        questions.query(from_cache=False)
        proof, expected = self._begun(), self._expected
        if expected and not questions.wants_solver():
            self._expected = ()
            proof.decide_together([each for each in expected if not self._is_known(each)])
        return proof.decide(goal, hint)

    def _is_known(self, goal: Term) -> bool:
        """The cache has ``goal``."""
        try:
            return self._known is not None and self._known.is_proved(self._known.question(goal))
        except NotWritable:
            return False


class ProvedQueries:
    """What was proved from some assumptions: a file of entries, one a line. Any other line is ignored."""

    def __init__(self, cache: Cache, assumptions: Sequence[Term], shared: Sequence[Term] = ()) -> None:
        """``shared`` are more assumptions, which many others have, too."""
        self._cache = cache
        first = _Shared.of(shared)
        self._writer = first.writer.copy()
        self._assumptions = sha256("\n".join([rests_on(), first.text, _written(self._writer, assumptions)]).encode()).hexdigest()
        self._file = cache.folder / f"{self._assumptions}.txt"
        self._entries: set[str] = set()
        self._questions: dict[int, tuple[Term, str]] = {}
        """By the numbers of goals, which are kept, since z3 reuses the number of a term that is gone."""
        with contextlib.suppress(OSError, Unusable):
            self._entries = set(read_own(self._file, FILE_LIMIT).decode("ascii", "replace").splitlines())

    def question(self, goal: Term) -> str:
        """The hash of the query whether ``goal`` follows."""
        number = number_of(goal)
        if number not in self._questions:
            text = f"{self._assumptions}\n{_written(self._writer.copy(), [goal])}"
            self._questions[number] = goal, sha256(text.encode()).hexdigest()
        return self._questions[number][1]

    def is_proved(self, question: str) -> bool:
        """The user's own prover has answered the query ``question`` with ``unsat``."""
        return self._cache.entry(question) in self._entries

    def keep(self, question: str) -> None:
        """Record that it has. (If writing fails, the query runs again next time.)"""
        entry = self._cache.entry(question)
        self._entries.add(entry)
        with contextlib.suppress(OSError, Unusable):
            append_own(self._file, f"\n{entry}\n".encode(), FILE_LIMIT)  # after a line that was cut off this is still one of its own


class _Shared:
    """Assumptions that many queries have in common, written once."""

    _last: _Shared | None = None

    def __init__(self, formulas: Sequence[Term]) -> None:
        self._formulas, self.writer = list(formulas), Writer()
        self.text = _written(self.writer, formulas)

    @classmethod
    def of(cls, formulas: Sequence[Term]) -> _Shared:
        """These formulas, written: the last ones, if they are the same. Raises NotWritable."""
        if not formulas:
            return cls(())
        last = cls._last
        if last is None or [*map(number_of, last._formulas)] != [*map(number_of, formulas)]:
            last = cls._last = cls(formulas)
        return last


def _written(writer: Writer, formulas: Sequence[Term]) -> str:
    """The text of ``formulas`` and of all declarations that the writer has named, alike in all processes."""
    texts = [writer.write(formula) for formula in formulas]
    return "\n".join([*writer.declarations, *texts])


def rests_on() -> str:
    """A hash of what all proofs rest on beside formulas: the solver, Python, this module's source and all that it
    imports, and the plugins, which could change any of it.

    The solver's options are part of that source. Raises ImportError if the source can't be read.
    """
    return _rests_on(extensions_of_key())


@cache
def _rests_on(added: bytes) -> str:
    parts = [z3.get_full_version(), sys.version, str(sys.flags.optimize), added.hex()]
    parts += [f"{name}\n{source}" for name, source in sources(__name__).items()]
    return sha256("".join(f"{len(part)}\n{part}" for part in parts).encode()).hexdigest()
