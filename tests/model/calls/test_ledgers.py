"""Ledgers in the specification: a forest in which limits are given and never made."""

from __future__ import annotations

import msgspec
import pytest
import z3
from support.beside_oracle import Judged
from support.specification import assumptions_are_possible, broken_when, then, titles, without

from sendright.mach.abi.codes import ReturnCode
from sendright.mach.kernel.call import Call
from sendright.mach.kernel.profiles import GNUMACH, MANUAL, OSF
from sendright.mach.state.snapshot import Ledger, Snapshot
from sendright.model.execution.oracle import broken_by_step, broken_invariants
from sendright.model.execution.snapshots import state_of
from sendright.model.language.invariant import INVARIANTS, Variables
from sendright.model.language.rule import RULES, Context, effective_guards
from sendright.model.language.sorts import Scope, Sorts
from sendright.model.language.state import After, State
from sendright.model.proof.counterexamples.refute import expand, meaning, sums

CALLS = ("ledger_create", *(pytest.param(call, marks=pytest.mark.heavy) for call in ("ledger_transfer", "ledger_terminate")))


@pytest.fixture(params=[MANUAL, OSF], ids=["manual", "osf"])
def judged(request: pytest.FixtureRequest) -> Judged:
    return Judged(request.param)


class Ledgers:
    """The bootstrap task's ledgers, by its names for them."""

    def __init__(self, judged: Judged) -> None:
        self.judged = judged
        self.root = judged.named("root_ledger_wired")

    def child(self, parent: int, payer: int, limit: int) -> int:
        name: int = self.judged.does("ledger_create", parent_ledger=parent, ledger_ledger=payer, transfer=limit)
        return name

    def read(self, name: int) -> tuple[int, int]:
        """Balance and limit."""
        outputs = self.judged.does("ledger_read", ledger=name)
        return outputs["balance"], outputs["limit"]

    def port(self, name: int) -> int:
        port = self.judged.state().tasks[0].names[name].port
        assert port is not None
        return port


@pytest.fixture
def ledgers(judged: Judged) -> Ledgers:
    return Ledgers(judged)


def test_a_limit_is_given_from_the_root_to_the_leaves(judged: Judged, ledgers: Ledgers) -> None:
    first = ledgers.child(ledgers.root, ledgers.root, 10)
    second = ledgers.child(first, first, 4)
    third = ledgers.child(second, first, 1)
    assert [ledgers.read(name) for name in (ledgers.root, first, second, third)] == [(1, -1), (2, 6), (0, 3), (0, 1)]
    given = state_of(judged.state(), judged.profile)["given_limits"]
    assert [given.get(ledgers.port(name), 0) for name in (ledgers.root, first, second, third)] == [10, 4, 1, 0]
    assert judged.code("ledger_transfer", parent_ledger=first, child_ledger=second, transfer=4) == "KERN_SUCCESS"
    assert judged.code("ledger_transfer", parent_ledger=first, child_ledger=second, transfer=1) == "KERN_RESOURCE_SHORTAGE"
    assert judged.code("ledger_transfer", parent_ledger=first, child_ledger=second, transfer=-7) == "KERN_SUCCESS"
    assert judged.code("ledger_transfer", parent_ledger=first, child_ledger=second, transfer=-1) == "KERN_RESOURCE_SHORTAGE"
    assert judged.code("ledger_transfer", parent_ledger=first, child_ledger=third, transfer=1) == "KERN_INVALID_LEDGER"
    assert [ledgers.read(name) for name in (ledgers.root, first, second, third)] == [(1, -1), (2, 9), (0, 0), (0, 1)]


def test_who_pays_for_a_child_and_gives_its_limit_needs_both(judged: Judged, ledgers: Ledgers) -> None:
    giver = ledgers.child(ledgers.root, ledgers.root, 3)
    create = {"parent_ledger": giver, "ledger_ledger": giver}
    assert judged.code("ledger_create", **create, transfer=3) == "KERN_RESOURCE_SHORTAGE"
    assert judged.code("ledger_create", **create, transfer=-1) == "KERN_INVALID_VALUE"
    assert judged.code("ledger_create", parent_ledger=ledgers.root, ledger_ledger=ledgers.root, transfer=-2) == "KERN_INVALID_VALUE"
    assert judged.code("ledger_create", **create, transfer=2) == "KERN_SUCCESS"
    assert ledgers.read(giver) == (1, 1)
    assert judged.code("ledger_create", parent_ledger=ledgers.root, ledger_ledger=giver, transfer=0) == "KERN_RESOURCE_SHORTAGE"


def test_an_infinite_child(judged: Judged, ledgers: Ledgers) -> None:
    """What passes between an infinite ledger and a finite one is made or absorbed; what passes between infinite ones is
    nothing.
    """
    endless = ledgers.child(ledgers.root, ledgers.root, -1)
    finite = ledgers.child(endless, endless, 5)
    for transfer in (3, -6):
        assert judged.code("ledger_transfer", parent_ledger=endless, child_ledger=finite, transfer=transfer) == "KERN_SUCCESS"
        assert judged.code("ledger_transfer", parent_ledger=ledgers.root, child_ledger=endless, transfer=transfer) == "KERN_SUCCESS"
    assert [ledgers.read(name) for name in (endless, finite)] == [(1, -1), (0, 2)]


def test_a_ledger_ends_when_nothing_depends_on_it(judged: Judged, ledgers: Ledgers) -> None:
    parent = ledgers.child(ledgers.root, ledgers.root, 9)
    child = ledgers.child(parent, ledgers.root, 4)
    paid = ledgers.child(ledgers.root, parent, 0)
    assert judged.code("ledger_terminate", ledger=ledgers.root) == "KERN_INVALID_LEDGER"
    assert judged.code("ledger_terminate", ledger=parent) == "KERN_FAILURE"  # it pays
    assert judged.code("ledger_terminate", ledger=paid) == "KERN_SUCCESS"
    assert judged.code("ledger_terminate", ledger=parent) == "KERN_FAILURE"  # it has a child
    assert judged.code("ledger_terminate", ledger=child) == "KERN_SUCCESS"
    assert ledgers.read(parent) == (0, 9)
    assert judged.code("ledger_terminate", ledger=parent) == "KERN_SUCCESS"
    assert ledgers.read(ledgers.root) == (0, -1)
    assert judged.code("ledger_read", ledger=parent) == "MACH_SEND_INVALID_DEST"


def test_a_ledger_does_not_end_while_a_task_draws_on_it() -> None:
    judged = Judged()
    ledgers = Ledgers(judged)
    drawn = ledgers.child(ledgers.root, ledgers.root, 9)
    child = judged.does("task_create", parent_task=judged.me, ledgers=(ledgers.root, drawn))
    assert judged.code("ledger_terminate", ledger=drawn) == "KERN_FAILURE"
    assert judged.code("task_terminate", task=child) == "KERN_SUCCESS"
    assert judged.code("ledger_terminate", ledger=drawn) == "KERN_SUCCESS"


def test_what_is_numbered_among_the_paid_stays_so_when_one_in_the_middle_ends(judged: Judged, ledgers: Ledgers) -> None:
    names = [ledgers.child(ledgers.root, ledgers.root, 1) for _ in range(3)]
    for name in (names[1], names[0], names[2]):
        assert judged.code("ledger_terminate", ledger=name) == "KERN_SUCCESS"
    assert ledgers.read(ledgers.root) == (0, -1)


# ---- wrong states and wrong rules


def with_ledger(snapshot: Snapshot, port: int, ledger: Ledger) -> Snapshot:
    return msgspec.structs.replace(snapshot, ports={**snapshot.ports, port: msgspec.structs.replace(snapshot.ports[port], ledger=ledger)})


@pytest.mark.parametrize(
    "wrong",
    [
        Ledger(limit=5, balance=6, parent=3, ledger_ledger=3),
        Ledger(limit=-2, balance=0, parent=3, ledger_ledger=3),
        Ledger(limit=5, balance=0, parent=8, ledger_ledger=3),
        Ledger(limit=5, balance=0, parent=99, ledger_ledger=3),
        Ledger(limit=5, balance=0, parent=3, ledger_ledger=99),
        Ledger(limit=5, balance=1, parent=3, ledger_ledger=3),
        Ledger(limit=5, balance=0, parent=3, ledger_ledger=4),
        Ledger(limit=5, balance=0, parent=None, ledger_ledger=None),
    ],
    ids=["above its limit", "no limit", "a circle", "no parent", "no payer", "pays for nobody", "pays for more", "a finite root"],
)
def test_wrong_ledgers_are_found(wrong: Ledger) -> None:
    judged = Judged()
    ledgers = Ledgers(judged)
    first = ledgers.child(ledgers.root, ledgers.root, 5)
    second = ledgers.child(first, ledgers.root, 0)
    assert [ledgers.port(name) for name in (ledgers.root, first, second)] == [3, 7, 8]
    broken = broken_invariants(with_ledger(judged.state(), 7, wrong), MANUAL)
    assert {each.name for each in broken} == {"invariant 37: ledgers keep within their limits"}
    assert broken_invariants(with_ledger(judged.state(), 7, wrong), GNUMACH) == ()


def test_a_kernel_that_makes_limits_is_found() -> None:
    """The kernel's step, as snapshots show it: the child has more, its parent no less."""
    judged = Judged()
    ledgers = Ledgers(judged)
    parent = ledgers.child(ledgers.root, ledgers.root, 5)
    child = ledgers.child(parent, ledgers.root, 2)
    before, call = judged.state(), Call("ledger_transfer", {"parent_ledger": parent, "child_ledger": child, "transfer": 3})
    assert judged.code(call.name, **call.arguments) == "KERN_SUCCESS"
    assert broken_by_step(before, judged.state(), 0, call, ReturnCode.KERN_SUCCESS, MANUAL) == ()
    wrong = with_ledger(judged.state(), ledgers.port(parent), Ledger(limit=3, balance=0, parent=3, ledger_ledger=3))
    [broken] = broken_by_step(before, wrong, 0, call, ReturnCode.KERN_SUCCESS, MANUAL)
    assert broken.name == "invariant 37: limits are given, not made"
    assert broken.words.endswith("The clause 'conserved' does not hold for port 7.")


def test_a_limit_out_of_nothing_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """The parent keeps what it gave."""

    def keep(k: Context, after: After) -> None:
        parent = k.before.port(k.slot(k["parent_ledger"]))
        after.at("ledger_limit")[parent] = k.before.ledger_limit(parent)

    assert "step invariant 37" in broken_when(monkeypatch, "ledger_create", "a ledger with a part of its parent's limit", then(keep), 37)


@pytest.mark.parametrize(
    ("rule", "title", "lost"),
    [
        ("ledger_create", "a ledger with a part of its parent's limit", "a finite ledger has no infinite limit to give"),
        ("ledger_create", "a ledger with a part of its parent's limit", "parent_ledger has less to give"),
        ("ledger_transfer", "the child has less", "child_ledger has less to give back"),
        ("ledger_transfer", "the child has more", "child_ledger has another parent"),
        ("ledger_terminate", "the ledger ends", "the ledger has children"),
        ("ledger_terminate", "the ledger ends", "a task draws on the ledger"),
    ],
)
def test_a_test_that_is_forgotten_is_found(monkeypatch: pytest.MonkeyPatch, rule: str, title: str, lost: str) -> None:
    assert lost in titles(rule)
    assert broken_when(monkeypatch, rule, title, without(lost), 37, 38)


@pytest.mark.heavy
@pytest.mark.parametrize("rule", CALLS)
def test_assumptions_are_possible(rule: str) -> None:
    assert assumptions_are_possible(rule)


@pytest.mark.heavy
@pytest.mark.parametrize("rule", CALLS)
def test_what_ledgers_gave_stays_a_sum(rule: str) -> None:
    """The ghost follows the updates; in a small scope it is what it means, before and after."""
    sorts = Sorts(Scope(tasks=1, ports=4, names=2, messages=1, descriptors=1, objects=1, pages=1))
    before = State.arbitrary(sorts)
    k = Context(RULES[rule], before, MANUAL)
    cases = list(k.rule.cases(k))
    after = After(before, MANUAL)
    cases[-1].effect(after)
    v = Variables(sorts)
    known = [clause for number in (1, 2, 6, 10, 25, 37, 102, 108) for _, clause in INVARIANTS[number].clauses(v, before)]
    solver = z3.Solver()
    solver.add([expand(fact, sorts) for fact in (*known, *k.assumptions(), effective_guards(cases)[-1], *after.assumptions)])
    solver.add(meaning(before, sorts, after))
    assert solver.check() == z3.sat
    solver.add(z3.Or(*[z3.Not(equation) for name, equation in sums(after, sorts) if name == "given_limits"]))
    assert solver.check() == z3.unsat
