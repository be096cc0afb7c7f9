"""Mutants of the specification: a rule or an invariant with one mistake, and which obligation sees it.

Each mutant is small on purpose: a guard dropped, an operand exchanged, an effect left out. Only the part of the proof
that must see it is decided.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
import z3
from support.mutants import Change, instead, mutant, not_proved, quick, seen, telling, then, without  # noqa: F401 - quick is a fixture

from sendright.mach.abi.codes import ReturnCode
from sendright.mach.abi.rights import EXCEPTION_PLACES, Place
from sendright.mach.kernel.profiles import MANUAL
from sendright.mach.results.verdicts import Verdict
from sendright.model.language.actions import clear, clone, drop_held_send, place_slot, put, stamp_by_kernel
from sendright.model.language.invariant import INVARIANTS, Clauses, Invariant, Variables, forall
from sendright.model.language.release import Release
from sendright.model.language.rule import (
    COPY_IN,
    COPY_OUT,
    DESTROY,
    PAGE_IN,
    PAGE_OUT,
    RESUMED_RECEIVE,
    RESUMED_SEND,
    RULES,
    TAKE,
    Context,
)
from sendright.model.language.sorts import KIND, LIFE, PLACE, STAGE, UNBOUNDED, WAIT, Term
from sendright.model.language.state import After, State
from sendright.model.proof.obligations import ProofTask, decide

# ---- the base case


def with_invariant(patch: pytest.MonkeyPatch, clauses: Clauses) -> None:
    patch.setitem(INVARIANTS, 199, Invariant(199, "a mutant", "", clauses))


def everybody_is_dead(v: Variables, s: State) -> Iterator[tuple[str, Term]]:
    """Contradicts that calls have callers: from it everything follows, and it is preserved."""
    yield "", forall([v.t], s.task_life(v.t) != LIFE.ALIVE)


def everybody_lives(v: Variables, s: State) -> Iterator[tuple[str, Term]]:
    """Leaves no task that a creation could make: true of all that exists, and no creation would ever happen."""
    yield "", forall([v.t], s.task_life(v.t) == LIFE.ALIVE)


@pytest.mark.parametrize("clauses", [everybody_is_dead, everybody_lives])
def test_an_invariant_that_contradicts_the_boot_state(monkeypatch: pytest.MonkeyPatch, clauses: Clauses) -> None:
    with_invariant(monkeypatch, clauses)
    assert not_proved(decide("manual", ProofTask("base case"))) == {"invariant 199"}
    [one] = decide("manual", ProofTask("base case", invariants=(199,)))
    assert one.verdict is Verdict.REFUTED
    assert one.reachable == "from boot"


@pytest.mark.heavy
def test_an_invariant_that_makes_cases_impossible(monkeypatch: pytest.MonkeyPatch) -> None:
    """True at boot and preserved by what it leaves possible; the witnesses go through states that it forbids."""

    def one_task(v: Variables, s: State) -> Iterator[tuple[str, Term]]:
        yield "", forall([v.t, v.u], z3.Implies(z3.And(s.alive(v.t), s.alive(v.u)), v.t == v.u))

    with_invariant(monkeypatch, one_task)
    assert not_proved(decide("manual", ProofTask("base case"))) == set()
    lost = [one for one in decide("manual", ProofTask("reachable")) if one.verdict is not Verdict.PROVED]
    assert "every state of every witness" in {one.case for one in lost}
    assert any("a mutant" in str(one.counterexample) for one in lost)


CREATE = "host_security_create_task_token"
GIVEN = "a child with the given tokens"


def test_tokens_for_a_child_without_the_security_port() -> None:
    found = seen(CREATE, GIVEN, (30, 36), without(ReturnCode.KERN_INVALID_SECURITY))
    assert found == {"step invariant 30", "step invariant 36"}


# ---- messages

SEND, DELIVER, RECEIVE = "mach_msg_send", "mach_msg_send: deliver", "mach_msg_receive: take"
GOOD, QUEUED, OLDEST = "the header is valid", "the message is queued", "the oldest message"


def stamp(identity: Callable[[Context], Term]) -> Callable[[Context, After], None]:
    return lambda k, after: stamp_by_kernel(after, k["message"], identity(k))


def test_a_message_stamped_with_the_kernels_tokens() -> None:
    """Hazard H-3, at the sending and at the delivery."""
    assert seen(SEND, GOOD, (31,), then(GOOD, stamp(lambda k: k["id"]))) == {"step invariant 31"}
    assert seen(DELIVER, QUEUED, (31,), then(QUEUED, stamp(lambda k: k.before.id(k["message"])))) == {"step invariant 31"}


def test_a_receiver_told_its_own_tokens() -> None:
    change = telling(OLDEST, security_token=lambda k: k.before.security(k.caller))
    assert seen(RECEIVE, OLDEST, (31,), change) == {"step invariant 31"}


def test_a_send_once_reply_right_that_a_receive_loses() -> None:
    def lose(k: Context, after: After) -> None:
        b, reply = k.before, k.sorts.Slot.reply_slot(k["oldest"])
        lost = z3.And(b.kind(reply) == KIND.SEND_ONCE, b.port(reply) != k["source"])
        after.add("sorights", b.port(reply), z3.If(lost, -1, 0))
        put(after, reply, z3.If(lost, KIND.NONE, b.kind(reply)), z3.If(lost, k.sorts.no_port, b.port(reply)))

    assert seen(RECEIVE, OLDEST, (9, 13), then(OLDEST, lose)) == {"step invariant 13"}


def test_a_receive_of_any_message() -> None:
    def some(k: Context, after: After) -> None:
        after.assumptions[:] = [term for term in after.assumptions if not z3.is_quantifier(term)]

    assert seen(RECEIVE, OLDEST, (20,), then(OLDEST, some)) == {"step invariant 20"}


def test_a_message_that_jumps_the_queue() -> None:
    change = then(QUEUED, lambda k, after: after.store("arrival", (k["message"],), z3.IntVal(0)))
    assert seen(DELIVER, QUEUED, (20,), change) == {"step invariant 20"}


def test_the_privileged_port_under_another_argument() -> None:
    """What the caller has under ``host_security`` becomes the task's host port."""
    title, rule = "tokens and the ordinary host port are set", "host_security_set_task_token"

    def keep(k: Context, after: After) -> None:
        held, given = place_slot(after, k.task_behind(k["target_task"]), Place.HOST), k.slot(k["host_security"])
        after.assumptions.append(k.before.sends(given))
        put(after, held, KIND.SEND, k.before.port(given))

    assert seen(rule, title, (33,), then(title, keep), without(ReturnCode.KERN_INVALID_SECURITY)) == {"step invariant 33"}


# ---- what a child gets


def test_a_child_with_its_parents_self_port() -> None:
    def share(k: Context, after: After) -> None:
        source, slot = (place_slot(after, task, Place.KERNEL) for task in (k.task_behind(k["parent_task"]), k["child"]))
        drop_held_send(after, slot)
        clone(after, source, slot)

    assert seen(CREATE, GIVEN, (34,), then(GIVEN, share)) == {"step invariant 34"}


@pytest.mark.heavy
@pytest.mark.parametrize("place", [Place.BOOTSTRAP, Place.HOST, Place.REGISTERED_0, Place.WIRED_LEDGER])
def test_a_child_without_one_of_its_rights(place: Place) -> None:
    change = then(GIVEN, lambda k, after: drop_held_send(after, place_slot(after, k["child"], place)))
    assert seen(CREATE, GIVEN, (34,), change) == {"step invariant 34"}


# ---- what holders of a task port are told and given


def seen_of_rule(rule: str, number: int, *changes: Change) -> set[str]:
    """As ``seen``, of what is decided of a rule as a whole."""
    part = ProofTask("rule", rule, 0, (number,))
    assert not_proved(decide("manual", part)) == set()
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(RULES, rule, mutant(rule, *changes))
        return not_proved(decide("manual", part))


def test_task_info_tells_the_callers_token() -> None:
    title, change = "the security token", telling("the security token", value=lambda k: k.before.security(k.caller))
    assert seen_of_rule("task_info", 23, change) == {"step invariant 23"}
    assert seen("task_info", title, (109,), change) == {"step invariant 109"}


def gives(place: Place, whose: Callable[[Context], Term]) -> Callable[[Context, After], None]:
    def effect(k: Context, after: After) -> None:
        [result] = k.begin_reply(after, k["reply_message"], 1)
        clone(after, place_slot(after, whose(k), place), result)

    return effect


def test_special_ports_of_the_caller() -> None:
    rule, title = "task_get_special_port", "a clone of the special port"
    change = instead(title, gives(Place.KERNEL, lambda k: k.caller))
    assert seen_of_rule(rule, 23, change) == {"step invariant 23"}
    assert seen(rule, title, (109,), change) == {"step invariant 109"}


def test_the_wrong_special_port() -> None:
    """Every holder gets the same one, so that 23 has nothing to say."""
    rule, title = "task_get_special_port", "a clone of the special port"
    change = instead(title, gives(Place.KERNEL, lambda k: k.task_behind(k["task"])))
    assert seen(rule, title, (8, 109), change) == {"step invariant 109"}


def test_registered_ports_of_the_caller() -> None:
    def give(k: Context, after: After) -> None:
        places = k.profile.registered_places
        for place, result in zip(places, k.begin_reply(after, k["reply_message"], len(places)), strict=True):
            clone(after, place_slot(after, k.caller, place), result)

    rule = "mach_ports_lookup"
    title = next(case.title for case in RULES[rule].cases(Context(RULES[rule], State.arbitrary(UNBOUNDED), MANUAL)) if case.replies)
    assert seen_of_rule(rule, 23, instead(title, give)) == {"step invariant 23"}
    assert seen(rule, title, (109,), instead(title, give)) == {"step invariant 109"}


def test_a_write_to_the_callers_page() -> None:
    def write(k: Context, after: After) -> None:
        after.store("content", (k.before.mapped(k.caller, k["address"]),), k["value"])

    assert seen_of_rule("vm_write", 23, instead("the page is written", write)) == {"step invariant 23"}


@pytest.mark.parametrize(
    ("rule", "title", "number"),
    [
        (COPY_IN, "MAKE_SEND makes a send right", 14),
        ("task_set_special_port", "the right is kept", 109),
        ("host_security_set_task_token", "tokens and the ordinary host port are set", 29),
        (TAKE, "the oldest message", 20),
        (PAGE_IN, "the page is copied", 110),
        (PAGE_OUT, "the page is mapped", 110),
        ("task_terminate", "the task ends", 41),
        ("vm_write", "the page is written", 110),
        ("vm_allocate", "the requested page", 110),
        ("vm_inherit", "children get NONE", 110),
    ],
)
def test_a_case_without_its_effect(rule: str, title: str, number: int) -> None:
    assert seen(rule, title, (number,), instead(title, lambda k, after: None)) == {f"step invariant {number}"}


# ---- memory


def test_a_page_with_somebodys_object() -> None:
    title = "the requested page"
    assert seen("vm_allocate", title, (110,), then(title, lambda k, after: after.assumptions.clear())) == {"step invariant 110"}


def test_a_child_with_the_callers_pages_where_its_parent_has_none() -> None:
    def fill(k: Context, after: After) -> None:
        b, parent, none = k.before, k.task_behind(k["parent_task"]), k.sorts.no_object
        after.sweep(
            "mapped", "pages", lambda t, p: (z3.And(t == k["child"], k["inherit_memory"], b.mapped(parent, p) == none), b.mapped(k.caller, p))
        )

    assert seen(CREATE, GIVEN, (39, 106), then(GIVEN, fill)) == {"step invariant 39"}


def test_a_child_that_shares_what_is_to_be_copied() -> None:
    def share(k: Context, after: After) -> None:
        b, parent = k.before, k.task_behind(k["parent_task"])
        after.sweep("mapped", "pages", lambda t, p: (z3.And(t == k["child"], k["inherit_memory"]), b.mapped(parent, p)))

    assert seen(CREATE, GIVEN, (39, 106), then(GIVEN, share)) == {"step invariant 39"}


def test_a_page_that_is_sent_and_shared() -> None:
    title = "the page is copied"
    change = instead(title, lambda k, after: after.store("memory", (k["message"], k["index"]), k.before.mapped(k.caller, k["address"])))
    assert seen(PAGE_IN, title, (112,), change) == {"invariant 112"}


def test_a_page_that_goes_where_one_is() -> None:
    title = "the page is mapped"
    assert seen(PAGE_OUT, title, (110,), then(title, lambda k, after: after.assumptions.clear())) == {"step invariant 110"}


def test_memory_that_a_destroyed_message_keeps() -> None:
    title = "all rights that the message carries are given up"

    def keep(k: Context, after: After) -> None:
        after.sweep("memory", "memory", lambda m, i: (m == k["message"], k.before.memory(m, i)))

    assert seen(DESTROY, title, (103,), then(title, keep)) == {"invariant 103"}


# ---- waiting, and what is on its way


def lacking(title: str) -> Change:
    """The case ``title`` is dropped."""
    return lambda k, case: iter([] if case.title == title else [case])


WAITS, CIRCULAR = "the queue is full: the sender waits", "circular: the message is destroyed"


@pytest.mark.parametrize("title", [QUEUED, WAITS])
def test_a_receive_right_on_its_way_to_itself(title: str) -> None:
    assert seen(DELIVER, title, (18,), lacking(CIRCULAR)) == {"invariant 18"}


def test_a_sender_that_waits_with_nothing() -> None:
    change = then(WAITS, lambda k, after: after.store("waits_with", (k.caller,), k.before.waits_with(k.caller)))
    assert seen(DELIVER, WAITS, (113,), change) == {"invariant 113"}


def test_a_sender_that_waits_on() -> None:
    title = "the message that waited is queued"
    change = then(title, lambda k, after: after.store("wait", (k.caller,), k.before.wait(k.caller)))
    assert seen(RESUMED_SEND, title, (113,), change) == {"invariant 113"}


def test_a_task_that_ends_and_leaves_its_message() -> None:
    def keep(k: Context, after: After) -> None:
        task = k.task_behind(k["task"])
        after.store("stage", (k.before.waits_with(task),), k.before.stage(k.before.waits_with(task)))

    assert seen("task_terminate", "the task ends", (113,), then("the task ends", keep)) == {"invariant 113"}


def test_a_port_that_is_not_the_one_waited_for() -> None:
    title = "from the port"
    change = telling(title, source=lambda k: k.before.port(k.slot(k.sorts.null)))
    assert seen(RESUMED_RECEIVE, title, (109,), change) == {"step invariant 109"}


def test_a_message_that_changes_on_the_way() -> None:
    longer = then(QUEUED, lambda k, after: after.store("size", (k["message"],), k.before.size(k["message"]) + 4))
    assert seen(DELIVER, QUEUED, (112,), longer) == {"step invariant 112"}
    assert seen(TAKE, OLDEST, (112,), telling(OLDEST, size=lambda k: k.before.size(k["oldest"]) + 4)) == {"step invariant 112"}


# ---- failures, kernel objects, no-senders


def test_a_failed_test_that_takes_something() -> None:
    title = "the destination denotes nothing"
    change = then(title, lambda k, after: after.add("mscount", k.before.port(k.slot(k["reply"])), 1))
    assert seen(SEND, title, (27,), change) == {"step invariant 27"}


def test_a_destroyed_request_that_takes_a_name() -> None:
    title = "all rights that the message carries are given up"
    change = then(title, lambda k, after: clear(after, k.slot(z3.Const("some", k.sorts.Name))))
    assert seen(DESTROY, title, (27,), change) == {"step invariant 27"}


def test_a_task_behind_any_port() -> None:
    title = "the security token"
    assert seen("task_info", title, (24,), lacking("task is not a task's port")) == {"step invariant 24"}


def test_no_senders_with_the_count_of_later() -> None:
    change = then("no-senders", lambda k, after: after.store("data", (k["notification"],), k.before.mscount(k["of"])))
    assert seen("no senders are left", "no-senders", (16,), change) == {"step invariant 16"}


def test_a_request_that_stays_when_it_was_told() -> None:
    def again(k: Context, after: After) -> None:
        after.store("no_senders_due", (k["of"],), k.before.no_senders_due(k["of"]))

    assert seen("no senders are left", "no-senders", (16,), then("no-senders", again)) == {"step invariant 16"}


# ---- counting


def test_a_release_that_counts_every_slot(monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel's count and the ghost would fall alike, and invariant 8 would not notice."""
    monkeypatch.setattr(Release, "loses", lambda release, slot: release.given_up(slot))
    cases = list(RULES["task_terminate"].cases(Context(RULES["task_terminate"], State.arbitrary(UNBOUNDED), MANUAL)))
    assert not_proved(decide("manual", ProofTask("case", "task_terminate", len(cases) - 1, (8,)))) == {"counting"}


def test_a_release_that_keeps_a_messages_queue(monkeypatch: pytest.MonkeyPatch) -> None:
    def kill(release: Release, after: After, b: State) -> None:
        after.sweep("port_life", "ports", lambda p: (release.dying(p), LIFE.ENDED))

    monkeypatch.setattr(Release, "_kill", kill)
    cases = list(RULES["task_terminate"].cases(Context(RULES["task_terminate"], State.arbitrary(UNBOUNDED), MANUAL)))
    assert not_proved(decide("manual", ProofTask("case", "task_terminate", len(cases) - 1, (2, 8)))) == {"invariant 2", "counting"}


def test_a_right_beyond_the_end_of_a_body() -> None:
    rule, title = "mach_task_self", "a clone of the self port"
    change = then(title, lambda k, after: after.store("body_count", (k["reply_message"],), z3.IntVal(0)))
    assert seen(rule, title, (103,), change) == {"invariant 103"}


# ---- sequences of rules

EXTRACT, REQUEST, REGISTER = "mach_port_extract_right", "mach_port_insert_right: request", "mach_port_request_notification"


def rows_not_proved(rule: str, *changes: Change, of: str | None = None) -> set[str]:
    """The titles of what isn't proved of ``rule`` in its sequences, when ``of`` (or it) is changed; unchanged all
    is.
    """
    part = ProofTask("sequence", rule)
    assert not_proved(decide("manual", part)) == set()
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(RULES, of or rule, mutant(of or rule, *changes))
        return {one.case.partition("; ")[2] for one in decide("manual", part) if one.verdict is not Verdict.PROVED}


def test_a_right_is_extracted_that_was_not_looked_at() -> None:
    assert rows_not_proved(EXTRACT, without(ReturnCode.KERN_INVALID_RIGHT)) == {"copy in a right: what it requires, so that it cannot fail"}


@pytest.mark.heavy
def test_an_answer_to_a_message_that_still_carries_rights() -> None:
    title = "a kernel port: the rights are given up"
    assert rows_not_proved(DELIVER, instead(title, lambda k, after: None)) == {"mach_msg_send: kernel's answer: what it requires"}


def test_a_copied_right_that_overwrites_another() -> None:
    title = "COPY_SEND copies the send right"
    change = then(title, lambda k, after: clear(after, k.sorts.Slot.reply_slot(k["message"])))
    assert rows_not_proved(COPY_IN, change) == {"the other rights of the message stay"}


def test_a_right_that_stays_in_the_message() -> None:
    title = "a send-once right takes a new name"
    assert rows_not_proved(COPY_OUT, instead(title, lambda k, after: None)) == {"its place is empty, the other rights stay"}


def test_a_failure_that_lets_the_message_go() -> None:
    """What cleans up after it finds no message in the kernel."""
    title = "the name has no right for this disposition"
    change = then(title, lambda k, after: after.store("stage", (k["message"],), STAGE.FREE))
    assert rows_not_proved(COPY_IN, change) == {"the message is destroyed: what it requires"}


@pytest.mark.heavy
def test_a_message_that_is_lost_is_still_in_the_queue() -> None:
    title = "the message is too large, and is destroyed"
    assert rows_not_proved(TAKE, instead(title, lambda k, after: None)) == {"the message is destroyed: what it requires"}


def test_a_reply_for_somebody_else() -> None:
    title = "a clone of the self port"
    change = then(title, lambda k, after: after.store("owner", (k["reply_message"],), z3.Const("somebody", k.sorts.Task)))
    assert rows_not_proved("mach_task_self", change) == {"copy out a right: what it requires", "all that the message carries is copied out"}


def test_a_reply_with_a_right_that_nobody_copies_out() -> None:
    title = "a clone of the self port"
    change = then(title, lambda k, after: clone(after, k.sorts.Slot.place_slot(k.caller, PLACE.of(Place.KERNEL)), beside(k)))
    assert rows_not_proved("mach_task_self", change) == {"all that the message carries is copied out"}


def beside(k: Context) -> Term:
    return k.sorts.Slot.reply_slot(k["reply_message"])


def test_an_exception_port_in_the_place_of_a_group_that_is_not_told() -> None:
    """Only the rights of groups that are told are copied out of the reply."""
    change = then("clones of the groups' rights", lambda k, after: clone(after, k.sorts.Slot.place_slot(k.caller, PLACE.of(Place.KERNEL)), last(k)))
    assert "all that the message carries is copied out" in rows_not_proved("task_get_exception_ports", change)


def last(k: Context) -> Term:
    return k.sorts.Slot.body_slot(k["reply_message"], z3.IntVal(len(EXCEPTION_PLACES) - 1))


def test_a_registration_that_forgets_the_right_that_was_there() -> None:
    title = "no-senders is registered"
    change = then(title, lambda k, after: after.store("owner", (k["message"],), z3.Const("somebody", k.sorts.Task)))
    assert rows_not_proved(REGISTER, change) == {"copy out a right: what it requires", "all that the message carries is copied out"}


def test_a_resumed_receive_that_still_waits() -> None:
    """The rules that follow are for callers that don't wait."""
    change = then("from the port", lambda k, after: after.store("wait", (k.caller,), WAIT.SENDING))
    assert rows_not_proved(RESUMED_RECEIVE, change) == {"mach_msg_receive: take: what it requires"}


def test_a_request_without_its_target() -> None:
    change = then("the right will be carried", lambda k, after: clear(after, k.sorts.Slot.destination_slot(k["request_message"])))
    found = rows_not_proved(REQUEST, change)
    assert found
    assert all(title.startswith("mach_port_insert_right: what it requires") for title in found)
