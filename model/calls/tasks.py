"""Tasks and tokens: creation, termination, information, the two self traps."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import z3

from sendright.mach.codes import ReturnCode
from sendright.mach.descriptors import NO_PAGE
from sendright.mach.profiles import HostSelf, LedgerRule
from sendright.mach.rights import EXCEPTION_PLACES, Place, PortObject
from sendright.mach.tokens import AUDIT_TOKEN_WORDS, SECURITY_TOKEN_WORDS, TASK_AUDIT_TOKEN, TASK_SECURITY_TOKEN
from sendright.model.actions import Release, clone, drop_held_send, lose_memory, make_kernel_port, make_send, place_slot, put
from sendright.model.rules import CREATION_RESUMED, Case, Context, rule
from sendright.model.sorts import INHERITANCE, KIND, LIFE, OBJECT, PLACE, STAGE, WAIT, Term
from sendright.model.state import After

_CREATION_CHOICES = {
    "child": "Task",
    "child_port": "Port",
    "reply_message": "Message",
    "copied_object": "from Int to Object",
    "copied_page": "from Object to Int",
    "out_of_memory": "Bool",
}


def create_child(k: Context, after: After, parent: Term, host_port: Term | None = None) -> None:
    """A task comes into being, and the caller gets a send right to its port."""
    make_child(k, after, parent, host_port)
    # REPLY
    [result] = k.begin_reply(after, 1)
    make_send(after, result, k.child_port)


def make_child(k: Context, after: After, parent: Term, host_port: Term | None = None) -> None:
    """A task comes into being: what a child gets from its parent (semantics 3.3); its host port, if one is given."""
    b = k.before
    child, port = k.child, k.child_port
    after.assumptions.append(b.task_life(child) == LIFE.UNBORN)
    # the task and its port; its name space is empty
    make_kernel_port(after, port, PortObject.TASK, k.queue_limit)
    after.at("object_task")[port] = child
    after.at("task_life")[child] = LIFE.ALIVE
    after.at("task_port")[child] = port
    after.at("suspend_count")[child] = z3.IntVal(0)
    # RIGHTS: a self port of its own, clones of the parent's other places
    make_send(after, place_slot(after, child, Place.KERNEL), port)
    for place in k.profile.places:
        if place is Place.HOST and host_port is not None:
            make_send(after, place_slot(after, child, place), host_port)
        elif place not in (Place.KERNEL, Place.WIRED_LEDGER, Place.PAGED_LEDGER):
            clone(after, place_slot(after, parent, place), place_slot(after, child, place))
    for place in EXCEPTION_PLACES if k.profile.exception_places else ():
        for told in ("exception_behaviour", "exception_flavour"):
            after.at(told)[(child, PLACE.of(place))] = b.fields[told](parent, PLACE.of(place))
    # TOKENS: the parent's
    after.at("security")[child] = b.security(parent)
    after.at("audit")[child] = b.audit(parent)
    _draw_on_ledgers(k, after, parent)
    _inherit_memory(k, after, parent)


def _draw_on_ledgers(k: Context, after: After, parent: Term) -> None:
    """The given ledgers if there are exactly two and both are ledgers, else the parent's; other kernels as their profile says."""
    b, rule_ = k.before, k.profile.ledger_rule
    if rule_ is LedgerRule.NONE:
        return
    wired, paged = b.wired(parent), b.paged(parent)
    if rule_ is LedgerRule.MANUAL:
        given = z3.And(k.ledgers_length == 2, k.object(k.ledgers(0), PortObject.LEDGER), k.object(k.ledgers(1), PortObject.LEDGER))
        wired = z3.If(given, b.port(k.slot(k.ledgers(0))), wired)
        paged = z3.If(given, b.port(k.slot(k.ledgers(1))), paged)
    else:
        wired_slot, paged_slot = place_slot(b, parent, Place.WIRED_LEDGER), place_slot(b, parent, Place.PAGED_LEDGER)
        ledger = OBJECT.of(PortObject.LEDGER)
        wired = z3.If(z3.And(b.sends(wired_slot), b.object(b.port(wired_slot)) == ledger), b.port(wired_slot), wired)
        paged = z3.If(z3.And(b.sends(paged_slot), b.object(b.port(paged_slot)) == ledger), b.port(paged_slot), paged)
    after.at("wired")[k.child] = wired
    after.at("paged")[k.child] = paged
    make_send(after, place_slot(after, k.child, Place.WIRED_LEDGER), wired)
    make_send(after, place_slot(after, k.child, Place.PAGED_LEDGER), paged)


def _inherit_memory(k: Context, after: After, parent: Term) -> None:
    """Page by page: SHARE the same object, COPY a new one with the same contents, NONE nothing; without inherit_memory nothing at all."""
    b, none = k.before, k.sorts.no_object

    def copied(page: Term) -> Term:
        return z3.And(k.inherit_memory, b.mapped(parent, page) != none, b.inheritance(parent, page) == INHERITANCE.INHERIT_COPY)

    def shared(page: Term) -> Term:
        return z3.And(k.inherit_memory, b.mapped(parent, page) != none, b.inheritance(parent, page) == INHERITANCE.INHERIT_SHARE)

    page = z3.Int("page")
    fresh = z3.And(z3.Not(b.object_made(k.copied_object(page))), k.copied_object(page) != none, k.copied_page(k.copied_object(page)) == page)
    after.assumptions.append(z3.ForAll([page], z3.Implies(copied(page), fresh)))

    def created(object_: Term) -> Term:
        return z3.And(copied(k.copied_page(object_)), k.copied_object(k.copied_page(object_)) == object_)

    after.sweep(
        "mapped",
        "pages",
        lambda t, p: (t == k.child, z3.If(shared(p), b.mapped(parent, p), z3.If(copied(p), k.copied_object(p), none))),
    )
    after.sweep("inheritance", "pages", lambda t, p: (t == k.child, b.inheritance(parent, p)))
    after.sweep("object_made", "copied objects", lambda o: (created(o), z3.BoolVal(True)))
    after.sweep("content", "copied objects", lambda o: (created(o), b.content(b.mapped(parent, k.copied_page(o)))))
    after.sweep("carrier_index", "copied objects", lambda o: (created(o), z3.IntVal(NO_PAGE)))


def set_tokens(k: Context, after: After, task: Term, security: Term, audit: Term) -> None:
    """``task`` has these tokens from now on; in a kernel without audit tokens the one that it has stays."""
    after.at("security")[task] = security
    if k.profile.audit_tokens:
        after.at("audit")[task] = audit


def set_host(after: After, task: Term, host_port: Term) -> None:
    """``task``'s host port is ``host_port`` from now on; the right that was there is given up."""
    held = place_slot(after, task, Place.HOST)
    drop_held_send(after, held)
    make_send(after, held, host_port)


def host_granted(k: Context) -> Iterator[tuple[str, Term | bool, Term]]:
    """The host port that the argument ``host`` of a token call gives a task: (which, when, the port), in the order of the tests."""
    privileged = k.object(k.host, PortObject.HOST_PRIV)
    if k.profile.host_is_checked:
        yield "privileged", privileged, k.before.port(k.slot(k.host))
    else:  # hazard H-4
        yield "privileged", z3.Or(privileged, k.object(k.host, PortObject.HOST)), k.sorts.host_priv_port
    yield "ordinary", True, k.sorts.host_port


@rule(
    "host_security_create_task_token",
    choices=_CREATION_CHOICES,
    host_security="Name",
    parent_task="Name",
    security_token="SecurityToken",
    audit_token="AuditToken",
    host="Name",
    inherit_memory="Bool",
    shortage="Int",
    ledgers="array of Name",
    ledgers_length="Int",
    stop="Bool",
)
def host_security_create_task_token(k: Context) -> Iterator[Case]:
    """Create a task with explicit security and audit tokens.

    The host security port is the authority for this call. Other than the token values (and, where there is the argument ``host``, its host
    port), the child is as if made by ``task_create``. The child has its tokens from the first moment; when the call fails there is no child.
    Some kernels give the tokens in a second step, and can be stopped before it (hazard H-2). Source: the manual page; semantics 3.1.
    """
    # NAMES
    parent = k.task_behind(k.parent_task)
    target, other = ("parent_task", "host_security") if k.profile.task_is_target else ("host_security", "parent_task")

    takes_host = k.profile.takes("host_security_create_task_token", "host")

    # CASES
    yield from k.request(target, other, *(["host"] if takes_host else []), arrays={"ledgers": "ledgers_length"})
    yield k.fails(ReturnCode.KERN_INVALID_ARGUMENT, "parent_task is no task", z3.Not(k.object(k.parent_task, PortObject.TASK)))
    yield k.fails(
        ReturnCode.KERN_INVALID_SECURITY, "host_security is not the security port", z3.Not(k.object(k.host_security, PortObject.HOST_SECURITY))
    )
    yield k.fails(ReturnCode.KERN_RESOURCE_SHORTAGE, "the kernel is out of memory", z3.And(k.shortage > 0, k.out_of_memory))

    # RIGHTS
    def create(after: After, host_port: Term | None = None) -> None:
        create_child(k, after, parent, host_port)
        # TOKENS
        set_tokens(k, after, k.child, k.security_token, k.audit_token)

    def stop(after: After) -> None:
        make_child(k, after, parent)
        after.at("wait")[k.caller] = WAIT.CREATING
        after.at("waits_child")[k.caller] = k.child
        after.at("waits_security")[k.caller] = k.security_token
        after.at("waits_audit")[k.caller] = k.audit_token
        host_port = k.sorts.host_port
        for _, when, port in reversed(list(host_granted(k)) if takes_host else []):
            host_port = z3.If(when, port, host_port)
        after.at("waits_host")[k.caller] = host_port

    if k.profile.tokens_in_two_steps:
        yield Case(ReturnCode.MACH_RCV_IN_PROGRESS, "a child with its parent's tokens; the call stops", k.stop, stop)
    # REPLY
    if takes_host:
        for which, when, port in host_granted(k):
            title = f"a child with the given tokens and the {which} host port"
            yield k.succeeds(title, when, partial(create, host_port=port), replies=1)
    else:
        yield k.succeeds("a child with the given tokens", True, create, replies=1)


@rule(CREATION_RESUMED, choices={"reply_message": "Message"}, resumes="CREATING", applies=lambda profile: profile.tokens_in_two_steps)
def resume_creation(k: Context) -> Iterator[Case]:
    """The caller made a child, and is to give it its tokens and its host port. It may have ended by now. Source: semantics 3.1, hazard H-2."""
    # NAMES
    b = k.before
    child = b.waits_child(k.caller)

    def give(after: After) -> None:
        after.at("wait")[k.caller] = WAIT.NOTHING
        # TOKENS
        set_tokens(k, after, child, b.waits_security(k.caller), b.waits_audit(k.caller))
        # RIGHTS
        if k.profile.takes("host_security_create_task_token", "host"):
            set_host(after, child, b.waits_host(k.caller))
        # REPLY
        [result] = k.begin_reply(after, 1)
        make_send(after, result, b.task_port(child))

    def tell_of_the_end(after: After) -> None:
        after.at("wait")[k.caller] = WAIT.NOTHING
        [result] = k.begin_reply(after, 1)
        put(after, result, KIND.DEAD_NAME, k.sorts.no_port)

    # CASES
    yield k.succeeds("the child gets its tokens", b.alive(child), give, replies=1)
    yield k.succeeds("the child has ended: the result is dead", True, tell_of_the_end, replies=1)


@rule(
    "task_create", choices=_CREATION_CHOICES, parent_task="Name", inherit_memory="Bool", shortage="Int", ledgers="array of Name", ledgers_length="Int"
)
def task_create(k: Context) -> Iterator[Case]:
    """Create a task that inherits its parent's tokens, places, ledgers and, if asked, memory. Source: semantics 3.3."""
    # NAMES
    parent = k.task_behind(k.parent_task)

    # CASES
    arrays = {"ledgers": "ledgers_length"} if k.profile.takes("task_create", "ledgers") else {}
    yield from k.request("parent_task", arrays=arrays)
    yield k.fails(k.profile.null_parent_code, "parent_task is no task", z3.Not(k.object(k.parent_task, PortObject.TASK)))
    yield k.fails(ReturnCode.KERN_RESOURCE_SHORTAGE, "the kernel is out of memory", z3.And(k.shortage > 0, k.out_of_memory))
    # REPLY
    yield k.succeeds("a child like its parent", True, lambda after: create_child(k, after, parent), replies=1)


@rule(
    "host_security_set_task_token",
    host_security="Name",
    target_task="Name",
    security_token="SecurityToken",
    audit_token="AuditToken",
    host="Name",
)
def host_security_set_task_token(k: Context) -> Iterator[Case]:
    """Change a task's tokens, both in one step, and its host port: the privileged one only if that very port was presented.

    Source: semantics 3.2, with the fix of hazard H-4.
    """
    # NAMES
    task = k.task_behind(k.target_task)
    target, other = ("target_task", "host_security") if k.profile.task_is_target else ("host_security", "target_task")
    others = [other, "host"] if k.profile.takes("host_security_set_task_token", "host") else [other]

    # CASES
    yield from k.request(target, *others)
    yield k.fails(ReturnCode.KERN_INVALID_ARGUMENT, "target_task is no task", z3.Not(k.object(k.target_task, PortObject.TASK)))
    yield k.fails(
        ReturnCode.KERN_INVALID_SECURITY, "host_security is not the security port", z3.Not(k.object(k.host_security, PortObject.HOST_SECURITY))
    )

    def set_both(after: After, host_port: Term | None) -> None:
        # TOKENS
        set_tokens(k, after, task, k.security_token, k.audit_token)
        # RIGHTS
        if host_port is not None:
            set_host(after, task, host_port)

    if k.profile.host_place:
        for which, when, port in host_granted(k):
            yield k.succeeds(f"tokens and the {which} host port are set", when, partial(set_both, host_port=port))
    else:
        yield k.succeeds("the token is set", True, lambda after: set_both(after, None))


@rule("task_terminate", task="Name")
def task_terminate(k: Context) -> Iterator[Case]:
    """End a task: all its rights are given up, and what the call has that it waits in; its port dies, its memory goes. Source: semantics 3.4."""
    # NAMES
    b = k.before
    task = k.task_behind(k.task)

    # CASES
    yield from k.request("task")
    yield k.fails(ReturnCode.KERN_INVALID_ARGUMENT, "task is no task", z3.Not(k.object(k.task, PortObject.TASK)))

    # RIGHTS
    def terminate(after: After) -> None:
        message, sending = b.waits_with(task), b.wait(task) == WAIT.SENDING

        def its(slot: Term) -> Term:
            return z3.Or(k.sorts.of_task(slot, task), z3.And(sending, k.sorts.slots_of_message(slot, message)))

        Release(after, its, lambda port: port == b.task_port(task))
        lose_memory(after, message, sending)
        after.sweep("stage", "messages", lambda m: (z3.And(sending, m == message), STAGE.FREE))
        after.at("wait")[task] = WAIT.NOTHING
        after.at("task_life")[task] = LIFE.ENDED
        after.sweep("mapped", "pages", lambda t, p: (t == task, k.sorts.no_object))

    yield k.succeeds("the task ends", True, terminate)


@rule("task_info", task="Name", flavor="Int", count="Int")
def task_info(k: Context) -> Iterator[Case]:
    """Read a task's tokens; any holder of its port may. Source: semantics 3.6."""
    # NAMES
    b = k.before
    task = k.task_behind(k.task)
    security, audit = k.flavor == TASK_SECURITY_TOKEN, k.flavor == TASK_AUDIT_TOKEN
    known = z3.Or(*[k.flavor == flavour for flavour in k.profile.token_flavours], False)
    # CASES
    yield from k.request("task")
    yield k.fails(ReturnCode.KERN_INVALID_ARGUMENT, "task is no task", z3.Not(k.object(k.task, PortObject.TASK)))
    yield k.fails(ReturnCode.KERN_INVALID_ARGUMENT, "the flavour is unknown", z3.Not(known))
    if k.profile.token_flavours:
        small = z3.Or(z3.And(security, k.count < SECURITY_TOKEN_WORDS), z3.And(audit, k.count < AUDIT_TOKEN_WORDS))
        yield k.fails(ReturnCode.KERN_INVALID_ARGUMENT, "no room for the token", small)
        # REPLY
        yield k.succeeds("the security token", security, value=b.security(task))
        if TASK_AUDIT_TOKEN in k.profile.token_flavours:
            yield k.succeeds("the audit token", audit, value=b.audit(task))


@rule("mach_task_self", choices={"reply_message": "Message"})
def mach_task_self(k: Context) -> Iterator[Case]:
    """Get a send right to what stands in the caller's self place: not necessarily its real port. Source: semantics 3.7."""

    # RIGHTS, REPLY
    def give(after: After) -> None:
        [result] = k.begin_reply(after, 1)
        clone(after, place_slot(after, k.caller, Place.KERNEL), result)

    yield k.succeeds("a clone of the self port", True, give, replies=1)


@rule("mach_host_self", choices={"reply_message": "Message"})
def mach_host_self(k: Context) -> Iterator[Case]:
    """Get a send right to the caller's host port (or, in kernels without such a place, to the host port). Source: semantics 3.7."""

    # RIGHTS, REPLY
    def give(after: After) -> None:
        [result] = k.begin_reply(after, 1)
        if k.profile.host_self is HostSelf.SLOT:
            clone(after, place_slot(after, k.caller, Place.HOST), result)
        else:
            make_send(after, result, k.sorts.host_port)

    yield k.succeeds("a right to the host port", True, give, replies=1)
