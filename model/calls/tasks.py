"""Tasks and tokens: creation, termination, information, the two self traps."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import z3

from sendright.mach.abi.codes import ReturnCode
from sendright.mach.abi.descriptors import NO_PAGE
from sendright.mach.abi.rights import Place, PortObject
from sendright.mach.abi.tokens import AUDIT_TOKEN_WORDS, SECURITY_TOKEN_WORDS, TASK_AUDIT_TOKEN, TASK_SECURITY_TOKEN
from sendright.mach.kernel.profiles import HostSelf, LedgerRule
from sendright.model.language.actions import (
    clone,
    clone_to_user,
    drop_held_send,
    lose_right,
    make_kernel_port,
    make_send,
    place_slot,
    put,
    queue_message,
    take_room,
)
from sendright.model.language.choices import choose_copies
from sendright.model.language.evidence import decided, page, ran, read, rests_on, suite
from sendright.model.language.release import lose_memory, release
from sendright.model.language.rule import CREATION_RESUMED, Case, Context, Otherwise, rule
from sendright.model.language.sorts import INHERITANCE, KIND, LIFE, OBJECT, PLACE, PROCESS, STAGE, WAIT, Term
from sendright.model.language.state import After, exception_fields
from sendright.model.language.terms import Array, AuditToken, Bool, Function, Int, Message, Name, Object, Port, SecurityToken, Task

_NOT_INHERITED = (Place.KERNEL, Place.WIRED_LEDGER, Place.PAGED_LEDGER, Place.DEBUG_CONTROL, Place.RESOURCE_NOTIFY)
"""Places for which a new task gets rights of its own, or none. (``ipc_task_init`` in ``kern/ipc_tt.c`` of XNU 11417)"""
_INHERITED_FROM_USERS = (Place.BOOTSTRAP, Place.ACCESS)
"""Places, beside those of exceptions, of whose right to a kernel object's port a new task gets nothing, where calls
report such rights as null."""


@dataclass(frozen=True)
class NewTask:
    """The child of ``parent`` that a call makes: the ``task`` and ``port`` that the kernel chooses."""

    k: Context
    parent: Term
    task: Task
    port: Port

    def lacks_exception_port(self, place: Place) -> Term | None:
        """When the task doesn't inherit the right in this place of exceptions; None: it always does."""
        return None

    def make(self, after: After, host_port: Term | None = None) -> None:
        """Make the task with what it gets from its parent except ledgers and memory, and with ``host_port`` if one is
        given.
        """
        k, b = self.k, self.k.before
        child, port, parent = self.task, self.port, self.parent
        after.assumptions.append(b.task_life(child) == LIFE.UNBORN)
        # the task and its port; its name space is empty
        make_kernel_port(after, port, PortObject.TASK, k.queue_limit)
        after.at("object_task")[port] = child
        after.at("task_life")[child] = LIFE.ALIVE
        after.at("task_port")[child] = port
        after.at("suspend_count")[child] = z3.IntVal(0)
        for kind in k.profile.further_ports:
            after.at("flavour_port")[(child, OBJECT.of(kind))] = k.sorts.no_port
        # RIGHTS: a self port of its own, clones of the parent's other places
        make_send(after, place_slot(after, child, Place.KERNEL), port)
        for place in k.profile.places:
            if place is Place.HOST and host_port is not None:
                make_send(after, place_slot(after, child, place), host_port)
            elif place not in _NOT_INHERITED:
                source, slot = place_slot(after, parent, place), place_slot(after, child, place)
                if place in k.profile.exception_places:
                    clone_to_user(after, source, slot, unless=self.lacks_exception_port(place))
                else:
                    (clone_to_user if place in _INHERITED_FROM_USERS else clone)(after, source, slot)
        for place in k.profile.exception_places:
            for field in exception_fields(k.profile):
                after.at(field)[(child, PLACE.of(place))] = b.fields[field](parent, PLACE.of(place))
            after.at("had")[place_slot(after, child, place)] = k.sorts.no_port
        # TOKENS: the parent's
        after.at("security")[child] = b.security(parent)
        after.at("audit")[child] = b.audit(parent)


def inherit_memory(
    k: Context, after: After, parent: Term, child: Task, when: Term, object_of: Function[Int, Object], page_of: Function[Object, Int]
) -> None:
    """Page by page (if ``when``): SHARE gives the same object, COPY a new one with the same contents, NONE nothing.

    Otherwise the child gets nothing. ``object_of``: for each copied page the new object; ``page_of``: for each such
    object its page.
    """
    b, none = k.before, k.sorts.no_object

    def copied(page: Term) -> Term:
        return z3.And(when, b.mapped(parent, page) != none, b.inheritance(parent, page) == INHERITANCE.INHERIT_COPY)

    def shared(page: Term) -> Term:
        return z3.And(when, b.mapped(parent, page) != none, b.inheritance(parent, page) == INHERITANCE.INHERIT_SHARE)

    choose_copies(after, copied, object_of, page_of)

    def created(object_: Term) -> Term:
        return z3.And(copied(page_of(object_)), object_of(page_of(object_)) == object_)

    after.sweep(
        "mapped",
        "pages",
        lambda t, p: (t == child, z3.If(shared(p), b.mapped(parent, p), z3.If(copied(p), object_of(p), none))),
    )
    after.sweep("inheritance", "pages", lambda t, p: (t == child, b.inheritance(parent, p)))
    after.sweep("object_made", "copied objects", lambda o: (created(o), z3.BoolVal(True)))
    after.sweep("content", "copied objects", lambda o: (created(o), b.content(b.mapped(parent, page_of(o)))))
    after.sweep("carrier_index", "copied objects", lambda o: (created(o), z3.IntVal(NO_PAGE)))


@dataclass(frozen=True)
class _Child(NewTask):
    """The child of a call that says on which ledgers it draws, and whether it inherits memory."""

    ledgers: Array[Name]
    ledgers_length: Int
    inherit_memory: Bool
    copied_object: Function[Int, Object]
    copied_page: Function[Object, Int]

    def create(self, after: After, reply_message: Message, host_port: Term | None = None) -> None:
        """Make the child, and give the caller a send right to its port."""
        self.make(after, host_port)
        # REPLY
        [result] = self.k.begin_reply(after, reply_message, 1)
        make_send(after, result, self.port)

    def make(self, after: After, host_port: Term | None = None) -> None:
        """Make the child with what it gets from its parent, and with ``host_port`` if one is given."""
        super().make(after, host_port)
        self._draw_on_ledgers(after)
        inherit_memory(self.k, after, self.parent, self.task, self.inherit_memory, self.copied_object, self.copied_page)

    def _draw_on_ledgers(self, after: After) -> None:
        """The child draws on the given ledgers if there are exactly two and both are ledgers, else on the parent's.

        The profile may say otherwise.
        """
        k, b, rule_, parent, child = self.k, self.k.before, self.k.profile.ledger_rule, self.parent, self.task
        if rule_ is LedgerRule.NONE:
            return
        wired, paged = b.wired(parent), b.paged(parent)
        if rule_ is LedgerRule.MANUAL:
            first, second = self.ledgers(0), self.ledgers(1)
            given = z3.And(self.ledgers_length == 2, k.object(first, PortObject.LEDGER), k.object(second, PortObject.LEDGER))
            wired = z3.If(given, b.port(k.slot(first)), wired)
            paged = z3.If(given, b.port(k.slot(second)), paged)
        else:
            wired_slot, paged_slot = place_slot(b, parent, Place.WIRED_LEDGER), place_slot(b, parent, Place.PAGED_LEDGER)
            ledger = OBJECT.of(PortObject.LEDGER)
            wired = z3.If(z3.And(b.sends(wired_slot), b.object(b.port(wired_slot)) == ledger), b.port(wired_slot), wired)
            paged = z3.If(z3.And(b.sends(paged_slot), b.object(b.port(paged_slot)) == ledger), b.port(paged_slot), paged)
        after.at("wired")[child] = wired
        after.at("paged")[child] = paged
        make_send(after, place_slot(after, child, Place.WIRED_LEDGER), wired)
        make_send(after, place_slot(after, child, Place.PAGED_LEDGER), paged)


def ports_of(k: Context, task: Term) -> list[Term]:
    """The ports that stand for ``task``: its own, and its further ones (NO_PORT for one that wasn't made)."""
    b = k.before
    return [b.task_port(task), *[b.flavour_port(task, OBJECT.of(kind)) for kind in k.profile.further_ports]]


def set_tokens(k: Context, after: After, task: Term, security: Term, audit: Term) -> None:
    """Give ``task`` these tokens. In a kernel without audit tokens the audit token stays as it is."""
    after.at("security")[task] = security
    if k.profile.audit_tokens:
        after.at("audit")[task] = audit


def set_host(after: After, task: Term, host_port: Term) -> None:
    """Make ``host_port`` the host port of ``task``. The old right is given up."""
    held = place_slot(after, task, Place.HOST)
    drop_held_send(after, held)
    make_send(after, held, host_port)


def host_granted(k: Context, host: Name) -> Iterator[tuple[str, Term | Otherwise, Term]]:
    """The host port that a task gets by the argument ``host`` of a token call: (which, when, the port), in the order of
    the tests.
    """
    privileged, port = k.object(host, PortObject.HOST_PRIV), k.before.port(k.slot(host))
    if not k.profile.host_is_checked:  # hazard H-4
        privileged, port = z3.Or(privileged, k.object(host, PortObject.HOST)), k.sorts.host_priv_port
    yield "privileged", privileged, port
    yield "ordinary", k.otherwise(z3.Not(privileged)), k.sorts.host_port


def _token_request(
    k: Context, host_security: Name, task: Name, *others: Name, called: str, arrays: dict[str, tuple[Array[Name], Int]] | None = None
) -> Iterator[Case]:
    """The first tests of both token calls.

    ``called`` is the argument that names the task. Some kernels send the request to that task, others to the security
    port.
    """
    if k.profile.task_is_target:
        yield from k.request(task, host_security, *others, called=called, arrays=arrays)
    else:
        yield from k.request(host_security, task, *others, called="host_security", arrays=arrays)
    yield k.fails(ReturnCode.KERN_INVALID_ARGUMENT, f"{called} is not a task's port", z3.Not(k.object(task, PortObject.TASK)))
    security = k.object(host_security, PortObject.HOST_SECURITY)
    yield k.fails(ReturnCode.KERN_INVALID_SECURITY, "host_security is not the security port", z3.Not(security))


@rule(
    evidence=rests_on(
        osf="kern/task.c: task_create_security_token, task_create_local; kern/ipc_host.c: convert_port_to_host_security",
        xnu_792="kern/task.c: host_security_create_task_token, task_create_internal, host_security_set_task_token; "
        "kern/ipc_host.c: convert_port_to_host_security",
        manual=page("host_security_create_task_token"),
    )
)
def host_security_create_task_token(
    k: Context,
    host_security: Name,
    parent_task: Name,
    security_token: SecurityToken,
    audit_token: AuditToken,
    host: Name,
    ledgers: Array[Name],
    ledgers_length: Int,
    inherit_memory: Bool,
    shortage: Int,
    stop: Bool,
    *,
    child: Task,
    child_port: Port,
    reply_message: Message,
    copied_object: Function[Int, Object],
    copied_page: Function[Object, Int],
    out_of_memory: Bool,
) -> Iterator[Case]:
    """Create a task with explicit security and audit tokens.

    The host security port is the authority for this call. Except for the tokens (and the host port, where the call has
    the argument ``host``), the child is as if made by ``task_create``. The child has its tokens from the first moment.
    If the call fails there is no child. Some kernels give the tokens in a second step, and can be stopped before it
    (hazard H-2). Source: the manual page.
    """
    # NAMES
    parent = k.task_behind(parent_task)
    new = _Child(k, parent, child, child_port, ledgers, ledgers_length, inherit_memory, copied_object, copied_page)
    takes_host = k.profile.takes("host_security_create_task_token", "host")

    # CASES
    others = [host] if takes_host else []
    yield from _token_request(k, host_security, parent_task, *others, called="parent_task", arrays={"ledgers": (ledgers, ledgers_length)})
    yield k.lacks_memory(shortage, out_of_memory)

    # RIGHTS
    def make_and_stop(after: After) -> None:
        new.make(after)
        after.at("wait")[k.caller] = WAIT.CREATING
        after.at("waits_child")[k.caller] = child
        after.at("waits_security")[k.caller] = security_token
        after.at("waits_audit")[k.caller] = audit_token
        host_port = k.sorts.host_port
        for _, when, port in reversed(list(host_granted(k, host)) if takes_host else []):
            host_port = z3.If(when.tested if isinstance(when, Otherwise) else when, port, host_port)
        after.at("waits_host")[k.caller] = host_port

    if k.profile.tokens_in_two_steps:
        yield k.fails(ReturnCode.MACH_RCV_IN_PROGRESS, "a child with its parent's tokens; the call stops", stop, make_and_stop)

    def create(after: After, host_port: Term | None = None) -> None:
        new.create(after, reply_message, host_port)
        # TOKENS
        set_tokens(k, after, child, security_token, audit_token)

    # REPLY
    if takes_host:
        for which, when, port in host_granted(k, host):
            title = f"a child with the given tokens and the {which} host port"
            yield k.succeeds(title, when, partial(create, host_port=port), replies=1)
    else:
        yield k.succeeds("a child with the given tokens", k.otherwise(), create, replies=1)


@rule(
    CREATION_RESUMED,
    resumes="CREATING",
    applies=lambda profile: profile.tokens_in_two_steps,
    evidence=rests_on(xnu_792="kern/task.c: host_security_create_task_token, host_security_set_task_token"),
)
def resume_creation(k: Context, *, reply_message: Message) -> Iterator[Case]:
    """Give the child that the caller has made its tokens and its host port.

    The child may have ended by now. (Hazard H-2.)
    """
    # NAMES
    b = k.before
    child = b.waits_child(k.caller)

    # RIGHTS
    def go_on(after: After) -> None:
        after.at("wait")[k.caller] = WAIT.NOTHING
        if k.profile.takes("host_security_create_task_token", "host"):
            set_host(after, child, b.waits_host(k.caller))
        # TOKENS
        set_tokens(k, after, child, b.waits_security(k.caller), b.waits_audit(k.caller))

    # REPLY
    def give(after: After) -> None:
        go_on(after)
        [result] = k.begin_reply(after, reply_message, 1)
        make_send(after, result, b.task_port(child))

    def give_dead(after: After) -> None:
        after.at("wait")[k.caller] = WAIT.NOTHING
        [result] = k.begin_reply(after, reply_message, 1)
        put(after, result, KIND.DEAD_NAME, k.sorts.no_port)

    yield k.succeeds("the child gets its tokens", b.alive(child), give, replies=1)
    yield k.succeeds("the child has ended: the result is dead", k.otherwise(z3.Not(b.alive(child))), give_dead, replies=1)


@rule(
    evidence=rests_on(
        osf="kern/task.c: task_create, task_create_local; kern/ipc_tt.c: ipc_task_init",
        xnu_792="kern/task.c: task_create, task_create_internal; kern/ipc_tt.c: ipc_task_init",
        gnumach=read("kern/task.c: task_create, task_create_kernel; kern/ipc_tt.c: ipc_task_init")
        + suite("test-task.c: test_new_task", "a child like its parent"),
        manual=page("task_create"),
    )
)
def task_create(
    k: Context,
    parent_task: Name,
    ledgers: Array[Name],
    ledgers_length: Int,
    inherit_memory: Bool,
    shortage: Int,
    *,
    child: Task,
    child_port: Port,
    reply_message: Message,
    copied_object: Function[Int, Object],
    copied_page: Function[Object, Int],
    out_of_memory: Bool,
) -> Iterator[Case]:
    """Create a task that inherits its parent's tokens, places, ledgers and, on request, memory."""
    # NAMES
    new = _Child(k, k.task_behind(parent_task), child, child_port, ledgers, ledgers_length, inherit_memory, copied_object, copied_page)

    # CASES
    arrays = {"ledgers": (ledgers, ledgers_length)} if k.profile.takes("task_create", "ledgers") else {}
    yield from k.request(parent_task, called="parent_task", arrays=arrays)
    yield k.fails(k.profile.null_parent_code, "parent_task is not a task's port", z3.Not(k.object(parent_task, PortObject.TASK)))
    yield k.lacks_memory(shortage, out_of_memory)
    # REPLY
    yield k.succeeds("a child like its parent", k.otherwise(), lambda after: new.create(after, reply_message), replies=1)


@rule(
    evidence=rests_on(
        osf="kern/task.c: task_set_security_token; kern/ipc_host.c: convert_port_to_host_security",
        xnu_792="kern/task.c: host_security_set_task_token; kern/ipc_host.c: convert_port_to_host_security, convert_port_to_host",
        manual=page("host_security_set_task_token", silent=("tokens and the ordinary host port are set",)),
    )
)
def host_security_set_task_token(
    k: Context, host_security: Name, target_task: Name, security_token: SecurityToken, audit_token: AuditToken, host: Name
) -> Iterator[Case]:
    """Change both of a task's tokens in one step, and its host port. The task gets the privileged one only if the
    caller presented that very port.

    (With the fix of hazard H-4.)
    """
    # NAMES
    task = k.task_behind(target_task)

    # CASES
    others = [host] if k.profile.takes("host_security_set_task_token", "host") else []
    yield from _token_request(k, host_security, target_task, *others, called="target_task")

    # RIGHTS
    def set_both(after: After, host_port: Term | None) -> None:
        if host_port is not None:
            set_host(after, task, host_port)
        # TOKENS
        set_tokens(k, after, task, security_token, audit_token)

    if k.profile.host_place:
        for which, when, port in host_granted(k, host):
            yield k.succeeds(f"tokens and the {which} host port are set", when, partial(set_both, host_port=port))
    else:
        yield k.succeeds("the token is set", k.otherwise(), lambda after: set_both(after, None))


def end_task(k: Context, after: After, task: Term, sending: Term) -> None:
    """End ``task``: its names, its places and its ports, its memory, and (if it is ``sending``) the message with which
    it waits.
    """
    message = k.before.waits_with(task)

    def its(slot: Term) -> Term:
        return z3.Or(k.sorts.of_task(slot, task), z3.And(sending, k.sorts.slots_of_message(slot, message)))

    release(after, its, lambda port: z3.Or(*[port == own for own in ports_of(k, task)]))
    if not z3.is_false(sending):
        lose_memory(after, message, sending)
        gone = {"stage": STAGE.FREE} | ({"room": k.sorts.no_port} if k.profile.room_is_given else {})
        after.store_all((message,), gone, sending)
    after.at("wait")[task] = WAIT.NOTHING
    after.at("will_receive")[task] = z3.BoolVal(False)
    after.at("task_life")[task] = LIFE.ENDED
    after.sweep("mapped", "pages", lambda t, p: (t == task, k.sorts.no_object))


_QUEUED_FIRST = decided("XNU doesn't determine whether the message is queued before the task's rights end. We queue it first.")
WOKEN_SENDER = rests_on(
    xnu_792=read("ipc/ipc_mqueue.c: ipc_mqueue_send, ipc_mqueue_release_msgcount") + _QUEUED_FIRST,
    xnu=read("ipc/ipc_mqueue.c: ipc_mqueue_send_locked, ipc_mqueue_release_msgcount") + _QUEUED_FIRST,
)
"""Of a task that ends while it has room for the message that it sends."""


LOST_ANSWER = rests_on(xnu="kern/thread.c: thread_terminate_self; ipc/ipc_kmsg.c: ipc_kmsg_send")
"""Of a task that ends while an answer of the kernel's to it waits for room."""


@rule(
    evidence=rests_on(
        "kern/task.c: task_terminate; kern/ipc_tt.c: ipc_task_terminate; ipc/ipc_space.c: ipc_space_destroy",
        gnumach=suite("test-task.c: test_new_task", "the task ends"),
        xnu_792="kern/task.c: task_terminate, task_terminate_internal; kern/ipc_tt.c: ipc_task_terminate; ipc/ipc_space.c: ipc_space_destroy",
        xnu=read("kern/task.c: task_terminate, task_terminate_internal; kern/ipc_tt.c: ipc_task_terminate; ipc/ipc_space.c: ipc_space_terminate")
        + ran("XNU 11417's own code ended tasks: 29,052 notifications in 424,353 calls came in the order of the names.", "the task ends"),
        manual=page("task_terminate"),
    )
)
def task_terminate(k: Context, task: Name) -> Iterator[Case]:
    """End a task.

    All its rights are given up, also those of the call that it waits in. Its port dies and its memory goes. In XNU a
    message that has room by then is queued (its sender goes on in ``ipc_mqueue_send``), and a process's task isn't
    ended so: ``exit`` or a signal does that. An answer of the kernel's without room is lost there with its right
    (``ipc_kmsg_send`` in ``ipc/ipc_kmsg.c`` of XNU 11417).
    """
    # NAMES
    b = k.before
    target = k.task_behind(task)

    # CASES
    yield from k.request(task)
    yield k.fails(ReturnCode.KERN_INVALID_ARGUMENT, "task is not a task's port", z3.Not(k.object(task, PortObject.TASK)))
    if k.profile.processes:
        processes = [target == task for task in (k.sorts.first_task, k.sorts.second_task)[: k.profile.processes]]
        behind = b.process(target) != PROCESS.NO_PROCESS if k.profile.has_processes else z3.Or(*processes)
        yield k.fails(ReturnCode.KERN_FAILURE, "a process is behind the task", behind)

    # RIGHTS
    message, sending = b.waits_with(target), b.wait(target) == WAIT.SENDING
    destination = k.sorts.Slot.destination_slot(message)

    def terminate(after: After, sending: Term = sending) -> None:
        end_task(k, after, target, sending)

    has_room = z3.And(sending, b.room(message) != k.sorts.no_port, b.kind(destination) == KIND.SEND)

    def queue_and_terminate(after: After) -> None:
        take_room(after, message, b.port(destination))
        queue_message(after, message, b.port(destination))
        terminate(after, sending=z3.BoolVal(False))

    def lose_and_terminate(after: After) -> None:
        lose_right(after, destination)
        terminate(after)

    others: list[Term] = []
    if k.profile.room_is_given:
        title = "the task ends, and its message that has room is queued"
        yield k.succeeds(title, has_room, queue_and_terminate, evidence=WOKEN_SENDER)
        others.append(has_room)
    if k.profile.kernel_reply_needs_room:
        lost = z3.And(sending, b.from_kernel(message), b.kind(destination) == KIND.SEND)
        title = "the task ends, and the answer that waits for room is lost"
        yield k.succeeds(title, k.otherwise(z3.And(lost, z3.Not(has_room)), tested=lost), lose_and_terminate, evidence=LOST_ANSWER)
        others.append(lost)
    yield k.succeeds("the task ends", k.otherwise(z3.Not(z3.Or(*others)) if others else None), terminate)


@rule(evidence=rests_on("kern/task.c: task_info", manual=page("task_info", silent=("the audit token",))))
def task_info(k: Context, task: Name, flavor: Int, count: Int) -> Iterator[Case]:
    """Read a task's tokens. Any holder of its port may."""
    # NAMES
    b = k.before
    target = k.task_behind(task)
    security, audit = flavor == TASK_SECURITY_TOKEN, flavor == TASK_AUDIT_TOKEN
    known = z3.Or(*[flavor == flavour for flavour in k.profile.token_flavours], False)
    # CASES
    yield from k.request(task)
    yield k.fails(ReturnCode.KERN_INVALID_ARGUMENT, "task is not a task's port", z3.Not(k.is_target(task)))
    yield k.fails(ReturnCode.KERN_INVALID_ARGUMENT, "the flavour is unknown", z3.Not(known))
    if k.profile.token_flavours:
        small = z3.Or(z3.And(security, count < SECURITY_TOKEN_WORDS), z3.And(audit, count < AUDIT_TOKEN_WORDS))
        yield k.fails(ReturnCode.KERN_INVALID_ARGUMENT, "no room for the token", small)
        # REPLY
        yield k.succeeds("the security token", security, value=b.security(target))
        if TASK_AUDIT_TOKEN in k.profile.token_flavours:
            yield k.succeeds("the audit token", audit, value=b.audit(target))


@rule(
    evidence=rests_on(
        osf="kern/ipc_tt.c: mach_task_self",
        xnu_792="kern/ipc_tt.c: task_self_trap",
        gnumach="kern/ipc_tt.c: mach_task_self",
        xnu="kern/ipc_tt.c: task_self_trap",
        manual=page("mach_task_self"),
    )
)
def mach_task_self(k: Context, *, reply_message: Message) -> Iterator[Case]:
    """Get a send right to the port in the caller's self place, which may not be its real port."""

    # REPLY
    def give(after: After) -> None:
        [result] = k.begin_reply(after, reply_message, 1)
        clone(after, place_slot(after, k.caller, Place.KERNEL), result)

    yield k.succeeds("a clone of the self port", k.otherwise(), give, replies=1)


@rule(
    evidence=rests_on(
        osf="kern/ipc_host.c: mach_host_self",
        xnu_792="kern/ipc_host.c: host_self_trap",
        gnumach="kern/ipc_host.c: mach_host_self",
        xnu="kern/ipc_host.c: host_self_trap",
        manual=page("mach_host_self"),
    )
)
def mach_host_self(k: Context, *, reply_message: Message) -> Iterator[Case]:
    """Get a send right to the caller's host port (or, in kernels without such a place, to the host port)."""

    # REPLY
    def give(after: After) -> None:
        [result] = k.begin_reply(after, reply_message, 1)
        if k.profile.host_self is HostSelf.SLOT:
            clone(after, place_slot(after, k.caller, Place.HOST), result)
        else:
            make_send(after, result, k.sorts.host_port)

    yield k.succeeds("a right to the host port", k.otherwise(), give, replies=1)
