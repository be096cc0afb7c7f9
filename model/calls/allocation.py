"""New receive rights, port sets and dead names, under names of the kernel's choice or the caller's."""

from __future__ import annotations

from collections.abc import Iterator

import z3

from sendright.mach.codes import ReturnCode
from sendright.mach.rights import PortObject, Right
from sendright.model.actions import put, put_name, set_guard
from sendright.model.calls.names import on_space
from sendright.model.rules import Case, Context, rule
from sendright.model.sorts import KIND, LIFE, OBJECT, Term
from sendright.model.state import After

CHOICES = {"new_name": "Name", "new_port": "Port", "out_of_memory": "Bool"}

_WHAT = {Right.RECEIVE: "a receive right with a new port", Right.PORT_SET: "a port set", Right.DEAD_NAME: "a dead name"}
"""What can be allocated."""


def fresh_name(k: Context, after: After, task: Term) -> None:
    """``new_name`` is a free name of ``task``'s."""
    after.assumptions += [k.before.empty(k.slot(k.new_name, task)), z3.Not(k.reserved(k.new_name))]


def make_port(k: Context, after: After, task: Term, name: Term) -> None:
    """A port comes into being; ``task``'s free ``name`` denotes its receive right."""
    port = k.new_port
    after.assumptions += [k.before.port_life(port) == LIFE.UNBORN, port != k.sorts.no_port]
    after.at("port_life")[port] = LIFE.ALIVE
    after.at("object")[port] = OBJECT.of(PortObject.NONE)
    after.at("receiver")[port] = k.slot(name, task)
    for count in ("mscount", "seqno", "srights", "sorights", "msgcount"):
        after.at(count)[port] = z3.IntVal(0)
    after.at("qlimit")[port] = k.queue_limit
    set_guard(after, port)
    put_name(after, task, name, KIND.RECEIVE, port, 0)


def _make(k: Context, after: After, task: Term, name: Term, right: Right) -> None:
    """``task``'s free ``name`` denotes a new ``right``."""
    if right is Right.RECEIVE:
        make_port(k, after, task, name)
    elif right is Right.PORT_SET:
        put(after, k.slot(name, task), KIND.PORT_SET, k.sorts.no_port)
    else:
        put(after, k.slot(name, task), KIND.DEAD_NAME, k.sorts.no_port, 1)


def _allocatable(k: Context) -> Case:
    unknown = z3.And(*[k.right != int(right) for right in _WHAT])
    return k.fails(ReturnCode.KERN_INVALID_VALUE, "the right cannot be allocated", unknown)


def _in_use(k: Context, task: Term, named: Term | bool) -> Case:
    """The chosen name must be free; a kernel that ignores it for dead names (hazard H-10) doesn't look."""
    looked_at = z3.BoolVal(True) if k.profile.allocate_name_takes_dead_name else k.right != int(Right.DEAD_NAME)
    return k.fails(ReturnCode.KERN_NAME_EXISTS, "the name is in use", z3.And(named, looked_at, z3.Not(k.before.empty(k.slot(k.name, task)))))


def shortage(k: Context) -> Case:
    """There is no memory for what is to be made."""
    return k.fails(ReturnCode.KERN_RESOURCE_SHORTAGE, "the kernel is out of memory", z3.And(k.shortage > 0, k.out_of_memory))


def _under_new_name(k: Context, task: Term, right: Right, when: Term | bool = True) -> Case:
    def make(after: After) -> None:
        fresh_name(k, after, task)
        _make(k, after, task, k.new_name, right)

    return k.succeeds(_WHAT[right], z3.And(when, k.right == int(right)), make, name=k.new_name)


def _under_given_name(k: Context, task: Term, right: Right, when: Term | bool = True) -> Case:
    condition = z3.And(when, k.right == int(right))
    if right is Right.DEAD_NAME and not k.profile.allocate_name_takes_dead_name:

        def elsewhere(after: After) -> None:
            fresh_name(k, after, task)
            _make(k, after, task, k.new_name, right)

        return k.succeeds("a dead name, under another name than was asked for", condition, elsewhere, name=k.new_name)
    return k.succeeds(f"{_WHAT[right]}, under the name", condition, lambda after: _make(k, after, task, k.name, right), name=k.name)


@rule("mach_port_allocate", choices=CHOICES, task="Name", right="Int", shortage="Int")
def mach_port_allocate(k: Context) -> Iterator[Case]:
    """Make a receive right with a new port, a port set, or a dead name, under a name of the kernel's choice. Source: semantics 5.1."""
    # NAMES
    task = k.task_behind(k.task)
    # CASES
    yield from on_space(k)
    yield _allocatable(k)
    yield shortage(k)
    # RIGHTS, REPLY
    for right in _WHAT:
        yield _under_new_name(k, task, right)


@rule("mach_port_allocate_name", choices=CHOICES, task="Name", right="Int", name="Name", shortage="Int")
def mach_port_allocate_name(k: Context) -> Iterator[Case]:
    """Make a receive right with a new port, a port set, or a dead name, under a name of the caller's choice. Source: semantics 5.1."""
    # NAMES
    task = k.task_behind(k.task)
    # CASES
    yield from on_space(k)
    yield k.fails(ReturnCode.KERN_INVALID_VALUE, "the name is reserved", k.reserved(k.name))
    yield _allocatable(k)
    yield _in_use(k, task, True)
    yield shortage(k)
    # RIGHTS, REPLY
    for right in _WHAT:
        yield _under_given_name(k, task, right)


@rule(
    "mach_port_allocate_full",
    choices=CHOICES,
    task="Name",
    right="Int",
    proto="Name",
    named="Bool",
    prealloc="Bool",
    name="Name",
    shortage="Int",
)
def mach_port_allocate_full(k: Context) -> Iterator[Case]:
    """As ``mach_port_allocate_name`` if ``named``, else as ``mach_port_allocate``; memory for a message may be set aside for a receive right.

    Source: semantics 5.1.
    """
    # NAMES
    task = k.task_behind(k.task)
    # CASES
    yield from on_space(k, "proto")
    yield k.fails(ReturnCode.KERN_INVALID_VALUE, "no kernel takes a subsystem", k.carried_kind(k.proto) != KIND.NONE)
    yield k.fails(ReturnCode.KERN_INVALID_VALUE, "the name is reserved", z3.And(k.named, k.reserved(k.name)))
    set_aside = z3.And(k.prealloc, k.right != int(Right.RECEIVE))
    yield k.fails(ReturnCode.KERN_INVALID_VALUE, "memory is set aside for receive rights only", set_aside)
    yield _allocatable(k)
    yield _in_use(k, task, k.named)
    yield shortage(k)
    # RIGHTS, REPLY
    for right in _WHAT:
        yield _under_given_name(k, task, right, k.named)
    for right in _WHAT:
        yield _under_new_name(k, task, right, z3.Not(k.named))


@rule("mach_reply_port", choices=CHOICES, shortage="Int")
def mach_reply_port(k: Context) -> Iterator[Case]:
    """Make a receive right with a new port in the caller's own space. A trap has no way to say what failed. Source: semantics 3.7."""

    # RIGHTS, REPLY
    def make(after: After) -> None:
        fresh_name(k, after, k.caller)
        make_port(k, after, k.caller, k.new_name)

    yield k.succeeds("the kernel is out of memory: NULL", z3.And(k.shortage > 0, k.out_of_memory), port=k.sorts.null)
    yield k.succeeds("a receive right with a new port", True, make, port=k.new_name)
