"""The names of a space: give up, count, list."""

from __future__ import annotations

from collections.abc import Iterator

import z3

from sendright.mach.abi.codes import ReturnCode
from sendright.mach.abi.rights import Right
from sendright.model.calls.entry import Entry, on_reserved, on_space
from sendright.model.calls.looking import looks_at_its_name
from sendright.model.language.evidence import decided, page, read, rests_on, suite
from sendright.model.language.rule import ANY_RIGHT, Case, Context, Otherwise, rule
from sendright.model.language.sorts import KIND, Term
from sendright.model.language.terms import Int, Message, Name

UNKNOWN_GIVEN_UP = rests_on(
    manual=decided("The page mach_port_deallocate says success. All kernels whose source we read answer KERN_INVALID_NAME (ipc_right_lookup_write).")
)
"""Of a name that denotes nothing, in ``mach_port_deallocate``."""
_STRANDED = read("ipc/mach_port.c: mach_port_mod_refs; ipc/ipc_right.c: ipc_right_lookup_write, ipc_right_delta") + decided(
    "The dead-name request of a name that loses RECEIVE beside SEND stays with the port there (H-8). We let it fire at once."
)
STRANDED = rests_on(osf=_STRANDED, xnu_792=_STRANDED, gnumach=_STRANDED)
"""Of a name whose port is redirected, and which is a dead name from then on."""


@rule(
    evidence=rests_on(
        "ipc/mach_port.c: mach_port_deallocate; ipc/ipc_right.c: ipc_right_lookup_write, ipc_right_dealloc",
        gnumach=suite("test-mach_port.c: test_mach_port", "the dead name is freed"),
        xnu=read("ipc/mach_port.c: mach_port_deallocate_kernel; ipc/ipc_right.c: ipc_right_lookup_write, ipc_right_dealloc")
        + suite("mach_port_deallocate_21692215.c: mach_port_deallocate", "the port set is destroyed"),
        manual=page("mach_port_deallocate"),
    )
)
def mach_port_deallocate(k: Context, task: Name, name: Name, *, notification: Message) -> Iterator[Case]:
    """Give up one user reference of a send right, send-once right or dead name; in some kernels also a port set."""
    # NAMES
    e = Entry(k, task, name)
    # CASES
    yield from on_space(k, task)
    yield from on_reserved(k, name, code=ReturnCode.KERN_SUCCESS, title="nothing is given up: NULL or DEAD")
    yield k.fails(ReturnCode.KERN_INVALID_NAME, "the name denotes nothing", e.unknown, evidence=UNKNOWN_GIVEN_UP)
    if k.profile.deallocate_destroys_set:
        yield k.fails(ReturnCode.KERN_INVALID_RIGHT, "a pure receive right", e.kind == KIND.RECEIVE)
    else:
        yield k.fails(ReturnCode.KERN_INVALID_RIGHT, "a pure receive right or a port set", z3.Or(e.kind == KIND.RECEIVE, e.is_set))
    # RIGHTS
    if k.profile.deallocate_destroys_set:
        yield k.succeeds("the port set is destroyed", e.is_set, e.free)
    yield k.succeeds("the send-once right becomes a notification", e.is_send_once, e.release_send_once(notification))
    if k.profile.pegged_urefs:
        yield k.succeeds("the name is pegged: it keeps its references", e.is_pegged)
    last = e.urefs <= 1
    several = k.otherwise(z3.And(e.urefs > 1, z3.Not(z3.And(k.profile.pegged_urefs, e.is_pegged))), tested=e.urefs > 1)
    yield k.succeeds("one of several references goes", several, e.add_references(-1))
    yield k.succeeds("the dead name is freed", k.otherwise(z3.And(e.is_dead, last), tested=e.is_dead), e.free)
    yield k.succeeds("the last send reference goes", k.otherwise(z3.And(e.is_send, last), tested=e.is_send), e.release_send)
    beside = k.otherwise(z3.And(e.is_both, last), tested=e.sends)
    yield k.succeeds("the last send reference goes, the receive right stays", beside, e.release_send_beside_receive)


@rule(
    evidence=rests_on(
        "ipc/mach_port.c: mach_port_destroy; ipc/ipc_right.c: ipc_right_lookup_write, ipc_right_destroy",
        gnumach=suite(
            "test-mach_port.c: test_mach_port",
            "the dead name or port set is freed",
            "the receive right goes, and its port dies unless port-destroyed is registered",
        ),
        manual=page("mach_port_destroy"),
    )
)
def mach_port_destroy(k: Context, task: Name, name: Name, *, notification: Message) -> Iterator[Case]:
    """Give up everything that a name denotes."""
    # NAMES
    e = Entry(k, task, name)
    # CASES
    yield from on_space(k, task)
    yield from on_reserved(k, name, code=ReturnCode.KERN_SUCCESS, title="nothing is given up: NULL or DEAD")
    yield k.fails(ReturnCode.KERN_INVALID_NAME, "the name denotes nothing", e.unknown)
    yield from e.guarded_against(k.before.context(e.port) != 0)
    # RIGHTS
    yield k.succeeds("the dead name or port set is freed", z3.Or(e.is_dead, e.is_set), e.free)
    yield k.succeeds("the send-once right becomes a notification", e.is_send_once, e.release_send_once(notification))
    yield k.succeeds("the send right goes with all references", e.kind == KIND.SEND, e.release_send)
    yield k.succeeds("the receive right goes, and its port dies unless port-destroyed is registered", e.receives, e.release_all)


@rule(
    evidence=rests_on(
        "ipc/mach_port.c: mach_port_mod_refs; ipc/ipc_right.c: ipc_right_lookup_write, ipc_right_delta",
        xnu=suite(
            "mach_port_mod_refs.c: mach_port_mod_refs",
            "no such kind of right",
            "the name has no right of this kind",
            "the port set is destroyed",
            "the receive right goes, and its port dies",
        ),
        manual=page("mach_port_mod_refs", silent=("the receive right goes to the port-destroyed requester",)),
    )
)
def mach_port_mod_refs(k: Context, task: Name, name: Name, right: Int, delta: Int, *, notification: Message) -> Iterator[Case]:
    """Add to (or take from) the user references of one kind of right under a name.

    Where references are pegged, a count that reaches the limit stays there until all references are given up at once.
    XNU 11417 has one more kind of right, which no name has (``MACH_PORT_RIGHT_LABELH``; ``ipc_right_delta``).
    """
    # NAMES
    e = Entry(k, task, name)
    sum_ = e.urefs + delta

    def asked(kind: Right) -> Term:
        return right == int(kind)

    # CASES
    yield from on_space(k, task)
    yield k.fails(ReturnCode.KERN_INVALID_VALUE, "no such kind of right", z3.Or(right < 0, right >= k.profile.right_number))
    yield from on_reserved(
        k, name, code=ReturnCode.KERN_SUCCESS, when=z3.Or(asked(Right.SEND), asked(Right.SEND_ONCE)), title="nothing is counted: NULL or DEAD"
    )
    yield k.fails(ReturnCode.KERN_INVALID_NAME, "the name denotes nothing", e.unknown)
    has = z3.Or(
        z3.And(asked(Right.SEND), e.sends),
        z3.And(asked(Right.RECEIVE), e.receives),
        z3.And(asked(Right.SEND_ONCE), e.is_send_once),
        z3.And(asked(Right.PORT_SET), e.is_set),
        z3.And(asked(Right.DEAD_NAME), e.is_dead),
    )
    yield k.fails(ReturnCode.KERN_INVALID_RIGHT, "the name has no right of this kind", z3.Not(has))
    counted = z3.Or(asked(Right.SEND), asked(Right.DEAD_NAME))
    stays = z3.BoolVal(False)
    if k.profile.pegged_urefs:
        beyond = z3.And(counted, z3.Or(delta > k.urefs_max, delta < -k.urefs_max))
        yield k.fails(ReturnCode.KERN_INVALID_VALUE, "more references than any name can have", beyond)
        stays = z3.And(counted, e.is_pegged, delta != -k.urefs_max)
        yield k.succeeds("the name is pegged: it keeps its references", stays)
    unfit = z3.If(counted, sum_ < 0, z3.And(delta != 0, delta != -1))
    yield k.fails(ReturnCode.KERN_INVALID_VALUE, "no such reference count", unfit)
    if k.profile.pegged_urefs:
        full = z3.And(counted, sum_ > k.urefs_max)
        yield k.succeeds("the name has all references it can have, and is pegged", k.otherwise(z3.And(full, z3.Not(stays)), tested=full), e.peg)
    else:
        most = z3.If(asked(Right.SEND), k.urefs_max - 1, k.urefs_max)
        yield k.fails(ReturnCode.KERN_UREFS_OVERFLOW, "more references than a name can have", z3.And(counted, delta > 0, sum_ > most))
    yield from e.guarded_against(z3.And(asked(Right.RECEIVE), delta == -1))

    # RIGHTS
    def left(meaning: Term, tested: Term) -> Otherwise:
        """References are added or taken, and the name isn't pegged."""
        return k.otherwise(z3.And(delta != 0, z3.Not(stays), meaning), tested=tested)

    sends, receives, once, dead = (asked(each) for each in (Right.SEND, Right.RECEIVE, Right.SEND_ONCE, Right.DEAD_NAME))
    yield k.succeeds("nothing is added", k.otherwise(z3.And(delta == 0, z3.Not(stays)), tested=delta == 0))
    some = z3.And(counted, sum_ > 0)
    most = z3.Or(z3.Not(k.profile.pegged_urefs), sum_ <= k.urefs_max)
    yield k.succeeds("references are added or taken", left(z3.And(some, most), tested=some), e.add_references(delta))
    yield k.succeeds("the port set is destroyed", left(asked(Right.PORT_SET), tested=asked(Right.PORT_SET)), e.free)
    rescued = z3.And(receives, e.has_port_destroyed_request)
    goes = left(rescued, tested=rescued)
    yield k.succeeds("the receive right goes to the port-destroyed requester", goes, e.give_up_receive, evidence=STRANDED)
    dies = left(z3.And(receives, z3.Not(e.has_port_destroyed_request)), tested=receives)
    yield k.succeeds("the receive right goes, and its port dies", dies, e.kill_port)
    yield k.succeeds("the send-once right becomes a notification", left(once, tested=once), e.release_send_once(notification))
    yield k.succeeds("the dead name is freed", left(z3.And(dead, sum_ == 0), tested=dead), e.free)
    yield k.succeeds("all send references go", left(z3.And(sends, e.is_send, sum_ == 0), tested=e.is_send), e.release_send)
    beside = left(z3.And(sends, e.is_both, sum_ == 0), tested=e.sends)
    yield k.succeeds("all send references go, the receive right stays", beside, e.release_send_beside_receive)


@rule(
    evidence=rests_on(
        "ipc/mach_port.c: mach_port_get_refs; ipc/ipc_right.c: ipc_right_lookup_write, ipc_right_info",
        gnumach=suite("test-mach_port.c: test_mach_port", "the user references", "one"),
        manual=page("mach_port_get_refs"),
    )
)
def mach_port_get_refs(k: Context, task: Name, name: Name, right: Int) -> Iterator[Case]:
    """Count the user references of one kind of right under a name: 0 if it has none."""
    # NAMES
    e = Entry(k, task, name)

    def asked(kind: Right) -> Term:
        return right == int(kind)

    # CASES
    yield from on_space(k, task)
    yield k.fails(ReturnCode.KERN_INVALID_VALUE, "no such kind of right", z3.Or(right < 0, right >= k.profile.right_number))
    sending = z3.Or(asked(Right.SEND), asked(Right.SEND_ONCE))
    yield from on_reserved(k, name, code=ReturnCode.KERN_SUCCESS, when=sending, title="one, for NULL or DEAD", refs=z3.IntVal(1))
    yield k.fails(ReturnCode.KERN_INVALID_NAME, "the name denotes nothing", e.unknown)
    # REPLY
    counted = z3.Or(z3.And(asked(Right.SEND), e.sends), z3.And(asked(Right.DEAD_NAME), e.is_dead))
    one = z3.Or(z3.And(asked(Right.RECEIVE), e.receives), z3.And(asked(Right.SEND_ONCE), e.is_send_once), z3.And(asked(Right.PORT_SET), e.is_set))
    yield k.succeeds("the user references", counted, refs=e.urefs)
    yield k.succeeds("one", one, refs=z3.IntVal(1))
    yield k.succeeds("none of this kind", k.otherwise(z3.Not(z3.Or(counted, one))), refs=z3.IntVal(0))


@rule(
    evidence=rests_on(
        "ipc/mach_port.c: mach_port_type; ipc/ipc_right.c: ipc_right_lookup_write, ipc_right_info",
        gnumach=suite("test-mach_port.c: test_mach_port", "the kind of the entry"),
        manual=page("mach_port_type"),
    )
)
def mach_port_type(k: Context, task: Name, name: Name) -> Iterator[Case]:
    """Say which rights a name denotes."""
    # NAMES
    e = Entry(k, task, name)
    # CASES
    yield from on_space(k, task)
    yield from on_reserved(k, name, code=ReturnCode.KERN_SUCCESS, when=name == k.sorts.dead, title="DEAD is a dead name", type=KIND.DEAD_NAME)
    yield k.fails(ReturnCode.KERN_INVALID_NAME, "the name denotes nothing", e.unknown)
    # REPLY
    yield k.succeeds("the kind of the entry", k.otherwise(), type=e.kind)


@rule(
    evidence=rests_on(
        "ipc/mach_port.c: mach_port_names, mach_port_names_helper",
        gnumach=suite("test-mach_port.c: test_mach_port", "all names and their types"),
        manual=page("mach_port_names"),
    )
)
def mach_port_names(k: Context, task: Name) -> Iterator[Case]:
    """List the names of a space and what each denotes."""
    # CASES
    yield from on_space(k, task)
    # REPLY: all names of the space (the oracle lists them, since a list has no term)
    yield k.succeeds("all names and their types", k.otherwise(), names_of=k.task_behind(task))


looks_at_its_name("mach_port_deallocate", lambda arguments, profile: ANY_RIGHT)
looks_at_its_name("mach_port_mod_refs", lambda arguments, profile: arguments["right"])
looks_at_its_name("mach_port_get_refs", lambda arguments, profile: ANY_RIGHT if 0 <= arguments["right"] < profile.right_number else None)
looks_at_its_name("mach_port_type", lambda arguments, profile: ANY_RIGHT)
