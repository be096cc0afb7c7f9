"""Putting rights into a space and taking them out, by a holder of its task's port."""

from __future__ import annotations

from collections.abc import Iterator

import z3

from sendright.mach.abi.codes import ReturnCode
from sendright.mach.abi.rights import Disposition, PortObject
from sendright.model.calls.carrying import fits, is_immovable, received_form
from sendright.model.calls.entry import on_chosen_name, on_reserved
from sendright.model.calls.looking import LOOKING, looks_at_its_name
from sendright.model.language.actions import clear, clone, drop_held_send, put, put_name
from sendright.model.language.evidence import decided, page, rests_on, suite
from sendright.model.language.rule import ANY_RIGHT, DESTROY, FINISH, Case, Context, Effect, rule
from sendright.model.language.sequences import Driver, Failed, Steps, Value, copy_in, copy_out, run, sequence
from sendright.model.language.sorts import KIND, OBJECT, STAGE, Term
from sendright.model.language.state import After
from sendright.model.language.terms import Int, Message, Name

NO_DISPOSITION = rests_on(
    osf=decided("OSF MK panics on such a number (ipc_object_copyin_type, hazard H-13). We let the call fail, as GNU Mach does."),
    manual=decided("The page says that the type should be one for mach_msg, and not what another one does. We let the call fail, as GNU Mach does."),
)
"""Of a disposition that is none."""


def begin_request(k: Context, after: After, message: Message, task: Name) -> None:
    """Begin a request to ``task`` that will carry one right.

    Its destination is a copy of the right to the task's port.
    """
    after.assumptions.append(after.stage(message) == STAGE.FREE)
    after.at("stage")[message] = STAGE.IN_KERNEL
    after.at("owner")[message] = k.caller
    after.at("body_count")[message] = z3.IntVal(1)
    after.at("layout")[message] = k.sorts.no_descriptors
    after.at("sender_security")[message] = k.before.security(k.caller)
    after.at("sender_audit")[message] = k.before.audit(k.caller)
    after.at("from_kernel")[message] = z3.BoolVal(False)
    clone(after, k.slot(task), k.sorts.Slot.destination_slot(message))


def carries_right(k: Context, disposition: Int, begin: Effect, **outputs: Term) -> Iterator[Case]:
    """Whether the request will carry a right; with these further ``outputs``.

    Some kernels copy in a name that isn't NULL or DEAD with any disposition, and refuse it (``ipc_kmsg_copyin_body`` of
    XNU 792).
    """
    if k.profile.null_fits_any_disposition:
        yield k.continues("the right will be carried", k.otherwise(), begin, carries=z3.BoolVal(True), **outputs)
    else:
        carries = k.is_disposition(disposition)
        none = {"carries": z3.BoolVal(False), **outputs}
        yield k.continues("no right will be carried: no such disposition", z3.Not(carries), begin, evidence=NO_DISPOSITION, **none)
        yield k.continues("the right will be carried", k.otherwise(carries), begin, carries=z3.BoolVal(True), **outputs)


_TRAP = (
    "ipc/mach_kernelrpc.c: _kernelrpc_mach_port_insert_right_trap; ipc/ipc_object.c: ipc_object_copyin, ipc_object_insert_send_right; "
    "ipc/ipc_right.c: ipc_right_copyin, ipc_right_lookup_write"
)


def on_own_right(k: Context, trapped: Term, right: Name, disposition: Int) -> Iterator[Case]:
    """The tests of a trap, which copies the right in itself: its failures have codes of their own.

    Source: ``ipc_right_lookup_write`` and ``ipc_right_copyin`` in ``ipc/ipc_right.c`` of XNU 11417.
    """
    trap = rests_on(xnu=_TRAP)
    entry = k.slot(right)
    unknown = z3.And(trapped, z3.Or(k.reserved(right), k.before.empty(entry)))
    yield k.fails(ReturnCode.KERN_INVALID_NAME, "the right's name denotes nothing", unknown, evidence=trap)
    unfit = z3.And(trapped, z3.Not(fits(k.before, entry, disposition)))
    yield k.fails(ReturnCode.KERN_INVALID_RIGHT, "the right's name has no right for its disposition", unfit, evidence=trap)


@rule(
    "mach_port_insert_right: request",
    evidence=rests_on(
        "ipc/ipc_kmsg.c: ipc_kmsg_copyin_body",
        xnu="ipc/ipc_kmsg.c: ipc_kmsg_copyin_port_descriptor",
        manual=page("mach_port_insert_right", silent=("no right will be carried: no such disposition",)),
    ),
)
def insert_right_request(k: Context, task: Name, name: Name, poly: Name, disposition: Int, *, request_message: Message) -> Iterator[Case]:
    """Begin the request of ``mach_port_insert_right``. It will carry the right, if the disposition exists.

    In XNU 11417 a task inserts rights into its own space by a trap. A send right under the name that it has is not
    copied in at all (``_kernelrpc_mach_port_insert_right_trap`` in ``ipc/mach_kernelrpc.c``,
    ``ipc_object_insert_send_right`` in ``ipc/ipc_object.c``). If a trap fails, the right that it has copied in ends
    alone, not with a message (``alone``).
    """
    # NAMES
    alone = z3.BoolVal(False)

    # CASES
    yield from k.request(task)
    if "mach_port_insert_right" in k.profile.own_calls_are_traps:
        own = alone = k.is_own(task)
        sends = z3.Or(disposition == Disposition.MAKE_SEND, disposition == Disposition.COPY_SEND)
        in_place = z3.And(own, name == poly, sends, k.before.kind(k.slot(poly)) == KIND.DEAD_NAME)
        trap = rests_on(xnu=_TRAP)
        yield from on_own_right(k, z3.And(own, z3.Not(in_place)), poly, disposition)
        yield k.fails(ReturnCode.KERN_INVALID_CAPABILITY, "the name that would get a send right is dead", in_place, evidence=trap)
        if k.profile.has_guards:
            immovable = z3.And(own, is_immovable(k, k.slot(poly), disposition))
            yield k.fails(ReturnCode.KERN_INVALID_CAPABILITY, "the receive right is immovable", immovable, evidence=trap)

    # RIGHTS
    def begin(after: After) -> None:
        begin_request(k, after, request_message, task)

    yield from carries_right(k, disposition, begin, alone=alone)


def _insert_requires(k: Context, message: Message) -> list[Term]:
    S = k.sorts.Slot
    destination, carried = S.destination_slot(message), S.body_slot(message, z3.IntVal(0))
    whole = [k.before.kind(destination) == KIND.SEND, k.before.layout(message) == k.sorts.no_descriptors]
    return [k.in_kernel(message), *whole, k.carries_nothing_but(message, destination, carried)]


@rule(
    requires=_insert_requires,
    computed=("message",),
    without=("task", "poly"),
    evidence=rests_on(
        "ipc/mach_port.c: mach_port_insert_right; ipc/ipc_object.c: ipc_object_copyout_name; ipc/ipc_right.c: ipc_right_copyout",
        xnu=suite(
            "mach_port_insert_right.c: mach_port_insert_right", "the space knows the port by another name", "the send right joins the receive right"
        ),
        manual=page("mach_port_insert_right"),
    ),
)
def mach_port_insert_right(k: Context, message: Message, name: Name, disposition: Int) -> Iterator[Case]:
    """Put the carried right into the target task's space under ``name``.

    On failure the request is destroyed, and the carried right with it (hazard H-11): with a receive right the port
    dies.
    """
    # NAMES
    b, S = k.before, k.sorts.Slot
    destination, carried = S.destination_slot(message), S.body_slot(message, z3.IntVal(0))
    target = b.port(destination)
    is_task = z3.And(b.sends(destination), b.object(target) == OBJECT.of(PortObject.TASK))
    task = b.object_task(target)
    kind, port = b.kind(carried), b.port(carried)
    entry = k.slot(name, task)
    one_name = z3.Or(kind == KIND.SEND, kind == KIND.RECEIVE)
    known = b.known_as(task, port)
    same = z3.And(one_name, known == name)
    # CASES
    yield k.fails(ReturnCode.KERN_INVALID_TASK, "task is not a task's port", z3.Not(is_task))
    yield k.fails(ReturnCode.KERN_INVALID_VALUE, "the name is reserved", k.reserved(name))
    yield k.fails(ReturnCode.KERN_INVALID_VALUE, "no such disposition", z3.Not(k.is_disposition(disposition)))
    null = z3.Or(kind == KIND.NONE, kind == KIND.DEAD_NAME)
    yield k.fails(ReturnCode.KERN_INVALID_CAPABILITY, "the right is null or dead", null)
    yield from on_chosen_name(k, task, name)
    elsewhere = z3.And(one_name, known != k.sorts.null, known != name)
    yield k.fails(ReturnCode.KERN_RIGHT_EXISTS, "the space knows the port by another name", elsewhere)

    # RIGHTS
    def end(after: After) -> None:
        drop_held_send(after, destination)
        after.at("stage")[message] = STAGE.FREE

    def drop(after: After) -> None:
        drop_held_send(after, carried)
        end(after)

    def add_reference(after: After) -> None:
        drop_held_send(after, carried)
        after.at("urefs")[entry] = b.urefs(entry) + 1
        end(after)

    def join_receive(after: After) -> None:
        clear(after, carried)
        put(after, entry, KIND.SEND_RECEIVE, port, 1)
        end(after)

    def receive_into(after: After, kind: Term, urefs: Term | int) -> None:
        clear(after, carried)
        put_name(after, task, name, kind, port, urefs)
        after.at("receiver")[port] = entry
        after.at("mscount")[port] = z3.IntVal(0)
        end(after)

    def join_send(after: After) -> None:
        receive_into(after, KIND.SEND_RECEIVE, b.urefs(entry))

    def new_receive(after: After) -> None:
        receive_into(after, KIND.RECEIVE, 0)

    def new_send(after: After) -> None:
        clear(after, carried)
        put_name(after, task, name, KIND.SEND, port, 1)
        end(after)

    def new_send_once(after: After) -> None:
        clear(after, carried)
        put(after, entry, KIND.SEND_ONCE, port, 1)
        end(after)

    full = z3.And(same, kind == KIND.SEND, b.sends(entry), b.urefs(entry) >= k.send_urefs_max)
    if k.profile.pegged_urefs:
        yield k.succeeds("the name is pegged: the right is dropped", full, drop)
    else:
        yield k.fails(ReturnCode.KERN_UREFS_OVERFLOW, "the name has all references it can have", full)
    yield k.fails(ReturnCode.KERN_NAME_EXISTS, "the name is in use", z3.And(z3.Not(b.empty(entry)), z3.Not(same)))
    send, receive, new = kind == KIND.SEND, kind == KIND.RECEIVE, z3.Not(same)
    adds, joins = z3.And(same, kind == KIND.SEND, b.sends(entry)), z3.And(same, kind == KIND.SEND)
    yield k.succeeds("a user reference is added", k.otherwise(z3.And(adds, z3.Not(full)), tested=adds), add_reference)
    yield k.succeeds("the send right joins the receive right", k.otherwise(z3.And(joins, z3.Not(adds)), tested=joins), join_receive)
    yield k.succeeds("the receive right joins the send right", k.otherwise(z3.And(same, receive), tested=same), join_send)
    yield k.succeeds("a send right under the name", k.otherwise(z3.And(new, send), tested=send), new_send)
    yield k.succeeds("a send-once right under the name", kind == KIND.SEND_ONCE, new_send_once)
    yield k.succeeds("a receive right under the name", k.otherwise(z3.And(new, receive), tested=receive), new_receive)


@sequence("mach_port_insert_right")
def insert_right(d: Driver, poly: Value, disposition: Value) -> Steps:
    """Begin a request; copy the caller's right ``poly`` in to it; put the right into the target's space under ``name``.

    If that fails, the request is destroyed with the right that it carries.
    """
    begun = yield run("mach_port_insert_right: request")
    request = begun["request_message"]
    try:
        yield copy_in(d, request, d.body(request, 0), poly, disposition, when=begun["carries"])
        yield run("mach_port_insert_right", message=request)
    except Failed:
        yield run(DESTROY, message=request, at_once=begun["alone"])
        raise


@rule(
    evidence=rests_on(
        "ipc/mach_port.c: mach_port_extract_right; ipc/ipc_object.c: ipc_object_copyin; ipc/ipc_right.c: ipc_right_lookup_write, ipc_right_copyin",
        xnu=suite("extract_right_soft_fail.c: extract_right_soft_fail", "the right will be taken"),
        manual=page("mach_port_extract_right"),
    )
)
def mach_port_extract_right(k: Context, task: Name, name: Name, disposition: Int, *, reply_message: Message) -> Iterator[Case]:
    """Take a right out of a task's space, as if that task sent it.

    Where rights to tasks' ports are immovable, a task may only copy one that it has itself.
    """
    # NAMES
    b = k.before
    target = k.task_behind(task)
    entry = k.slot(name, target)
    # CASES
    yield from k.request(task)
    yield k.fails(ReturnCode.KERN_INVALID_TASK, "task is not a task's port", z3.Not(k.object(task, PortObject.TASK)))
    yield k.fails(ReturnCode.KERN_INVALID_VALUE, "no such disposition", z3.Not(k.is_disposition(disposition)))
    yield from on_reserved(k, name)
    yield k.fails(ReturnCode.KERN_INVALID_NAME, "the name denotes nothing", b.empty(entry))
    yield k.fails(ReturnCode.KERN_INVALID_RIGHT, "the name has no right for this disposition", z3.Not(fits(b, entry, disposition)))
    if k.profile.immovable_objects:
        own = z3.And(disposition == Disposition.COPY_SEND, target == k.caller)
        stays = z3.And(k.stays(entry), z3.Not(own))
        yield k.fails(ReturnCode.KERN_INVALID_CAPABILITY, "a right to a task's port is immovable", stays)

    if k.profile.has_guards:
        yield k.fails(ReturnCode.KERN_INVALID_CAPABILITY, "the receive right is immovable", is_immovable(k, entry, disposition))

    # REPLY: the right is copied in to the reply from the target's space, then copied out
    def begin(after: After) -> None:
        k.begin_reply(after, reply_message, 1)

    yield k.continues("the right will be taken", k.otherwise(), begin, space=target, acquired=received_form(disposition))


@sequence("mach_port_extract_right")
def extract_right(d: Driver, task: Value, name: Value, disposition: Value) -> Steps:
    """Copy the tested right from the target's space in to a reply; copy the reply out. ``poly`` names the right."""
    tested = yield run("mach_port_extract_right")
    reply = tested["reply_message"]
    place = d.body(reply, 0)
    yield copy_in(d, reply, place, name, disposition, space=tested["space"], control=task, cannot_fail=True)
    yield copy_out(reply, place, "poly", since=tested)
    yield run(FINISH, message=reply, since=tested)


looks_at_its_name("mach_port_extract_right", lambda arguments, profile: ANY_RIGHT if arguments["disposition"] in LOOKING else None)
