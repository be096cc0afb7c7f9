"""Attacks with ghosts: specifications that count wrongly, or whose steps depend on what only proofs have. None is
proved.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import msgspec
import pytest
import z3
from support.mutants import Change, instead, mutant, not_proved, quick, seen, telling, then  # noqa: F401 - quick is a fixture

from sendright.mach.kernel.profiles import MANUAL
from sendright.mach.results.verdicts import Verdict
from sendright.model.execution import system, witnesses
from sendright.model.language.ghosts import Choice, Count, Number, Recount, Total
from sendright.model.language.invariant import INVARIANTS, VARIANTS, Invariant, Variables, forall
from sendright.model.language.release import Release
from sendright.model.language.rule import DELIVER, RULES, TAKE, Case, Context
from sendright.model.language.sorts import KIND, STAGE, UNBOUNDED, Term
from sendright.model.language.state import FIELDS, After, FieldDeclaration, State
from sendright.model.proof.any_state import ANY_STATE, fields_of
from sendright.model.proof.counterexamples.counterexample import Question
from sendright.model.proof.counterexamples.refute import refute
from sendright.model.proof.counting import COUNTED_BY, GHOSTS
from sendright.model.proof.obligations import CaseProof, ProofTask, decide

DERIVED = [name for name, ghost in GHOSTS.items() if isinstance(ghost, Count | Total)]
QUEUED, OLDEST = "the message is queued", "the oldest message"


def number_of_case(rule: str, title: str) -> int:
    return next(index for index, case in enumerate(every_case(rule)) if case.title == title)


# ---- what a ghost is


def test_a_ghost_says_what_it_is() -> None:
    with pytest.raises(TypeError, match="'a count' doesn't say whether it is counted, a total or chosen: True"):
        FieldDeclaration(("Port",), "Int", "a count", ghost=True)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", [name for name, ghost in GHOSTS.items() if isinstance(ghost, Choice)])
def test_a_chosen_ghost_is_tied_to_what_a_kernel_has(name: str) -> None:
    """By the invariants that it declares, and no others speak of it."""
    ghost = GHOSTS[name]
    assert isinstance(ghost, Choice)
    every = [*INVARIANTS.values(), *[other for others in VARIANTS.values() for other in others]]
    assert {invariant.number for invariant in every if name in fields_of(invariant)} == set(ghost.tied_by)
    for number in ghost.tied_by:
        assert fields_of(INVARIANTS[number]) - GHOSTS.keys()


@pytest.mark.parametrize("name", DERIVED)
def test_a_derived_ghost_depends_on_what_it_declares(name: str) -> None:
    ghost = GHOSTS[name]
    if isinstance(ghost, Total):
        mentioned = fields_of(Invariant(0, "", "", lambda v, s: iter([("", ghost.amount(s, v.p) == 0), ("", s.fields[ghost.by](v.p) == v.p)])))
        assert mentioned - {name} == set(ghost.reads)
    else:
        assert isinstance(ghost, Count)
        assert FIELDS[ghost.what].domain == FIELDS[ghost.by].domain


def test_which_invariants_rest_on_counting() -> None:
    assert {8, 9, 21} <= COUNTED_BY


# ---- nobody writes what is counted


@pytest.mark.parametrize("name", DERIVED)
@pytest.mark.parametrize(
    "write",
    [
        lambda after, name: after.store(name, (after.sorts.no_port,), z3.IntVal(1)),
        lambda after, name: after.at(name).__setitem__(after.sorts.no_port, z3.IntVal(1)),
        lambda after, name: after.add(name, after.sorts.no_port, 1),
        lambda after, name: after.sweep(name, "ports", lambda p: (z3.BoolVal(True), z3.IntVal(0))),
        lambda after, name: after.fields.__setitem__(name, after.before.fields[name]),
    ],
)
def test_a_rule_that_writes_a_count(name: str, write: Callable[[After, str], object]) -> None:
    after = After(ANY_STATE, MANUAL)
    with pytest.raises((TypeError, AttributeError)):
        write(after, name)
    assert not after.changed(name)


def test_a_field_that_is_replaced() -> None:
    after = After(ANY_STATE, MANUAL)
    with pytest.raises(TypeError):
        after.fields["kind"] = ANY_STATE.fields["kind"]  # type: ignore[index]
    with pytest.raises(AttributeError):
        after.fields["kind"].updates = ()  # type: ignore[misc]


@pytest.mark.parametrize("name", ["kind", "port", "stage", "queue"])
def test_a_sweep_over_what_is_counted(name: str) -> None:
    after = After(ANY_STATE, MANUAL)
    with pytest.raises(TypeError, match=f"{name} can change at many points only while .* is recounted"):
        after.sweep(name, "slots", lambda x: (z3.BoolVal(True), ANY_STATE.fields[name](x)))


def test_a_sweep_of_which_a_count_is_forgotten() -> None:
    after = After(ANY_STATE, MANUAL)

    def empty(slot: Term) -> tuple[Term, Term]:
        return z3.BoolVal(True), KIND.NONE

    with (
        pytest.raises(TypeError, match="nothing says what becomes of send_once_slots"),
        after.recounting(Recount("sending_slots", lambda p: z3.BoolVal(True))),
    ):
        after.sweep("kind", "slots", empty)


def test_a_number_of_which_nothing_is_known() -> None:
    after = After(ANY_STATE, MANUAL)
    number = Number(z3.Function("any", UNBOUNDED.Port, z3.IntSort()), ANY_STATE, ANY_STATE.sends, "sending_slots")
    with pytest.raises(TypeError, match="any is not a number that the effect uses"):
        after.tally("srights", number, 1)


def test_a_large_number_that_depends_on_itself() -> None:
    after, lift = After(ANY_STATE, MANUAL), z3.Int("lift")
    with pytest.raises(TypeError, match="lift can't be a large number"):
        after.choose_large(lift, z3.IntVal(0), lift + 1)


# ---- counts that are wrong


def test_messages_that_are_counted_twice_from_the_41st() -> None:
    def again(k: Context, after: After) -> None:
        port = k.before.port(k.sorts.Slot.destination_slot(k["message"]))
        after.add("msgcount", port, z3.If(k.before.msgcount(port) >= 40, 1, 0))

    assert seen(DELIVER, QUEUED, (21,), then(QUEUED, again)) == {"invariant 21"}


def test_a_message_that_leaves_the_queue_uncounted() -> None:
    def take(k: Context, after: After) -> None:
        after.at("stage")[k["oldest"]] = STAGE.IN_KERNEL

    assert "invariant 21" in seen(TAKE, OLDEST, (21,), instead(OLDEST, take))


def test_a_kind_without_its_port() -> None:
    """A right that moves to another port is counted there."""
    change = then("the page is written", lambda k, after: after.store("port", (k.slot(k["task"]),), k.sorts.no_port))
    assert seen("vm_write", "the page is written", (8,), change) == {"invariant 8"}


@pytest.mark.parametrize(
    ("wrong", "clause"),
    [
        pytest.param(
            lambda r, s: Recount("sending_slots", lambda p: z3.BoolVal(False), lost=r.sends_released), "who counts", marks=pytest.mark.heavy
        ),
        pytest.param(lambda r, s: Recount("sending_slots", r.dying), "who counts", marks=pytest.mark.heavy),
        (lambda r, s: Recount("queued_messages", r.dying), "who counts"),
    ],
)
def test_a_recount_that_is_wrong(monkeypatch: pytest.MonkeyPatch, wrong: Callable[[Release, State], Recount], clause: str) -> None:
    original = Release._recounts

    def recounts(release: Release) -> tuple[Recount, ...]:
        other = wrong(release, release.base)
        return tuple(other if each.ghost == other.ghost else each for each in original(release))

    monkeypatch.setattr(Release, "_recounts", recounts)
    index = number_of_case("task_terminate", "the task ends")
    [one] = [one for one in decide("manual", ProofTask("case", "task_terminate", index, (8,))) if one.property == "counting"]
    assert one.verdict is not Verdict.PROVED
    assert clause in one.title or one.verdict is Verdict.REFUTED


@pytest.mark.heavy
def test_a_wrong_count_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    """A small scope counts in the state after, too, whatever the specification says of the ghost."""
    original = Release._recounts
    monkeypatch.setattr(Release, "_recounts", lambda release: (Recount("sending_slots", release.dying), *original(release)[1:]))
    unit = CaseProof(RULES["task_terminate"], number_of_case("task_terminate", "the task ends"), MANUAL)
    outcome = refute(MANUAL, Question(unit.k, [], unit.assumptions, unit.case, unit.after, counts=True))
    assert outcome.counterexample
    assert outcome.clause == "sending_slots counts"


def test_sums_that_are_used_before_they_are_known(monkeypatch: pytest.MonkeyPatch) -> None:
    """The parent of a transfer changes before its child, which adds to it."""
    title = "the child has more"

    def early(k: Context, after: After) -> None:
        parent, child = (k.before.port(k.slot(k[name])) for name in ("parent_ledger", "child_ledger"))
        after.add("ledger_limit", parent, z3.If(k.before.ledger_limit(parent) != -1, -k["transfer"], 0))
        after.add("ledger_limit", child, z3.If(k.before.ledger_limit(child) != -1, k["transfer"], 0))

    assert "counting" in seen("ledger_transfer", title, (37,), instead(title, early))


def test_a_ledger_that_dies_unnoticed() -> None:
    """What is given up with a task can't be a ledger."""
    title = "the task ends"

    def end(k: Context, after: After) -> None:
        after.sweep("port_life", "ports", lambda p: (p == k.before.wired(k.caller), ANY_STATE.port_life(UNBOUNDED.no_port)))

    assert "counting" in seen("task_terminate", title, (8,), then(title, end))


# ---- steps that depend on ghosts

WRITTEN = "the page is written"


def write_count(k: Context, after: After) -> None:
    after.at("content")[k.before.mapped(k.caller, k["address"])] = k.before.sending_slots(k.sorts.host_port)


def assume_rank(k: Context, after: After) -> None:
    after.assumptions.append(k.before.transit_rank(k.sorts.host_port) == 7)


def assume_count(k: Context, after: After) -> None:
    after.assumptions.append(k.before.sending_slots(k.sorts.no_port) == 1)


def swept(k: Context, after: After) -> None:
    after.sweep("mscount", "ports", lambda p: (k.before.transit_rank(p) > 0, z3.IntVal(0)))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (then(WRITTEN, write_count), "what becomes of content depends on sending_slots"),
        (then(WRITTEN, swept), "what becomes of mscount depends on transit_rank"),
        (then(WRITTEN, assume_rank), "an assumption depends on transit_rank"),
        (then(WRITTEN, assume_count), "an assumption depends on sending_slots"),
        (telling(WRITTEN, value=lambda k: k.before.ledger_depth(k.sorts.host_port)), "a result depends on ledger_depth"),
    ],
)
def test_a_step_that_depends_on_a_ghost(change: Change, words: str) -> None:
    index = number_of_case("vm_write", WRITTEN)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(RULES, "vm_write", mutant("vm_write", change))
        [one] = [one for one in decide("manual", ProofTask("case", "vm_write", index, (8,))) if one.property == "counting"]
    assert one.verdict is Verdict.FAILED
    assert one.title.endswith(words)


# ---- cases that are impossible


def contradict(k: Context, after: After) -> None:
    after.assumptions.append(z3.And(k["value"] > 0, k["value"] < 0))


def no_message_is_made(k: Context, after: After) -> None:
    [told] = [number for number in after.numbers if number.among == "send_once_slots"]
    port = z3.Const("q", k.sorts.Port)
    after.assumptions.append(z3.ForAll([port], told(port) > 5))


def negative(k: Context, after: After) -> None:
    after.assumptions.append(k["lift"] < 0)


def known_elsewhere(k: Context, after: After) -> None:
    """An assumption about something that no run says: whether it is possible is decided in a small scope."""
    after.assumptions.append(z3.And(z3.Int("something") > 0, z3.Int("something") < 0))


@pytest.mark.parametrize(
    ("rule", "title", "change"),
    [
        pytest.param("vm_write", WRITTEN, assume_count, marks=pytest.mark.heavy),
        pytest.param("vm_write", WRITTEN, contradict, marks=pytest.mark.heavy),
        pytest.param("task_terminate", "the task ends", no_message_is_made, marks=pytest.mark.heavy),
        (DELIVER, QUEUED, negative),
        pytest.param("vm_write", WRITTEN, known_elsewhere, marks=pytest.mark.heavy),
    ],
)
def test_a_case_that_assumes_what_cannot_be(monkeypatch: pytest.MonkeyPatch, rule: str, title: str, change: Callable[[Context, After], None]) -> None:
    goes_through = f"{rule}/{next(case.id for case in every_case(rule) if case.title == title)}"
    witness = short_witness(goes_through)
    monkeypatch.setattr(witnesses, "witnesses", lambda profile: iter([witness]))

    def verdict() -> Verdict:
        monkeypatch.setattr(system, "_compiled", {})
        reached = {f"{one.call}/{one.case}": one for one in decide("manual", ProofTask("reachable"))}
        return reached[goes_through].verdict

    assert verdict() is Verdict.PROVED
    monkeypatch.setitem(RULES, rule, mutant(rule, then(title, change)))
    assert verdict() is Verdict.UNDETERMINED


def every_case(rule: str) -> list[Case]:
    return list(RULES[rule].cases(Context(RULES[rule], ANY_STATE, MANUAL)))


def short_witness(case: str) -> witnesses.Witness:
    """The beginning of a recorded run, up to the call that goes through ``case``."""
    calls = {"mach_msg_send: deliver": "mach_msg_send"}
    call = calls.get(case.partition("/")[0], case.partition("/")[0])
    for witness in witnesses.witnesses(MANUAL):
        if any(step.call.name == call for step in witness.steps):
            found = next((index for index, cases in enumerate(witnesses.replay(witness, MANUAL)) if case in cases), None)
            if found is not None:
                return msgspec.structs.replace(witness, steps=witness.steps[: found + 1])
    raise AssertionError(case)


# ---- invariants that are read in other ways


def through_get(v: Variables, s: State) -> Iterator[tuple[str, Term]]:
    content = s.fields.get("content")
    assert content is not None
    yield "", forall([v.o], content(v.o) == 0)


def through_values(v: Variables, s: State) -> Iterator[tuple[str, Term]]:
    yield "", forall([v.o], next(field for field in s.fields.values() if field.name == "content")(v.o) == 0)


def through_items(v: Variables, s: State) -> Iterator[tuple[str, Term]]:
    yield "", forall([v.o], dict(s.fields.items())["content"].read(v.o) == 0)


def by_name(v: Variables, s: State) -> Iterator[tuple[str, Term]]:
    yield "", forall([v.o], s.content(v.o) == 0)


def only_of_a_state_before(v: Variables, s: State) -> Iterator[tuple[str, Term]]:
    """Says nothing of a state that it recognizes as one after a case."""
    after = isinstance(s, After) or any(field.updates for field in s.fields.values())
    yield "", forall([v.o], z3.Or(after, s.content(v.o) == 0))


@pytest.mark.parametrize("clauses", [only_of_a_state_before, through_get, through_values, through_items, by_name])
def test_however_an_invariant_reads_it_is_asked(
    monkeypatch: pytest.MonkeyPatch, clauses: Callable[[Variables, State], Iterator[tuple[str, Term]]]
) -> None:
    """All objects contain 0: a write breaks it."""
    stated = Invariant(199, "a mutant", "", clauses)
    assert fields_of(stated) == {"content"}
    monkeypatch.setitem(INVARIANTS, 199, stated)
    found = decide("manual", ProofTask("case", "vm_write", number_of_case("vm_write", WRITTEN), (199,)))
    assert not_proved(found) == {"invariant 199"}
