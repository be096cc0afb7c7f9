"""Mutants of what callers give and what requesters are told. All were proved before step invariants 206 to 208 and 210
to 212 said so.
"""

from __future__ import annotations

from dataclasses import replace

import pytest
import z3
from support.mutants import Change, instead, quick, seen, telling, then  # noqa: F401 - quick is a fixture

from sendright.mach.abi.codes import ReturnCode
from sendright.mach.abi.rights import Disposition, Notification, PortObject
from sendright.mach.kernel.profiles import MANUAL, OSF, PROFILES, XNU, Profile
from sendright.mach.signatures import SIGNATURES
from sendright.model.invariants.steps import codes, precedence
from sendright.model.language.actions import drop_held_send, notify, put
from sendright.model.language.release import release
from sendright.model.language.rule import COPY_IN, RULES, Context
from sendright.model.language.sequences import rules_of
from sendright.model.language.sorts import KIND, OBJECT, Term
from sendright.model.language.state import After
from sendright.model.proof.any_state import ANY_STATE

CONTENTS, ARRIVALS, RESULTS, STORED, REFUSALS, CODES = (f"step invariant {number}" for number in (206, 207, 208, 210, 211, 212))
REQUEST, RESCUED = "mach_port_request_notification", "a receive right is rescued"


def nothing(k: Context, after: After) -> None:
    pass


@pytest.mark.parametrize(
    ("rule", "title", "profile"),
    [
        ("mach_port_set_mscount", "the count is stored", MANUAL),
        ("mach_port_set_seqno", "the number is stored", MANUAL),
        ("mach_port_set_attributes", "the queue limit is set", MANUAL),
        ("mach_port_guard", "the port is guarded", XNU),
    ],
)
def test_a_value_that_is_not_stored(rule: str, title: str, profile: Profile) -> None:
    assert STORED in seen(rule, title, (210,), instead(title, nothing), profile=profile)


def never(*titles: str) -> Change:
    """These cases never apply."""
    return lambda k, case: iter([replace(case, when=z3.BoolVal(False)) if case.title in titles else case])


def test_a_right_that_is_refused_though_it_is_there() -> None:
    title = "the name has no right for this disposition"

    def refused(k: Context) -> Term:
        return z3.And(z3.Not(k.reserved(k["name"])), k["disposition"] == int(Disposition.MAKE_SEND))

    more: Change = lambda k, case: iter([replace(case, when=z3.Or(case.when, refused(k))) if case.title == title else case])  # noqa: E731
    assert seen(COPY_IN, title, (211,), more) == {REFUSALS}


def test_a_right_that_is_carried_though_it_is_not_there() -> None:
    assert seen(COPY_IN, "COPY_SEND copies the send right", (211,), never("the name has no right for this disposition")) == {REFUSALS}


TRAPS = ("mach_port_insert_right: request", "mach_port_request_notification: request")
UNFIT, UNKNOWN = "the right's name has no right for its disposition", "the right's name denotes nothing"
DEAD, STAYS = "the name that would get a send right is dead", "the receive right is immovable"


@pytest.mark.parametrize(
    ("rule", "title", "arguments"),
    [
        *[(TRAPS[0], title, ("poly", "disposition")) for title in (UNFIT, UNKNOWN, DEAD, STAYS)],
        *[(TRAPS[1], title, ("notify", "notify_disposition")) for title in (UNFIT, UNKNOWN)],
    ],
)
def test_a_right_that_a_trap_refuses_though_it_is_there(rule: str, title: str, arguments: tuple[str, str]) -> None:
    def refused(k: Context) -> Term:
        name, disposition = (k[argument] for argument in arguments)
        return z3.And(k.is_own(k["task"]), z3.Not(k.reserved(name)), disposition == int(Disposition.MAKE_SEND_ONCE), k.before.receives(k.slot(name)))

    more: Change = lambda k, case: iter([replace(case, when=z3.Or(case.when, refused(k))) if case.title == title else case])  # noqa: E731
    assert seen(rule, title, (211,), more, profile=XNU) == {REFUSALS}


@pytest.mark.parametrize("rule", TRAPS)
def test_a_right_that_a_trap_refuses_of_another_task(rule: str) -> None:
    more: Change = lambda k, case: iter([replace(case, when=z3.Or(case.when, z3.Not(k.is_own(k["task"])))) if case.title == UNFIT else case])  # noqa: E731
    assert seen(rule, UNFIT, (211,), more, profile=XNU) == {REFUSALS}


@pytest.mark.parametrize("rule", TRAPS)
def test_a_right_that_a_trap_takes_though_it_is_not_there(rule: str) -> None:
    assert seen(rule, "the right will be carried", (211,), never(UNFIT, UNKNOWN), profile=XNU) == {REFUSALS}


def test_a_reply_right_that_is_refused_though_it_is_there() -> None:
    title = "the reply name has no right for its disposition"

    def leads_to_task(k: Context) -> Term:
        slot = k.slot(k["reply"])
        return z3.And(k.before.sends(slot), k.before.object(k.before.port(slot)) == OBJECT.of(PortObject.TASK))

    more: Change = lambda k, case: iter([replace(case, when=z3.Or(case.when, leads_to_task(k))) if case.title == title else case])  # noqa: E731
    assert seen("mach_msg_send", title, (211,), more) == {REFUSALS}


@pytest.mark.parametrize(
    ("title", "profile"),
    [
        ("the destination is NULL or DEAD", MANUAL),
        ("the destination denotes nothing", MANUAL),
        ("the destination has no live right for its disposition", MANUAL),
        ("one send-once right cannot be both destination and reply", MANUAL),
        ("one reference cannot be moved twice", MANUAL),
        ("the destination has no right to a live port", XNU),
    ],
)
def test_a_destination_that_is_refused_though_it_is_good(title: str, profile: Profile) -> None:
    """The destination is a send right with two references, which is copied, and there is no reply."""

    def good(k: Context) -> Term:
        slot = k.slot(k["dest"])
        is_send = z3.And(k.before.kind(slot) == KIND.SEND, k.before.urefs(slot) == 2, k["dest_disposition"] == int(Disposition.COPY_SEND))
        return z3.And(z3.Not(k.reserved(k["dest"])), is_send, k["reply"] == k.sorts.null)

    more: Change = lambda k, case: iter([replace(case, when=z3.Or(case.when, good(k))) if case.title == title else case])  # noqa: E731
    assert REFUSALS in seen("mach_msg_send", title, (211,), more, profile=profile)


def fired(k: Context, after: After) -> None:
    """no-senders is sent though there are senders."""
    S = k.sorts.Slot
    slot = S.no_senders_slot(k.before.port(k.slot(k["name"], k.before.object_task(k.before.port(S.destination_slot(k["message"]))))))
    carried = S.body_slot(k["message"], z3.IntVal(0))
    old = after.kind(slot), after.port(slot)
    drop_held_send(after, S.destination_slot(k["message"]))
    notify(after, carried, k["notification"], Notification.NO_SENDERS)
    put(after, slot, KIND.NONE, k.sorts.no_port)
    put(after, carried, *old)


def test_a_request_that_fires_before_its_event() -> None:
    title = "no-senders is registered"
    assert ARRIVALS in seen(REQUEST, title, (207,), instead(title, fired))


def test_a_request_that_is_registered_after_its_event() -> None:
    assert ARRIVALS in seen(REQUEST, "no-senders is registered", (207,), never("there are no senders: no-senders is sent at once"))
    at_once = "the name is dead: dead-name is sent at once"
    assert ARRIVALS in seen(REQUEST, "dead-name is registered", (207,), never(at_once), profile=OSF)


def test_a_receive_right_that_is_not_rescued() -> None:
    def dies(k: Context, after: After) -> None:
        limbo = k.sorts.Slot.limbo_slot(k["of"])
        release(after, lambda slot: slot == limbo, lambda port: port == k["of"])

    assert ARRIVALS in seen(RESCUED, "port-destroyed", (207,), instead("port-destroyed", dies))


@pytest.mark.parametrize(("output", "value"), [("masks.3", 8), ("told.2", None)])
def test_groups_of_exceptions(output: str, value: int | None) -> None:
    title = "clones of the groups' rights"
    change = telling(title, **{output: lambda k: z3.BoolVal(True) if value is None else z3.IntVal(value)})
    assert seen("task_get_exception_ports", title, (208,), change) == {RESULTS}


def answering(title: str, code: ReturnCode) -> Change:
    """The case ``title`` answers another code."""
    return lambda k, case: iter([replace(case, code=code) if case.title == title else case])


@pytest.mark.parametrize(
    ("rule", "title", "code"),
    [
        ("ledger_terminate", "something is drawn on the ledger", ReturnCode.KERN_INVALID_ADDRESS),
        ("task_get_special_port", "task is not a task's port", ReturnCode.KERN_INVALID_CAPABILITY),
        ("vm_write", "the page is not allocated", ReturnCode.KERN_INVALID_NAME),
        ("mach_msg_send", "the destination denotes nothing", ReturnCode.KERN_INVALID_NAME),
    ],
)
def test_a_code_that_says_something_else(rule: str, title: str, code: ReturnCode) -> None:
    assert CODES in seen(rule, title, (212,), answering(title, code))


@pytest.mark.heavy
def test_every_entry_of_the_table_of_codes_is_used() -> None:
    used = set()
    for profile in PROFILES.values():
        for name in {rule for call in SIGNATURES if profile.serves(call) for rule in rules_of(call, profile)}:
            k = Context(RULES[name], ANY_STATE, profile)
            used |= {(case.code, precedence.stage(k, case)) for case in RULES[name].cases(k) if case.refuses}
    assert {(code, at) for profile in PROFILES.values() for code, stages in codes.looks_at(profile).items() for at in stages} == used


def test_a_size_that_is_refused_though_it_is_one() -> None:
    title = "the size is too small, or not a multiple of 4"
    more: Change = lambda k, case: iter([replace(case, when=k["size"] <= 24) if case.title == title else case])  # noqa: E731
    assert CONTENTS in seen("mach_msg_send", title, (206,), more)
