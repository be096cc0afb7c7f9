"""Decides whether the calls keep a policy: each case of each rule, from any state that keeps it.

The labels are those of the policy; tasks, ports and messages are unbounded. What isn't proved is looked for in small
scopes: a state that keeps the policy, and a call after which the state doesn't. Then what is missing in the policy is
read off that state. If none is found, the case is UNDETERMINED.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial

import msgspec
import z3

from sendright.mach.abi.rights import EXCEPTION_PLACES, Place, PortObject
from sendright.mach.interrupt import stop_if_interrupted
from sendright.mach.kernel.profiles import Profile, profile_named
from sendright.mach.results.checks import Basis, Obligation
from sendright.mach.results.counterexamples import Counterexample
from sendright.mach.results.policies import BrokenCase, MissingEdge
from sendright.mach.results.verdicts import Verdict
from sendright.mach.signatures import SIGNATURES
from sendright.model.language.rule import PENDING_RULES, RULES
from sendright.model.language.sequences import rules_of
from sendright.model.language.sorts import Scope, Term
from sendright.model.language.transition import Transition
from sendright.model.policy.labelling import SHARING, Demand, Labelling
from sendright.model.policy.policy import Edge, Policy
from sendright.model.policy.reading import readings, restricts_reading
from sendright.model.proof.any_state import ANYTHING
from sendright.model.proof.counterexamples.concrete import Concrete
from sendright.model.proof.counterexamples.counterexample import Found, Question, Search
from sendright.model.proof.counterexamples.refute import in_words
from sendright.model.proof.obligations import CaseProof, ProofTask
from sendright.model.proof.processes.workers import Lost, hearing, in_workers, note
from sendright.model.proof.prove import Progress, ProgressLine, case_tasks
from sendright.model.proof.solver.cache import Cache, keep_proofs_in
from sendright.model.proof.solver.instantiate import first_effort
from sendright.model.proof.solver.questions import Mark

KEPT = "policy"
"""In the place of a property's name."""
TITLE = "the policy is kept"
READING = "who reads whom"
SENTENCE = "The policy allows every right, in each place where rights lie, and all memory that tasks share."
REACHABLE = "not known: the state before is any that keeps the policy and in which the invariants hold"
EDGES_SHOWN = 8
"""How many missing edges are looked for in one case. There may be more, here or in larger scopes."""
QUICK = 500_000
"""How much work, in z3's own count, goes into a proof that one more demand is kept by a case that breaks another one.
Most proofs take a tenth of that.
"""


_PLACES = (Place.KERNEL, Place.HOST, Place.BOOTSTRAP)
_SMALL = Scope(tasks=2, ports=5, names=2, messages=1, descriptors=1, objects=2, pages=1, places=_PLACES)
SIZES = (
    _SMALL,
    msgspec.structs.replace(_SMALL, ports=7, names=3, messages=2),
    msgspec.structs.replace(_SMALL, messages=2, places=(*_PLACES, Place.REGISTERED_0, EXCEPTION_PLACES[0])),
    msgspec.structs.replace(_SMALL, tasks=3, ports=6, messages=2, places=tuple(Place)),
)
"""The sizes of states that are searched, the smallest first.

Most calls need five ports: the caller's, two of the kernel's, and two that rights move to. A creation with tokens needs
seven, under three names.
"""
EFFORTS = (30_000_000, 120_000_000, 30_000_000, 120_000_000)
"""How much work the solver does for each size, in z3's own count."""


class Decided(msgspec.Struct, frozen=True):
    """What was decided of one case."""

    obligation: Obligation
    broken: BrokenCase | None = None


def policy_tasks(profile: Profile, calls: Sequence[str] | None = None) -> list[ProofTask]:
    """The cases to decide. Raises UnknownSelection (``prove.py``) for a call that doesn't exist."""
    return case_tasks(profile, calls)


def prove_policy(
    policy: Policy,
    profile: Profile,
    calls: Sequence[str] | None = None,
    jobs: int = 2,
    on_progress: Progress | None = None,
    cache: Cache | None = None,
) -> Iterator[Decided]:
    """Decide every case of every rule (or of those of ``calls``) in ``jobs`` processes (0: in this one), in the order
    in which the results come.

    Raises UnknownSelection for a call that doesn't exist, and KeyboardInterrupt after Ctrl-C.
    """
    work = policy_tasks(profile, calls)
    shown = ProgressLine(len(work), on_progress)
    for part, found in _run(policy, profile, work, jobs, cache, shown):
        shown.one_more(part.rule)
        yield _lost(profile, part, found) if isinstance(found, Lost) else found
    if not calls and restricts_reading(policy):
        yield from decide_reading(policy)


def decide_reading(policy: Policy) -> Iterator[Decided]:
    """One obligation for each pair of labels of which one may read the other."""
    for found in readings(policy):
        allowed = found.edge in policy.edges
        obligation = Obligation(
            call=found.call,
            case=f"KERN_SUCCESS/{found.why}",
            property=KEPT,
            title=TITLE if allowed else f"{TITLE}: {READING}",
            verdict=Verdict.PROVED if allowed else Verdict.REFUTED,
            seconds=0.0,
            basis=Basis.NOTHING,
        )
        broken = BrokenCase(
            rule=found.call,
            calls=(found.call,),
            case=obligation.case,
            clause=READING,
            verdict=Verdict.REFUTED,
            missing=(MissingEdge(str(found.edge), found.edge.toml),),
            scope="",
        )
        yield Decided(obligation, None if allowed else broken)


def solver() -> str:
    """The solver's name and version."""
    return f"z3 {z3.get_version_string()}"


def assumed(calls: Sequence[str] | None) -> str:
    """What a selection of ``calls`` leaves out, in words; empty if it leaves out nothing."""
    return "not checked: the other calls" if calls else ""


def _run(
    policy: Policy, profile: Profile, work: list[ProofTask], jobs: int, cache: Cache | None, shown: ProgressLine
) -> Iterator[tuple[ProofTask, Decided | Lost]]:
    decide_one: Callable[[ProofTask], Decided] = partial(decide_case, policy, profile.name, cache)
    if jobs:
        yield from in_workers(decide_one, work, jobs, shown.again, shown.note)
        return
    for part in work:
        stop_if_interrupted()
        with hearing(shown.note):
            found = decide_one(part)
        yield part, found


def decide_case(policy: Policy, profile_name: str, cache: Cache | None, part: ProofTask) -> Decided:
    """Decide whether one case of one rule keeps the policy. Worker processes run this."""
    keep_proofs_in(cache)
    profile = profile_named(profile_name)
    start, mark = time.perf_counter(), Mark()
    question = asked(policy, part.rule, part.case, profile)
    unit, demands = question.unit, question.demands
    prover = _Prover(question) if demands else None
    failed = prover.not_following() if prover else []
    broken = _look_closer(prover, part, unit, failed) if failed and prover else None
    if broken is not None and broken.verdict is not Verdict.REFUTED and all(prover.follows(demand) for demand in demands if prover):
        broken = None  # the solver needed more than the first effort
    obligation = Obligation(
        call=part.rule,
        case=unit.case.id,
        property=KEPT,
        title=TITLE if broken is None else f"{TITLE}: {broken.clause}",
        verdict=Verdict.PROVED if broken is None else broken.verdict,
        seconds=time.perf_counter() - start,
        basis=mark.basis if demands else Basis.UNTOUCHED,
        scope=broken.scope if broken else None,
        counterexample=broken.counterexample if broken else None,
        example=broken.example if broken else None,
        reachable=REACHABLE if broken and broken.example else None,
    )
    return Decided(mark.settled(obligation), broken)


def asked(policy: Policy, rule: str, case: int, profile: Profile) -> PolicyQuestion:
    """What has to be shown of one case of a rule, from any state that keeps the policy."""
    unit = CaseProof(RULES[rule], case, profile)
    labelling = Labelling(ANYTHING, policy, profile)
    x = Transition(unit.k, unit.case, unit.after)
    return PolicyQuestion(
        labelling, unit, labelling.demands_of_step(x), dict(labelling.kept(x.before)), [*labelling.facts(), *labelling.of_what_is_new(x)]
    )


class _Prover:
    """Decides the demands of one case, from a state before it that keeps the policy."""

    def __init__(self, question: PolicyQuestion) -> None:
        self.question, self.labelling = question, question.labelling
        clauses = dict(question.kept)
        self.of_pairs = [clauses.pop(SHARING)]
        """What speaks of two tasks and two pages: its instances are many, and only a demand of its kind needs them."""
        self.proof = question.unit.proof([*question.known, *clauses.values()])

    def not_following(self) -> list[Demand]:
        """The demands that aren't proved with the first effort: the first of them, and of those after it those of which
        that isn't seen quickly.
        """
        failed: list[Demand] = []
        for demand in self.question.demands:
            with first_effort(QUICK) if failed else first_effort():
                if not self.follows(demand):
                    failed.append(demand)
        return failed

    def follows(self, demand: Demand) -> bool:
        """The demand is proved."""
        goal = self.labelling.clause(demand)
        if demand.title != SHARING:
            return bool(self.proof.decide(goal) == z3.unsat)
        with self.proof.with_more(self.of_pairs) as whole:
            return bool(whole.decide(goal) == z3.unsat)


def _lost(profile: Profile, part: ProofTask, lost: Lost) -> Decided:
    case = CaseProof(RULES[part.rule], part.case, profile).case.id
    words = f"not decided: {lost.words}"
    broken = BrokenCase(rule=part.rule, calls=calls_with(part.rule, profile), case=case, clause="all", verdict=Verdict.CRASHED, scope=words)
    return Decided(Obligation(call=part.rule, case=case, property=KEPT, title=TITLE, verdict=Verdict.CRASHED, seconds=0.0, scope=words), broken)


def calls_with(rule: str, profile: Profile) -> tuple[str, ...]:
    """The calls that run the rule. A rule that runs after any call has none."""
    if rule in PENDING_RULES:
        return ()
    return tuple(call for call in SIGNATURES if profile.serves(call) and rule in rules_of(call, profile))


def _look_closer(prover: _Prover, part: ProofTask, unit: CaseProof, failed: list[Demand]) -> BrokenCase:
    """Search a small scope for a state from which the case breaks the policy: one of the demands that ``failed``, since
    the others are proved.
    """
    note(f"looking for a state that breaks the policy: {part.rule}")
    found = missing_edges(msgspec.structs.replace(prover.question, demands=failed))
    broken = BrokenCase(
        rule=part.rule,
        calls=calls_with(part.rule, unit.profile),
        case=unit.case.id,
        clause=failed[0].title,
        verdict=Verdict.UNDETERMINED,
        scope=found.scope,
    )
    if not found.edges:
        return broken
    return msgspec.structs.replace(
        broken,
        clause=found.clause,
        verdict=Verdict.REFUTED,
        missing=tuple(MissingEdge(str(edge), edge.toml) for edge in found.edges),
        counterexample=in_words(found.example) if found.example else None,
        example=found.example,
    )


class Lacks(msgspec.Struct, frozen=True):
    """What a case needs and a policy lacks, as far as a small scope shows."""

    scope: str
    clause: str = ""
    """The title of the first demand that is broken."""
    edges: tuple[Edge, ...] = ()
    example: Counterexample | None = None
    """A state that lacks the first of the edges."""


def missing_edges(question: PolicyQuestion) -> Lacks:
    """Look for a state from which the case breaks the policy, and for what the policy lacks."""
    scope = ""
    for size, effort in zip(SIZES, EFFORTS, strict=True):
        search = Search(question.unit.profile, question.of_edges(()), size, effort, from_nothing=False)
        found = search.search()
        if isinstance(found, Found):
            return _lacking(search, found, question)
        scope = found.scope
    return Lacks(scope)


def _lacking(search: Search, found: Found, question: PolicyQuestion) -> Lacks:
    """What a counterexample shows to be missing, and others of its size: of each demand, first in the same state. That
    takes next to no time, and other labels may lack other edges there.
    """
    clause, first = next(question.lacking(found))
    edges = [first]
    for demand in sorted(question.demands, key=lambda each: each.title != clause):
        alone = msgspec.structs.replace(question, demands=[demand])
        for like in (found, None):
            while len(edges) < EDGES_SHOWN and (more := search.another(alone.of_edges(edges).goals, like)):
                edges += [edge for _, edge in alone.lacking(more) if edge not in edges]
    return Lacks(str(found.here.scope), clause, tuple(edges[:EDGES_SHOWN]), question.described(found))


class PolicyQuestion(msgspec.Struct, frozen=True):
    """Whether a case keeps the policy, as a question for a small scope."""

    labelling: Labelling
    unit: CaseProof
    demands: list[Demand]
    kept: dict[str, Term]
    """That the state before keeps the policy, by the titles of what it demands."""
    known: list[Term]
    """The policy, and which labels there are."""

    def of_edges(self, added: Sequence[Edge]) -> Question:
        """The question, for the policy with the edges ``added``."""
        goals = [(demand.title, self.labelling.clause(demand, added)) for demand in self.demands]
        assumptions = [*self.unit.assumptions, *self.known, *self.kept.values()]
        return Question(self.unit.k, goals, assumptions, self.unit.case, self.unit.after)

    def lacking(self, found: Found) -> Iterator[tuple[str, Edge]]:
        """The titles of the demands that the counterexample breaks, each with the edge that the policy lacks."""
        places = dict(found.broken)
        for demand in self.demands:
            if demand.title not in places:
                continue
            here = found.here.term
            at = [(here(variable), found.value(place)) for variable, (_, place) in zip(demand.variables, places[demand.title], strict=True)]
            when, *labels = [
                [found.value(z3.substitute(here(term), *at)) for term in terms]
                for terms in zip(*[(need.when, need.who, need.to) for need in demand.needs], strict=True)
            ]
            for need, holds, who, to in zip(demand.needs, when, *labels, strict=True):
                edge = Edge(need.where.value, self.labelling.label(who), need.authority.value, self.labelling.label(to))
                if z3.is_true(holds) and edge not in self.labelling.policy.edges:
                    yield demand.title, edge

    def described(self, found: Found) -> Counterexample:
        """The counterexample for reports, with the labels of its tasks and ports."""
        concrete = Concrete(found)
        example = concrete.counterexample(SENTENCE)
        labels = []
        for member in found.here.sorts.members["Task"]:
            if (number := concrete.of(member)) in example.trace.initial.tasks or number in example.trace.final.tasks:
                labels.append(f"t{number} has the label {self._label_here(found, self.labelling.of_task, member)}")
        for member in found.here.sorts.members["Port"][1:]:
            number = concrete.of(member)
            known = example.trace.final.ports.get(number) or example.trace.initial.ports.get(number)
            if known is not None and known.object is PortObject.NONE:
                labels.append(f"port {number} has the label {self._label_here(found, self.labelling.of_port, member)}")
        broken = tuple(dict.fromkeys(f"{title}: the policy lacks “{edge}”" for title, edge in self.lacking(found)))
        return msgspec.structs.replace(example, broken=broken, who=(*example.who, *labels))

    def _label_here(self, found: Found, of: Callable[[Term], Term], member: Term) -> str:
        any_ = z3.Const("labelled", of.domain(0))  # type: ignore[attr-defined]
        return self.labelling.label(found.value(z3.substitute(found.here.term(of(any_)), (found.here.term(any_), member))))
