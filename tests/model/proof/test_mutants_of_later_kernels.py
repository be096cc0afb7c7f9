"""Mutants of what later kernels' switches say: what a test that is forgotten breaks, and which states break the
invariants about it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import msgspec
import pytest
import z3
from support.beside_oracle import Judged
from support.mutants import Change, instead, quick, seen, without  # noqa: F401 - quick is a fixture

from sendright.mach.abi.codes import ReturnCode
from sendright.mach.abi.rights import Disposition, Place, SlotKind
from sendright.mach.kernel.profiles import MANUAL, PROFILES, XNU, Profile
from sendright.mach.state.boot import BOOTSTRAP_TASK_PORT, task_port
from sendright.mach.state.snapshot import Descriptor, Entry, Snapshot
from sendright.model.calls.carrying import fits
from sendright.model.execution.oracle import broken_invariants
from sendright.model.language.actions import clone, place_slot
from sendright.model.language.invariant import INVARIANTS, of_profile
from sendright.model.language.rule import COPY_IN, COPY_OUT, DELIVER, LOOK, Case, Context
from sendright.model.language.sorts import KIND, STAGE
from sendright.model.language.state import After

STAYS = msgspec.structs.replace(XNU, name="xnu-immovable", task_ports_stay=True, kernel_ports_kept_as_null=False)
"""A kernel in which rights to tasks' ports are immovable, and places keep any other right."""
COPIES, TAKES_ONE = "COPY_SEND copies the send right", "MOVE_SEND takes one of several references"
KEPT, SET, TOLD = "the right is kept", "each type in the mask gets a copy of the right", "dead-name"
SEEN, SWALLOWED = "the name's port has died: it is a dead name from now on", "the destination has died: the message is destroyed"
GIVEN = "a clone of the special port"
ADDED, PEGGED = "references are added or taken", "the name is pegged: it keeps its references"
DROPPED = "a send right is dropped: its name has all references it can have"


def anything_that_fits(k: Context, case: Case) -> Iterator[Case]:
    """Whether a right may pass is forgotten."""
    if case.code is ReturnCode.MACH_SEND_INVALID_RIGHT:
        fit = z3.Or(k.reserved(k["name"]), fits(k.before, k.slot(k["name"], k["space"]), k["disposition"]))
        case = replace(case, when=z3.Not(z3.And(k.is_disposition(k["disposition"]), fit)))
    yield case


def not_if(*titles: str) -> Change:
    """Cases are dropped."""
    return lambda k, case: iter([] if case.title in titles else [case])


def one_more(k: Context, after: After) -> None:
    """The dead name gets a reference, whatever it has."""
    entry = k.slot(k["name"], k["space"])
    after.at("urefs")[entry] = k.before.urefs(entry) + 1


def without_the_reference(k: Context, after: After) -> None:
    """A look forgets the reference that a dead-name notification has announced."""
    after.at("unlooked")[k.slot(k["name"])] = KIND.NONE


def forget_the_message(k: Context, after: After) -> None:
    """A message to a port that has died is freed with all that it carries."""
    after.at("stage")[k["message"]] = STAGE.FREE


def any_copy(k: Context, after: After) -> None:
    """A kernel object's port is told like any other."""
    [result] = k.begin_reply(after, k["reply_message"], 1)
    clone(after, place_slot(after, k.task_behind(k["task"]), Place.BOOTSTRAP), result)


@pytest.mark.heavy
@pytest.mark.parametrize(
    ("rule", "title", "seen_by", "change"),
    [
        (COPY_IN, COPIES, "invariant 118", anything_that_fits),
        (COPY_IN, TAKES_ONE, "step invariant 7", not_if("MOVE_SEND copies, if the name is pegged")),
        ("task_set_special_port", KEPT, "invariant 118", without(ReturnCode.KERN_INVALID_RIGHT)),
        ("task_set_special_port", KEPT, "invariant 119", without(ReturnCode.KERN_NO_ACCESS)),
        ("mach_ports_register", "the registered ports are replaced", "invariant 118", without(ReturnCode.KERN_INVALID_RIGHT)),
        ("host_set_special_port", KEPT, "invariant 118", without(ReturnCode.KERN_INVALID_RIGHT)),
        ("task_set_exception_ports", SET, "invariant 118", without(ReturnCode.KERN_INVALID_RIGHT)),
        ("task_get_special_port", GIVEN, "step invariant 109", instead(GIVEN, any_copy)),
        (LOOK, SEEN, "step invariant 202", instead(SEEN, without_the_reference)),
        (LOOK, SEEN, "step invariant 207", instead(SEEN, lambda k, after: None)),
        (DELIVER, SWALLOWED, "invariant 103", instead(SWALLOWED, forget_the_message)),
        ("mach_port_mod_refs", ADDED, "invariant 7", not_if("the name has all references it can have, and is pegged")),
        ("mach_port_mod_refs", ADDED, "step invariant 7", not_if(PEGGED)),
        ("mach_port_deallocate", "one of several references goes", "step invariant 7", not_if(PEGGED)),
        ("mach_port_insert_right", "a user reference is added", "invariant 7", not_if("the name is pegged: the right is dropped")),
        (COPY_OUT, "a send right adds a user reference", "invariant 7", not_if(DROPPED)),
        ("a dead-name request fires", TOLD, "invariant 7", instead(TOLD, one_more)),
    ],
)
def test_what_a_forgotten_test_breaks(rule: str, title: str, seen_by: str, change: Change, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PROFILES, STAYS.name, STAYS)
    number = int(seen_by.rpartition(" ")[2])
    assert seen_by in seen(rule, title, (number,), change, profile=STAYS if number == 118 else XNU)


# ---- states that break the invariants


@pytest.fixture
def judged() -> Judged:
    return Judged(STAYS)


def broken(snapshot: Snapshot, profile: Profile = STAYS) -> set[int]:
    return {int(found.name.split()[1].rstrip(":")) for found in broken_invariants(snapshot, profile)}


def with_task(snapshot: Snapshot, **fields: object) -> Snapshot:
    """The bootstrap task shows something else."""
    return msgspec.structs.replace(snapshot, tasks={**snapshot.tasks, 0: msgspec.structs.replace(snapshot.tasks[0], **fields)})


def counting_one_more(snapshot: Snapshot, number: int) -> Snapshot:
    """The port has one more send right."""
    port = snapshot.ports[number]
    return msgspec.structs.replace(snapshot, ports={**snapshot.ports, number: msgspec.structs.replace(port, send_rights=port.send_rights + 1)})


@pytest.mark.parametrize("place", [Place.BOOTSTRAP, Place.ACCESS, Place.REGISTERED_0, Place.EXC_BAD_ACCESS])
def test_a_task_port_in_a_place(judged: Judged, place: Place) -> None:
    snapshot = counting_one_more(judged.run.snapshot, task_port(1))
    kept = {**snapshot.tasks[0].places, place: Entry(SlotKind.SEND, task_port(1))}
    assert broken(with_task(snapshot, places=kept)) == {118}


def test_a_task_port_among_the_hosts(judged: Judged) -> None:
    snapshot = counting_one_more(judged.run.snapshot, task_port(1))
    assert broken(msgspec.structs.replace(snapshot, host_ports={**snapshot.host_ports, 8: Entry(SlotKind.SEND, task_port(1))})) == {118}


@pytest.mark.parametrize("where", ["reply", "body"])
def test_a_task_port_in_a_message(judged: Judged, where: str) -> None:
    name = judged.port()
    judged.send(name, descriptors=((name, Disposition.MAKE_SEND),))
    snapshot = counting_one_more(judged.run.snapshot, task_port(1))
    number = max(snapshot.ports)
    [message] = snapshot.ports[number].queue
    right = Descriptor(Entry(SlotKind.SEND, task_port(1)), Disposition.MOVE_SEND)
    changed = {"reply": right} if where == "reply" else {"body": (right,)}
    port = msgspec.structs.replace(snapshot.ports[number], queue=(msgspec.structs.replace(message, **changed),), send_rights=int(where == "reply"))
    assert broken(msgspec.structs.replace(snapshot, ports={**snapshot.ports, number: port})) == {118}


@pytest.mark.parametrize("instead_of_it", [None, task_port(1)])
def test_a_task_that_takes_itself_for_another(judged: Judged, instead_of_it: int | None) -> None:
    snapshot = judged.run.snapshot
    places = {place: entry for place, entry in snapshot.tasks[0].places.items() if place is not Place.KERNEL}
    ports = {**snapshot.ports, BOOTSTRAP_TASK_PORT: msgspec.structs.replace(snapshot.ports[BOOTSTRAP_TASK_PORT], send_rights=1)}
    snapshot = msgspec.structs.replace(snapshot, ports=ports)
    if instead_of_it is not None:
        places[Place.KERNEL] = Entry(SlotKind.SEND, instead_of_it)
        snapshot = counting_one_more(snapshot, instead_of_it)
    assert broken(with_task(snapshot, places=places)) == {119}


@pytest.mark.parametrize(("profile", "most"), [(MANUAL, MANUAL.urefs_max - 1), (XNU, XNU.urefs_max)])
def test_how_many_references_a_send_right_can_have(profile: Profile, most: int) -> None:
    judged = Judged(profile)
    snapshot, name = judged.run.snapshot, judged.me
    for urefs in (most, most + 1):
        entry = msgspec.structs.replace(snapshot.tasks[0].names[name], urefs=urefs)
        state = with_task(snapshot, names={**snapshot.tasks[0].names, name: entry})
        assert broken(state, profile) == (set() if urefs == most else {7})


def test_what_an_invariant_says_in_a_profile() -> None:
    """Whatever it says, it has one number and one title."""
    for number, invariant in INVARIANTS.items():
        for profile in (MANUAL, XNU):
            assert (of_profile(number, profile).number, of_profile(number, profile).title) == (number, invariant.title)
    assert of_profile(7, MANUAL) is INVARIANTS[7]
    assert of_profile(7, XNU) is not INVARIANTS[7]
