"""Decides whether the calls keep a policy: each case of each rule, from any state that keeps it.

The labels are those of the policy; tasks, ports and messages are unbounded. What isn't proved is looked for in small
scopes: a state that keeps the policy, and a call after which the state doesn't. Then what is missing in the policy is
read off that state. If none is found, the case is UNDETERMINED.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import islice

import msgspec
import z3

from sendright.mach.abi.rights import EXCEPTION_PLACES, Place
from sendright.mach.interrupt import stop_if_interrupted
from sendright.mach.kernel.profiles import Profile, profile_named
from sendright.mach.results.checks import Basis, Obligation
from sendright.mach.results.policies import BrokenCase, MissingEdge
from sendright.mach.results.verdicts import Verdict
from sendright.mach.signatures import SIGNATURES
from sendright.model.invariants.catalogue import state_invariants
from sendright.model.language.invariant import Variables
from sendright.model.language.rule import PENDING_RULES, RULES, Context, effective_guards
from sendright.model.language.sequences import rules_of
from sendright.model.language.sorts import OBJECT, Scope, Sorts, Term
from sendright.model.language.state import After, State
from sendright.model.language.term_walk import assert_all
from sendright.model.language.transition import Transition
from sendright.model.policy.labelling import SHARING, Demand, Labelling, Need
from sendright.model.policy.policy import Edge, Policy
from sendright.model.proof.any_state import ANYTHING
from sendright.model.proof.counterexamples.refute import expand, meaning, nothing_elsewhere
from sendright.model.proof.counterexamples.stated_in_scope import RLIMIT, in_scope, in_words
from sendright.model.proof.obligations import CaseProof, ProofTask
from sendright.model.proof.processes.workers import Lost, in_workers
from sendright.model.proof.prove import Progress, case_tasks
from sendright.model.proof.solver.cache import Cache, keep_proofs_in
from sendright.model.proof.solver.instantiate import first_effort
from sendright.model.proof.solver.questions import Mark

KEPT = "policy"
"""In the place of a property's name."""
TITLE = "the policy is kept"
EDGES_SHOWN = 3
"""How many missing edges are looked for in one case. There may be more, here or in larger scopes."""

_SMALL = Scope(tasks=2, ports=5, names=2, messages=1, descriptors=1, objects=2, pages=1, places=(Place.KERNEL, Place.HOST, Place.BOOTSTRAP))
SCOPES = (
    _SMALL,
    msgspec.structs.replace(_SMALL, messages=2, places=(*_SMALL.places, Place.REGISTERED_0, EXCEPTION_PLACES[0])),
    msgspec.structs.replace(_SMALL, ports=7, names=3),
    msgspec.structs.replace(_SMALL, tasks=3, messages=2, places=tuple(Place)),
)
"""The scopes that are searched, the smallest first.

Most calls need five ports: the caller's, two of the kernel's, and two that rights move to. A creation with tokens needs
seven, under three names.
"""


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
    for done, (part, found) in enumerate(_run(policy, profile, work, jobs, cache), 1):
        if on_progress:
            on_progress(done, len(work), part.rule)
        yield _lost(profile, part, found) if isinstance(found, Lost) else found


def solver() -> str:
    """The solver's name and version."""
    return f"z3 {z3.get_version_string()}"


def assumed(calls: Sequence[str] | None) -> str:
    """What a selection of ``calls`` leaves out, in words; empty if it leaves out nothing."""
    return "not checked: the other calls" if calls else ""


def _run(policy: Policy, profile: Profile, work: list[ProofTask], jobs: int, cache: Cache | None) -> Iterator[tuple[ProofTask, Decided | Lost]]:
    decide_one: Callable[[ProofTask], Decided] = partial(decide_case, policy, profile.name, cache)
    if jobs:
        yield from in_workers(decide_one, work, jobs)
        return
    for part in work:
        stop_if_interrupted()
        yield part, decide_one(part)


def decide_case(policy: Policy, profile_name: str, cache: Cache | None, part: ProofTask) -> Decided:
    """Decide whether one case of one rule keeps the policy. Worker processes run this."""
    keep_proofs_in(cache)
    profile = profile_named(profile_name)
    start, mark = time.perf_counter(), Mark()
    unit = CaseProof(RULES[part.rule], part.case, profile)
    labelling = Labelling(ANYTHING, policy, profile)
    x = Transition(unit.k, unit.case, unit.after)
    demands = labelling.demands_of_step(x)
    prover = _Prover(labelling, unit, x) if demands else None
    with first_effort():
        failed = next((demand for demand in demands if prover and not prover.follows(demand)), None)
    broken = _look_closer(policy, profile, part, unit.case.id, failed.title) if failed is not None else None
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
    )
    return Decided(mark.settled(obligation), broken)


class _Prover:
    """Decides the demands of one case, from a state before it that keeps the policy."""

    def __init__(self, labelling: Labelling, unit: CaseProof, x: Transition) -> None:
        self.labelling = labelling
        clauses = {demand.title: labelling.clause(demand) for demand in labelling.demands(x.before)}
        self.of_pairs = [clauses.pop(SHARING)]
        """What speaks of two tasks and two pages: its instances are many, and only a demand of its kind needs them."""
        self.proof = unit.proof([*labelling.facts(), *clauses.values(), *labelling.of_what_is_new(x)])

    def follows(self, demand: Demand) -> bool:
        """The demand is proved."""
        goal = self.labelling.clause(demand)
        if demand.title != SHARING:
            return bool(self.proof.decide(goal) == z3.unsat)
        with self.proof.with_more(self.of_pairs) as whole:
            return bool(whole.decide(goal) == z3.unsat)


def _lost(profile: Profile, part: ProofTask, lost: Lost) -> Decided:
    case = CaseProof(RULES[part.rule], part.case, profile).case.id
    words = f"not decided: the processes that worked on it died, the last one with {lost.words}"
    broken = BrokenCase(rule=part.rule, calls=calls_with(part.rule, profile), case=case, clause="all", verdict=Verdict.UNDETERMINED, scope=words)
    return Decided(Obligation(call=part.rule, case=case, property=KEPT, title=TITLE, verdict=Verdict.UNDETERMINED, seconds=0.0, scope=words), broken)


def calls_with(rule: str, profile: Profile) -> tuple[str, ...]:
    """The calls that run the rule. A rule that runs after any call has none."""
    if rule in PENDING_RULES:
        return ()
    return tuple(call for call in SIGNATURES if profile.serves(call) and rule in rules_of(call, profile))


def _look_closer(policy: Policy, profile: Profile, part: ProofTask, case: str, title: str) -> BrokenCase:
    """Search small scopes for a state from which the case breaks the policy."""
    tried = []
    for scope in SCOPES:
        found = Search(policy, profile, part, scope)
        tried.append(str(scope))
        edges = list(islice(found.missing_edges(), EDGES_SHOWN))
        if edges:
            break
    return BrokenCase(
        rule=part.rule,
        calls=calls_with(part.rule, profile),
        case=case,
        clause=found.title if edges else title,
        verdict=Verdict.REFUTED if edges else Verdict.UNDETERMINED,
        missing=tuple(MissingEdge(str(edge), edge.toml) for edge in sorted(edges)),
        scope=tried[-1],
        counterexample=found.words if edges else None,
    )


class Search:
    """The search for what a case needs and the policy lacks, in one scope."""

    def __init__(self, policy: Policy, profile: Profile, part: ProofTask, scope: Scope) -> None:
        sorts = self.sorts = Sorts(scope)
        before = State.arbitrary(sorts, "@before")
        self.k = Context(RULES[part.rule], before, profile)
        cases = list(self.k.rule.cases(self.k))
        self.case = cases[part.case]
        after = After(before, profile)
        self.case.effect(after)
        v = Variables(sorts)
        self.policy, self.labelling = policy, Labelling(v, policy, profile)
        self.x = Transition(self.k, self.case, after)
        self.demands = self.labelling.demands_of_step(self.x)
        invariants = [clause for invariant in state_invariants(profile) for _, clause in invariant.clauses(v, before)]
        labels = [*self.labelling.facts(), *(clause for _, clause in self.labelling.kept(before)), *self.labelling.of_what_is_new(self.x)]
        facts = [*invariants, *labels, *self.k.assumptions(), effective_guards(cases)[part.case], *after.assumptions]
        self.solver = z3.SimpleSolver()
        self.solver.set("rlimit", RLIMIT)
        assert_all(self.solver, [expand(fact, sorts) for fact in facts])
        self.solver.add([*meaning(before, sorts, after), *in_scope(self.k, sorts), *nothing_elsewhere(before, sorts), *sorts.background])
        self.title = ""
        """The title of the first demand that is broken."""
        self.words = ""

    def missing_edges(self) -> Iterator[Edge]:
        """The edges that the case needs and the policy lacks, each once."""
        variables = {variable.get_id(): variable for demand in self.demands for variable in demand.variables}
        self.solver.add(*[z3.Or(*[variable == element for element in self.sorts.elements(variable.sort())]) for variable in variables.values()])
        self.solver.add(z3.Or(*[need.when for demand in self.demands for need in self._lacking(demand)]))
        while self.solver.check() == z3.sat:
            model = self.solver.model()
            demand, edge = next(self._broken(model))
            if not self.title:
                self.title = demand.title
                self.words = self._in_words(model, edge)
            yield edge
            self.solver.add(z3.Not(z3.Or(*[self._is_edge(demand, edge) for demand in self.demands])))

    def _in_words(self, model: z3.ModelRef, edge: Edge) -> str:
        """The state and the call, with the labels."""
        words = in_words(model, self.k, self.case.id, [str(edge)], self.x.before, self.x.after, self.sorts)
        first, _, rest = words.partition("\n")
        labels = []
        for sort, of in (("Task", self.labelling.of_task), ("Port", self.labelling.of_port)):
            for member in self.sorts.members[sort]:
                is_users = sort == "Task" or model.eval(self.x.before.object(member), model_completion=True).eq(OBJECT.OBJECT_NONE)
                if is_users and not member.eq(self.sorts.no_port):
                    labels.append(f"{str(member).partition('!')[0]} {self._label(model.eval(of(member), model_completion=True))}")
        return f"{first}\n  labels: {', '.join(labels)}\n{rest}"

    def _lacking(self, demand: Demand) -> list[Need]:
        """The needs of the demand, each when it isn't met."""
        may = self.labelling.may
        return [need._replace(when=z3.And(need.when, z3.Not(may[need.where, need.authority](need.who, need.to)))) for need in demand.needs]

    def _broken(self, model: z3.ModelRef) -> Iterator[tuple[Demand, Edge]]:
        """The demands that ``model`` breaks, each with the edge that is missing."""
        for demand in self.demands:
            for need in self._lacking(demand):
                if z3.is_true(model.eval(need.when, model_completion=True)):
                    who, to = (self._label(model.eval(term, model_completion=True)) for term in (need.who, need.to))
                    yield demand, Edge(need.where.value, who, need.authority.value, to)

    def _label(self, constant: Term) -> str:
        [index] = [index for index, each in enumerate(self.labelling.sort.constants) if each.eq(constant)]
        return self.policy.labels[index]

    def _is_edge(self, demand: Demand, edge: Edge) -> Term:
        """The demand lacks just this edge."""
        who, to = self.labelling.constant(edge.who), self.labelling.constant(edge.to)
        lacking = [need for need in self._lacking(demand) if (need.where.value, need.authority.value) == (edge.where, edge.authority)]
        return z3.Or(*[z3.And(need.when, need.who == who, need.to == to) for need in lacking])
