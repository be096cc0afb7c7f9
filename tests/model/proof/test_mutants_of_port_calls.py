"""Mutants of the rules of port sets, attributes and renaming: what a mistake in each breaks. (See
``test_mutants_of_the_specification.py``.)
"""

from __future__ import annotations

import pytest
import z3
from support.mutants import Change, instead, quick, restore, seen, telling, then  # noqa: F401 - quick is a fixture

from sendright.mach.abi.rights import PortObject
from sendright.mach.kernel.profiles import MANUAL, OSF, Profile
from sendright.model.language.actions import clear, put, put_name
from sendright.model.language.rule import COPY_IN, TAKE, Context
from sendright.model.language.sorts import KIND, OBJECT
from sendright.model.language.state import After


def entry(k: Context, name: str) -> tuple[z3.ExprRef, z3.ExprRef]:
    """The target task, and the slot of the argument ``name`` in its space."""
    task = k.task_behind(k["task"])
    return task, k.slot(k[name], task)


def keeps_its_sets(k: Context, after: After) -> None:
    restore(k, after, "member")


def joins_too(k: Context, after: After) -> None:
    """The member stays in the sets in which it is."""
    keeps_its_sets(k, after)
    after.store("member", (k.before.port(entry(k, "member")[1]), k["after"]), z3.BoolVal(True))


def renamed_set_without_members(k: Context, after: After) -> None:
    clear(after, entry(k, "old_name")[1])
    put(after, entry(k, "new_name")[1], KIND.PORT_SET, k.sorts.no_port)


def renamed_but_not_found(k: Context, after: After) -> None:
    task, old = entry(k, "old_name")
    kind, port, urefs = k.before.kind(old), k.before.port(old), k.before.urefs(old)
    clear(after, old)
    put_name(after, task, k["new_name"], kind, port, urefs)


def any_limit(k: Context, after: After) -> None:
    after.store("qlimit", (k.before.port(entry(k, "name")[1]),), k.queue_limit_max + 1)


def another_ports_count(field: str) -> Change:
    """Every user port's number is stored, not only that of the port that is named."""

    def everywhere(k: Context, after: After) -> None:
        value = k[field]
        after.sweep(field, "ports", lambda p: (k.before.object(p) == OBJECT.of(PortObject.NONE), value))

    title = "the count is stored" if field == "mscount" else "the number is stored"
    return instead(title, everywhere)


OLDEST, MEMBER = "the oldest message", "from a member of the port set"
A_SET, OWN = "the member is in this set and no other", "a receive right goes under the new name"


@pytest.mark.parametrize(
    ("rule", "title", "number", "change", "profile"),
    [
        (COPY_IN, "MOVE_RECEIVE takes the receive right", 17, then("MOVE_RECEIVE takes the receive right", keeps_its_sets), MANUAL),
        ("mach_port_destroy", "the dead name or port set is freed", 17, then("the dead name or port set is freed", keeps_its_sets), MANUAL),
        ("mach_port_move_member", A_SET, 111, instead(A_SET, joins_too), OSF),
        (
            "mach_port_rename",
            "a port set goes under the new name, with its members",
            17,
            instead("a port set goes under the new name, with its members", renamed_set_without_members),
            MANUAL,
        ),
        ("mach_port_rename", OWN, 3, instead(OWN, renamed_but_not_found), MANUAL),
        ("mach_port_set_attributes", "the queue limit is set", 110, instead("the queue limit is set", any_limit), MANUAL),
        ("mach_port_set_mscount", "the count is stored", 14, another_ports_count("mscount"), MANUAL),
        ("mach_port_set_seqno", "the number is stored", 20, another_ports_count("seqno"), MANUAL),
        (TAKE, OLDEST, 20, telling(OLDEST, local=lambda k: k.sorts.null), MANUAL),
    ],
)
def test_what_a_mistake_breaks(rule: str, title: str, number: int, change: Change, profile: Profile) -> None:
    kind = "invariant" if number in (3, 17, 110, 111) else "step invariant"
    assert seen(rule, title, (number,), change, profile=profile) == {f"{kind} {number}"}


def test_a_receive_from_a_port_that_is_not_in_the_set() -> None:
    """Any port's messages will do."""

    def from_anywhere(k: Context, after: After) -> None:
        after.assumptions[:] = [term for term in after.assumptions if not z3.is_and(term) or "member" not in str(term)]

    assert seen("mach_msg_receive", MEMBER, (109,), then(MEMBER, from_anywhere)) == {"step invariant 109"}
