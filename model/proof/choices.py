"""The kernel has a choice: in every state in which a case applies, something satisfies what the case assumes of the
kernel's choices.

A case is proved under these assumptions. If in some state no choice satisfied them, the proof would leave that state
out. Each assumption is of one of four kinds:

- it speaks of no choice: then it has to follow;
- it speaks of something new, like a port that isn't in use. There is always one (finitely many are in use), and it
  differs from all that the call names. So the assumption has to follow for it;
- it speaks of something that the case's condition says there is: a free page, a member of a port set that has a
  message. Then the condition has to say so;
- its reason is written down (``language/choices.py``). Then what the reason needs has to follow, and no other
  assumption may speak of the same choice.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

import z3

from sendright.mach.results.checks import Obligation
from sendright.mach.results.verdicts import Verdict
from sendright.model.language.rule import Case, Context
from sendright.model.language.sorts import LIFE, STAGE, UNBOUNDED, Term
from sendright.model.language.state import After
from sendright.model.language.step_property import forall
from sendright.model.proof.any_state import ANYTHING, held_by_any_state
from sendright.model.proof.solver.cache import Proof
from sendright.model.proof.solver.questions import Mark, wants_scripts, write_script

CHOICES = "choices"
TITLE = "the kernel has a choice"


def decide_choices(k: Context, case: Case, guard: Term, after: After) -> list[Obligation]:
    """The obligation that the kernel has a choice in ``case``, which applies under ``guard`` and has led to ``after``;
    none if the case assumes nothing.
    """
    if not after.assumptions:
        return []
    start, mark = time.perf_counter(), Mark()
    choices = _Choices(k, guard, after)
    failed = next((words for words, follows in choices.questions() if not follows), None)
    found = Obligation(
        call=k.rule.name,
        case=case.id,
        property=CHOICES,
        title=TITLE if failed is None else f"{TITLE}: {failed}",
        verdict=Verdict.PROVED if failed is None else Verdict.UNDETERMINED,
        seconds=time.perf_counter() - start,
        basis=mark.basis,
        scope=None if failed is None else "not decided: perhaps in some state no choice satisfies this assumption",
    )
    found = mark.settled(found)
    if wants_scripts():
        write_script(found, choices.followed)
    return [found]


class _Choices:
    """The choices of one case."""

    def __init__(self, k: Context, guard: Term, after: After) -> None:
        self.k, self.guard, self.after = k, guard, after
        self.fixed = self._choices_in(z3.And(guard, *k.assumptions()))
        """The choices that the case's condition, or what the rule requires, speaks of: what is assumed of these has to
        follow.
        """
        self.argued: set[str] = set()
        """The choices whose reasons are written down."""
        self.followed: list[tuple[list[Term], list[Term]]] = []
        """What was proved so far: assumptions, and what follows from them."""

    def _choices_in(self, term: Term) -> set[str]:
        return {name for name in self.k.rule.choices if speaks_of(term, self.k.constants[name])}

    def questions(self) -> Iterator[tuple[str, bool]]:
        """Each assumption in words, and whether it leaves the kernel a choice."""
        reasons = self.after.argued
        for reason in reasons:
            for claim in reason.provided:
                yield _words(claim), self._follows([claim])
            names = set() if reason.of_any else set().union(*map(self._choices_in, reason.assumptions))
            yield f"{', '.join(sorted(names))}: chosen twice", not names & self.argued
            self.argued |= names
        argued = {id(assumption) for reason in reasons for assumption in reason.assumptions}
        for group in self._together([assumption for assumption in self.after.assumptions if id(assumption) not in argued]):
            yield "; ".join(map(_words, group)), self._leaves_a_choice(group)

    def _together(self, assumptions: list[Term]) -> list[list[Term]]:
        """The assumptions, those together that speak of the same choices."""
        groups: list[tuple[set[str], list[Term]]] = []
        for assumption in assumptions:
            names, together = self._choices_in(assumption), [assumption]
            for group in [group for group in groups if group[0] & names]:
                groups.remove(group)
                names, together = names | group[0], [*group[1], *together]
            groups.append((names, together))
        return [together for _, together in groups]

    def _leaves_a_choice(self, group: list[Term]) -> bool:
        """Some choice satisfies the assumptions: something new does, or something that there is."""
        new, given = self._all_new(), self._given()
        if self._follow(group, [*new, *given], []):
            return True
        names = set().union(*map(self._choices_in, group))
        choices = [self.k.constants[name] for name in sorted(names)]
        if choices and not names & (self.fixed | self.argued) and all(map(z3.is_expr, choices)):
            nothing = forall(choices, z3.Not(z3.And(*group)))
            if any(self._follow([z3.BoolVal(False)], [*given, nothing], known) for known in ([], self._invariants)):
                return True
        return self._follow(group, [*new, *given], self._invariants)

    def _follows(self, claims: list[Term]) -> bool:
        return any(self._follow(claims, self._given(), known) for known in ([], self._invariants))

    @property
    def _invariants(self) -> list[Term]:
        return held_by_any_state(self.k.profile)

    def _follow(self, claims: list[Term], facts: list[Term], invariants: list[Term]) -> bool:
        """The claims follow from ``facts`` and the invariants."""
        left = [claim for claim in claims if not any(claim.eq(fact) for fact in facts)]
        proof = Proof(UNBOUNDED, [*UNBOUNDED.background, *facts], invariants)
        if any(proof.decide(claim) != z3.unsat for claim in left):
            return False
        self.followed.append(([*UNBOUNDED.background, *facts, *invariants], claims))
        return True

    def _given(self) -> list[Term]:
        return [*self.k.assumptions(), self.guard]

    def _all_new(self) -> list[Term]:
        """Everything that may be new is: not in use, and nothing that the call names."""
        found: list[Term] = []
        b, sorts = self.k.before, self.k.sorts
        constants = [self.k.caller, *filter(z3.is_expr, self.k.constants.values())]
        free = self.k.rule.choices.keys() - self.fixed - self.argued
        for choice in (self.k.constants[name] for name in self.k.rule.choices if name in free and z3.is_expr(self.k.constants[name])):
            match choice.sort():
                case sorts.Task:
                    found.append(b.task_life(choice) == LIFE.UNBORN)
                case sorts.Port:
                    found += [b.port_life(choice) == LIFE.UNBORN, choice != sorts.no_port]
                case sorts.Message:
                    found.append(b.stage(choice) == STAGE.FREE)
                case sorts.Object:
                    found += [z3.Not(b.object_made(choice)), choice != sorts.no_object]
                case sorts.Name:
                    unused = b.empty(sorts.Slot.name_slot(ANYTHING.t, choice))
                    found += [z3.Not(self.k.reserved(choice)), forall([ANYTHING.t], unused)]
                case _:
                    continue
            found += [choice != other for other in constants if other.sort() == choice.sort() and not other.eq(choice)]
        return found


def speaks_of(term: Term, choice: Term) -> bool:
    """Whether ``choice``, a constant or a function, occurs in ``term``."""
    if z3.is_expr(choice):
        changed = z3.substitute(term, (choice, z3.Const("another", choice.sort())))
    else:
        another = z3.Function("another", choice.domain(0), choice.range())
        changed = z3.substitute_funs(term, (choice, another(z3.Var(0, choice.domain(0)))))
    return not changed.eq(term)


def _words(term: Term) -> str:
    text = " ".join(str(term).split())
    return text if len(text) <= 100 else f"{text[:99]}…"
