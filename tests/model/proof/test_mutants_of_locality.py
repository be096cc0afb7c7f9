"""Mutants that change what their call has no business with: every field, references, port sets, shortages, the order of
codes, messages.

All were proved before step invariants 201 to 208 said so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
import z3
from support.mutants import Change, instead, mutant, not_proved, quick, seen, telling, then  # noqa: F401 - quick is a fixture

from sendright.mach.abi.rights import EXCEPTION_PLACES, Place
from sendright.mach.kernel.profiles import GNUMACH, MANUAL, PROFILES, XNU, Profile
from sendright.mach.signatures import SIGNATURES
from sendright.model.invariants.steps import locality, precedence
from sendright.model.language.actions import clone, drop_held_send, place_slot, put
from sendright.model.language.rule import ANSWER, COPY_IN, COPY_OUT, DELIVER, RULES, TAKE, Case, Context
from sendright.model.language.sequences import rules_of
from sendright.model.language.sorts import KIND, PLACE, UNBOUNDED, WAIT, Term
from sendright.model.language.state import FIELDS, After, sort_named
from sendright.model.proof.any_state import ANY_STATE
from sendright.model.proof.obligations import ProofTask, decide

LOCALITY, REFERENCES, SETS, SHORTAGES, ORDER, CONTENTS, ARRIVALS, RESULTS = (f"step invariant {number}" for number in range(201, 209))


def some(sort: str, name: str = "some") -> Term:
    """A task, port … of which nothing is known."""
    return z3.Const(name, sort_named(UNBOUNDED, sort))


def entry(k: Context) -> Term:
    """The entry that a call on a task's name is about."""
    return k.slot(k["name"], k.task_behind(k["task"]))


def store(field: str, *point: Callable[[Context], Term], value: Callable[[Context], Term]) -> Callable[[Context, After], None]:
    return lambda k, after: after.store(field, tuple(at(k) for at in point), value(k))


def mostly_heavy(light: int, cases: list[tuple[Any, ...]]) -> list[Any]:
    """The first ``light`` cases as they are; the others only where heavy tests are run."""
    return [each if index < light else pytest.param(*each, marks=pytest.mark.heavy) for index, each in enumerate(cases)]


# ---- locality


def test_every_field_has_an_entry() -> None:
    assert locality.missing(locality.FRAMES) == set()
    assert locality.missing([name for name in locality.FRAMES if name != "qlimit"]) == {"qlimit"}
    assert locality.missing([*locality.FRAMES, "sending_slots"]) == {"sending_slots"}
    assert all(reason.words for reasons in locality.FRAMES.values() for reason in reasons)


WRITTEN, LIMIT, TOLD = "the page is written", "the queue limit is set", "the security token"


@pytest.mark.parametrize(
    ("rule", "title", "more"),
    mostly_heavy(
        7,
        [
            (
                "vm_write",
                WRITTEN,
                store("exception_behaviour", lambda k: some("Task"), lambda k: PLACE.of(EXCEPTION_PLACES[0]), value=lambda k: z3.IntVal(1)),
            ),
            ("vm_write", WRITTEN, store("inheritance", lambda k: k.caller, lambda k: k["address"], value=lambda k: some("Inheritance"))),
            ("mach_port_set_attributes", LIMIT, store("qlimit", lambda k: some("Port"), value=lambda k: k["info"](0))),
            ("mach_port_set_attributes", LIMIT, store("qlimit", lambda k: k.before.port(entry(k)), value=lambda k: z3.IntVal(1))),
            ("mach_port_set_attributes", LIMIT, store("seqno", lambda k: k.before.port(entry(k)), value=lambda k: z3.IntVal(1))),
            ("task_info", TOLD, store("waits_at", lambda k: some("Task"), value=lambda k: some("Name"))),
            ("task_info", TOLD, store("wait", lambda k: k.caller, value=lambda k: WAIT.RECEIVING)),
            ("task_info", TOLD, store("security", lambda k: k.caller, value=lambda k: k.before.security(k.task_behind(k["task"])))),
            ("task_suspend", "the task is suspended once more", store("wired", lambda k: k.task_behind(k["task"]), value=lambda k: some("Port"))),
            ("mach_host_self", "a right to the host port", lambda k, after: after.add("mscount", some("Port"), 1)),
            (DELIVER, "the message is queued", store("owner", lambda k: k["message"], value=lambda k: some("Task"))),
            (TAKE, "the oldest message", store("form", lambda k: k.sorts.Slot.reply_slot(k["oldest"]), value=lambda k: z3.IntVal(0))),
            ("mach_msg_receive", "the receiver waits", store("waits_limit", lambda k: k.caller, value=lambda k: z3.IntVal(-1))),
            (
                "ledger_transfer",
                "the child has more",
                store("ledger_payer", lambda k: k.before.port(k.slot(k["child_ledger"])), value=lambda k: some("Port")),
            ),
        ],
    ),
)
def test_a_change_that_is_none_of_the_calls_business(rule: str, title: str, more: Callable[[Context, After], None]) -> None:
    assert seen(rule, title, (201,), then(title, more)) == {LOCALITY}


@pytest.mark.heavy
@pytest.mark.parametrize("field", [name for name, field in FIELDS.items() if not field.ghost])
def test_no_call_changes_a_field_anywhere(field: str) -> None:
    """Whatever a rule does, it doesn't also set this field at some point or other, of its caller's or not."""
    profile = PROFILES["xnu-792"]
    declaration = FIELDS[field]
    served = dict.fromkeys(rule for call in SIGNATURES if profile.serves(call) for rule in rules_of(call, profile))
    tried = 0
    for rule in list(served)[:: 1 + len(served) // 20]:
        k = Context(RULES[rule], ANY_STATE, profile)
        case = next((each for each in reversed(list(RULES[rule].cases(k))) if not each.refuses), None)
        if case is None:
            continue
        point = tuple(some(part, f"point{index}") for index, part in enumerate(declaration.domain))
        change = then(case.title, lambda k, after, point=point: after.store(field, point, some(declaration.range, "value")))
        with pytest.MonkeyPatch.context() as patch:
            patch.setitem(RULES, rule, mutant(rule, change))
            index = next(index for index, each in enumerate(RULES[rule].cases(k)) if each.title == case.title)
            found = not_proved(decide(profile.name, ProofTask("case", rule, index, (8, 9, 21, 201))))
        assert found, (rule, case.title)
        tried += 1
    assert tried > 10


def test_a_read_that_gives_up_what_it_reads() -> None:
    """A name is the call's business, but not to change it."""
    title = "the kind of the entry"
    change = then(title, lambda k, after: put(after, entry(k), KIND.NONE, k.sorts.no_port))
    assert LOCALITY in seen("mach_port_type", title, (201, 202), change)


# ---- user references


@pytest.mark.parametrize(
    ("rule", "title", "left"),
    mostly_heavy(
        2,
        [
            ("mach_port_deallocate", "one of several references goes", lambda k, urefs: urefs),
            ("mach_port_deallocate", "one of several references goes", lambda k, urefs: urefs - 2),
            ("mach_port_mod_refs", "references are added or taken", lambda k, urefs: urefs + 1),
            ("mach_port_mod_refs", "references are added or taken", lambda k, urefs: urefs - k["delta"]),
        ],
    ),
)
def test_a_wrong_number_of_references(rule: str, title: str, left: Callable[[Context, Term], Term]) -> None:
    def count(k: Context, after: After) -> None:
        after.store("urefs", (entry(k),), left(k, k.before.urefs(entry(k))))

    assert seen(rule, title, (202,), instead(title, count)) == {REFERENCES}


def test_references_that_notifications_and_copies_forget() -> None:
    fires, title = "a dead-name request fires", "dead-name"
    forget = then(title, lambda k, after: after.store("urefs", (k.slot(k["name"], k["space"]),), k.before.urefs(k.slot(k["name"], k["space"]))))
    assert seen(fires, title, (202,), forget) == {REFERENCES}
    adds = "a send right adds a user reference"

    def two(k: Context, after: After) -> None:
        known = k.slot(k.before.known_as(k.caller, k.before.port(k["place"])))
        after.store("urefs", (known,), k.before.urefs(known) + 2)

    assert seen(COPY_OUT, adds, (202,), then(adds, two)) == {REFERENCES}


def test_a_pegged_name_that_gets_a_reference_less() -> None:
    title = "the name is pegged: it keeps its references"
    change = then(title, lambda k, after: after.store("urefs", (entry(k),), k.before.urefs(entry(k)) - 1))
    assert REFERENCES in seen("mach_port_deallocate", title, (202,), change, profile=XNU)


# ---- port sets


@pytest.mark.parametrize("profile", [MANUAL, GNUMACH], ids=lambda profile: profile.name)
def test_a_member_that_stays_in_its_other_sets(profile: Profile) -> None:
    title = "the member is in this set and no other"

    def only_join(k: Context, after: After) -> None:
        member = k.before.port(k.slot(k["member"], k.task_behind(k["task"])))
        after.store("member", (member, k["after"]), z3.BoolVal(True))

    assert seen("mach_port_move_member", title, (203,), instead(title, only_join), profile=profile) == {SETS}


def test_a_set_that_loses_another_member() -> None:
    title = "the member leaves the set"
    change = then(title, lambda k, after: after.sweep("member", "members", lambda p, n: (n == k["pset"], z3.BoolVal(False))))
    assert SETS in seen("mach_port_extract_member", title, (203,), change)


# ---- shortages


def answered_always(title: str) -> Change:
    """The case ``title`` may be answered at any time."""
    return lambda k, case: iter([replace(case, when=z3.BoolVal(True)) if case.title == title else case])


@pytest.mark.parametrize(
    ("rule", "title"),
    mostly_heavy(
        3,
        [
            ("host_security_create_task_token", "the kernel is out of memory"),
            ("mach_port_allocate", "the kernel is out of memory"),
            ("mach_reply_port", "the kernel is out of memory: NULL"),
            ("ledger_create", "ledger_ledger cannot pay"),
            ("vm_allocate", "no page is free"),
            ("mach_port_mod_refs", "more references than a name can have"),
            (DELIVER, "the queue is full: the message is handed back"),
            ("mach_msg_receive", "no message is there"),
            (TAKE, "the message is too large, and stays queued"),
        ],
    ),
)
def test_a_shortage_that_is_none(rule: str, title: str) -> None:
    assert SHORTAGES in seen(rule, title, (204,), answered_always(title))


def test_a_message_that_is_queued_beyond_the_limit() -> None:
    title = "the message is queued"
    full = ("the queue is full: the message is handed back", "the queue is full: the sender waits")
    dropped: Change = lambda k, case: iter([] if case.title in full else [case])  # noqa: E731 - a change of one line
    assert seen(DELIVER, title, (204,), dropped) == {SHORTAGES}


# ---- the order of codes


def swapped(rule: str, first: str, second: str) -> Callable[[Context], Iterator[Case]]:
    """The rule with two of its cases in each other's place."""
    original = RULES[rule]

    def cases(k: Context) -> Iterator[Case]:
        every = list(original.cases(k))
        one, other = (next(index for index, case in enumerate(every) if case.title == title) for title in (first, second))
        every[one], every[other] = every[other], every[one]
        return iter(every)

    return cases


def order_of(rule: str, profile: Profile) -> set[str]:
    """The titles of the cases of which the order isn't proved."""
    cases = list(RULES[rule].cases(Context(RULES[rule], ANY_STATE, profile)))
    return {case.title for index, case in enumerate(cases) if not_proved(decide(profile.name, ProofTask("case", rule, index, (205,))))}


@pytest.mark.parametrize(
    ("rule", "first", "second"),
    mostly_heavy(
        2,
        [
            ("task_create", "no send right under parent_task", "a right in the request cannot be copied in"),
            ("task_create", "parent_task is not a task's port", "the kernel is out of memory"),
            ("host_security_set_task_token", "target_task is not a task's port", "host_security is not the security port"),
            ("mach_port_mod_refs", "no such kind of right", "the name denotes nothing"),
            ("mach_port_mod_refs", "the name has no right of this kind", "no such reference count"),
            ("mach_port_set_attributes", "no such queue limit", "the name denotes nothing"),
            ("mach_port_insert_right", "the name is reserved", "the right is null or dead"),
            ("mach_msg_send", "the header's dispositions carry no send right", "the destination is NULL or DEAD"),
            ("task_resume", "task is not a task's port", "one suspension is taken back"),
        ],
    ),
)
def test_two_cases_in_the_wrong_order(monkeypatch: pytest.MonkeyPatch, rule: str, first: str, second: str) -> None:
    assert order_of(rule, MANUAL) == set()
    monkeypatch.setitem(RULES, rule, replace(RULES[rule], cases=swapped(rule, first, second)))
    assert second in order_of(rule, MANUAL)


@pytest.mark.heavy
def test_each_exception_is_needed_by_some_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without it, a test that comes first in the order would be passed over."""
    monkeypatch.setattr(precedence, "EXCEPTIONS", ())
    found: set[tuple[str, str, str]] = set()
    for profile in PROFILES.values():
        for rule in {one.rule for one in EXCEPTIONS}:
            if profile.serves(rule.partition(":")[0]):
                k = Context(RULES[rule], ANY_STATE, profile)
                cases = list(RULES[rule].cases(k))
                found |= {(rule, case.title, other.title) for case in cases for other in precedence.passed_over(k, case)}
    for one in EXCEPTIONS:
        passed = {title for rule, answered, title in found if (rule, answered) == (one.rule, one.answered)}
        assert passed, one
        assert set(one.although) <= passed, one


EXCEPTIONS = precedence.EXCEPTIONS

# ---- what messages say, what arrives, what is told


@pytest.mark.parametrize(
    ("rule", "title", "field", "message"),
    mostly_heavy(
        3,
        [
            ("no senders are left", "no-senders", "size", "notification"),
            ("a dead-name request fires", "dead-name", "data", "notification"),
            ("a receive right is rescued", "port-destroyed", "layout", "notification"),
            ("mach_msg_send", "the header is valid", "data", "message"),
            ("mach_msg_send", "the header is valid", "size", "message"),
            (ANSWER, "the answer is queued on the reply port", "id", "message"),
        ],
    ),
)
def test_a_message_that_says_something_else(rule: str, title: str, field: str, message: str) -> None:
    change = then(title, store(field, lambda k: k[message], value=lambda k: some(FIELDS[field].range)))
    assert seen(rule, title, (206,), change) == {CONTENTS}


def test_a_trailer_of_another_size() -> None:
    title = "the oldest message"
    assert seen(TAKE, title, (206,), telling(title, trailer_size=lambda k: z3.IntVal(8))) == {CONTENTS}


def test_another_right_than_the_one_that_was_named() -> None:
    title = "COPY_SEND copies the send right"

    def other(k: Context, after: After) -> None:
        slot = k.slot(some("Name"))
        after.assumptions.append(k.before.kind(slot) == KIND.SEND)
        clone(after, slot, k["place"])

    assert seen(COPY_IN, title, (207,), instead(title, other)) == {ARRIVALS}


def test_results_of_something_else() -> None:
    refs, words, read = "the user references", "the receive status", "balance and limit"
    assert seen("mach_port_get_refs", refs, (208,), telling(refs, refs=lambda k: k.before.urefs(entry(k)) - 1)) == {RESULTS}
    swapped_words = telling(words, **{"info.seqno": lambda k: k.before.mscount(k.before.port(entry(k)))})
    assert seen("mach_port_get_attributes", words, (208,), swapped_words) == {RESULTS}
    assert seen("ledger_read", read, (208,), telling(read, limit=lambda k: k.before.ledger_balance(k.before.port(k.slot(k["ledger"]))))) == {RESULTS}


def test_a_place_that_another_call_gives_up() -> None:
    title = "a clone of the special port"
    change = then(title, lambda k, after: drop_held_send(after, place_slot(after, k.caller, Place.BOOTSTRAP)))
    assert LOCALITY in seen("task_get_special_port", title, (201,), change)
