"""Mutants of what becomes of names whose ports die, where such a name is a dead name only once a call looks at it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
import z3
from support.mutants import Change, instead, quick, restore, seen, then  # noqa: F401 - quick is a fixture

from sendright.mach.abi.rights import Disposition
from sendright.mach.kernel.profiles import MANUAL, XNU, Profile
from sendright.model.language.rule import LOOKS, Case, Context
from sendright.model.language.sorts import KIND, Term
from sendright.model.language.state import After, Everywhere

REFERENCES, ARRIVALS, REFUSALS = (f"step invariant {number}" for number in (202, 207, 211))
FIRES = "a dead-name request fires"


def also_if(title: str, more: Callable[[Context], Term]) -> Change:
    """The case ``title`` also applies if ``more``."""
    return lambda k, case: iter([replace(case, when=z3.Or(case.when, more(k))) if case.title == title else case])


def swallowed(k: Context) -> Term:
    """The destination is a send-once right to a port that has died, and no call has looked at it."""
    b, entry = k.before, k.slot(k["dest"])
    return z3.And(k.is_unlooked(entry), b.unlooked(entry) == KIND.SEND_ONCE, z3.Not(b.told(entry)), k["dest"] != k["reply"])


def test_a_send_once_right_that_no_call_has_looked_at_is_refused_as_destination() -> None:
    title = "the destination's port has died: it is a dead name from now on"

    def refused(k: Context) -> Term:
        return z3.And(swallowed(k), k["dest_disposition"] == int(Disposition.MOVE_SEND_ONCE), z3.Not(k.reserved(k["dest"])))

    assert seen("mach_msg_send", title, (211,), also_if(title, refused), profile=XNU) == {REFUSALS}


@pytest.mark.parametrize("title", ["dead-name", "the name is dead, and so is the requester's port"])
def test_a_reference_to_come_that_is_not_noted(title: str) -> None:
    assert seen(FIRES, title, (201, 202), then(title, lambda k, after: restore(k, after, "told")), profile=XNU) == {REFERENCES}


def test_what_a_name_was_is_forgotten_when_its_port_dies() -> None:
    """Locality doesn't see it: nothing changes."""
    title = "the receive right goes, and its port dies unless port-destroyed is registered"
    assert seen("mach_port_destroy", title, (201, 202), then(title, lambda k, after: restore(k, after, "unlooked")), profile=XNU) == {REFERENCES}


def test_a_name_whose_port_dies_has_a_reference_to_come() -> None:
    title = "the receive right goes, and its port dies unless port-destroyed is registered"

    def noted(k: Context, after: After) -> None:
        b = k.before
        after.sweep("told", "slots", lambda slot: (z3.And(after.kind(slot) == KIND.DEAD_NAME, b.kind(slot) == KIND.SEND), z3.BoolVal(True)))

    assert REFERENCES in seen("mach_port_destroy", title, (202,), then(title, noted), profile=XNU)


@pytest.mark.parametrize("profile", [MANUAL, XNU])
def test_that_the_port_died_first_outlives_its_request(profile: Profile) -> None:
    """A later request of the same name would hear of a death that it has not seen."""
    title = "dead-name, of a name that was freed after its port died"
    assert seen(FIRES, title, (104, 201), then(title, lambda k, after: restore(k, after, "died_first")), profile=profile) == {"invariant 104"}


SEEN = "the name's port has died: it is a dead name from now on"


@pytest.mark.parametrize("rule", LOOKS)
def test_a_look_that_sees_nothing(rule: str) -> None:
    assert seen(rule, SEEN, (201, 202, 207), instead(SEEN, lambda k, after: None), profile=XNU) == {ARRIVALS}


@pytest.mark.parametrize("rule", LOOKS[1:])
def test_a_look_at_what_is_not_copied_in_or_counted(rule: str) -> None:
    def anyway(k: Context) -> Term:
        return k.is_unlooked(k.slot(k["name"], k.task_behind(k["control"]) if "right" in k.constants else None))

    assert seen(rule, SEEN, (201, 202, 207), also_if(SEEN, anyway), profile=XNU) == {ARRIVALS}


@pytest.mark.parametrize("rule", LOOKS[1:])
def test_a_look_that_is_left_out(rule: str) -> None:
    """The other case of the rule applies in its stead."""
    title = "nothing changes"

    def never(k: Context, case: Case) -> Iterator[Case]:
        yield replace(case, when=z3.BoolVal(case.title == title))

    assert seen(rule, title, (201, 202, 207), never, profile=XNU) == {ARRIVALS}


TAKES_ALL = "the receive right goes, and its port dies unless port-destroyed is registered"


@pytest.mark.heavy
@pytest.mark.parametrize(("rule", "title"), [("mach_port_destroy", TAKES_ALL), ("task_terminate", "the task ends")])
@pytest.mark.parametrize("profile", [MANUAL, XNU])
def test_what_becomes_due_has_no_place_in_the_order(rule: str, title: str, profile: Profile) -> None:
    change = then(title, lambda k, after: restore(k, after, "due_at"))
    assert seen(rule, title, (20, 201), change, profile=profile) == {"step invariant 20"}


@pytest.mark.heavy
def test_a_release_that_reserves_no_place() -> None:
    """Then the field isn't changed at all."""
    sweep = After.sweep

    def without(self: After, name: str, over: Everywhere, change: Callable[..., tuple[Term, Term]]) -> None:
        if (name, over) != ("due_at", "due requests"):
            sweep(self, name, over, change)

    def changed(k: Context, case: Case) -> Iterator[Case]:
        def effect(after: After) -> None:
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(After, "sweep", without)
                case.effect(after)

        yield replace(case, effect=effect) if case.title == TAKES_ALL else case

    assert "step invariant 20" in seen("mach_port_destroy", TAKES_ALL, (20,), changed)
