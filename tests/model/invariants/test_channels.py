"""The legal channels of theorem 4: each carries something, in a run of the reference kernel.

A witness makes its run twice. In one of the two the sender does something; all else is the same. What the receiver is
told differs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from support.kernel import Actor, Machine
from support.places import ROOT
from support.processes import executed, forked, process_of

from sendright.mach.abi.codes import ReturnCode
from sendright.mach.abi.rights import Disposition, Inheritance, Notification, PortObject, Right
from sendright.mach.kernel.profiles import XNU
from sendright.model.invariants.noninterference import CHANNELS

RECEIVE_STATUS, SPECIAL = 2, 8
HOST_PRIV, ROOT_LEDGER = 1, 4
"""Names of the bootstrap task's at boot."""
Told = Any


def pair() -> tuple[Actor, Actor]:
    """The bootstrap task and a child of it: the sender, and the receiver."""
    sender = Machine().root
    return sender, sender.child()


def senders_right(sender: Actor, receiver: Actor) -> int:
    """The receiver has a port, and the sender a send right to it: the sender's name for it."""
    port = receiver.port()
    reply = sender.does("mach_port_extract_right", task=receiver.seen_as, name=port, disposition=Disposition.MAKE_SEND)
    receiver.its_port = port  # type: ignore[attr-defined]
    name: int = reply["poly"]
    return name


def message(acts: bool) -> Told:
    sender, receiver = pair()
    right = senders_right(sender, receiver)
    if acts:
        sender.sends(right, data=7)
    return receiver.result("mach_msg_receive", port=receiver.its_port)  # type: ignore[attr-defined]


def room(acts: bool) -> Told:
    sender, receiver = pair()
    port = sender.port_with_send()
    right = sender.gives(receiver, port, Disposition.COPY_SEND)
    for _ in range(sender.machine.profile.queue_limit if acts else 0):
        sender.sends(port)
    return receiver.result("mach_msg_send", dest=right, dest_disposition=Disposition.COPY_SEND).code


def rights(acts: bool) -> Told:
    sender, receiver = pair()
    right = senders_right(sender, receiver)
    if acts:
        sender.does("mach_port_deallocate", name=right)
    return receiver.does("mach_port_get_attributes", name=receiver.its_port, flavor=RECEIVE_STATUS, count=10)  # type: ignore[attr-defined]


def death(acts: bool) -> Told:
    sender, receiver = pair()
    port = sender.port_with_send()
    right = sender.gives(receiver, port, Disposition.COPY_SEND)
    if acts:
        sender.does("mach_port_mod_refs", name=port, right=Right.RECEIVE, delta=-1)
    return receiver.does("mach_port_type", name=right)


def notification(acts: bool) -> Told:
    sender, receiver = pair()
    port = sender.port_with_send()
    right, own = sender.gives(receiver, port, Disposition.COPY_SEND), receiver.port()
    receiver.asks(right, Notification.DEAD_NAME, own, notify_disposition=Disposition.MAKE_SEND_ONCE)
    if acts:
        sender.does("mach_port_mod_refs", name=port, right=Right.RECEIVE, delta=-1)
    return receiver.result("mach_msg_receive", port=own)


def resume(acts: bool) -> Told:
    sender, receiver = (machine := Machine(XNU)).root, machine.last_booted()
    sender.does("task_suspend", task=receiver.seen_as)
    if acts:
        [right] = [name for name in sender.names if sender.port_of(name).object is PortObject.TASK_RESUME]
        sender.does("mach_port_deallocate", name=right)
    return receiver.shown.suspend_count


def process(acts: bool) -> Told:
    """The sender, which is root's process, becomes one of the receiver's user."""
    sender, receiver = (machine := Machine(XNU)).root, machine.booted(1)
    if acts:
        sender.does("setuid", uid=501)
    own = receiver.does("mach_task_self")
    return receiver.result("task_name_for_pid", target_tport=own, pid=1).code


def images(acts: bool) -> Told:
    """The sender, another user's process, forks before the receiver executes an image."""
    sender, receiver = (machine := Machine(XNU)).root, machine.booted(1)
    if acts:
        sender.does("fork")
    return process_of(executed(receiver)).pid_version


def session(acts: bool) -> Told:
    machine = Machine(XNU)
    receiver = forked(machine.root)
    if acts:
        machine.root.does("setauid", auid=501)
    return receiver.result("getaudit_addr").outputs


def parent(acts: bool) -> Told:
    """The sender, a child of the receiver's, ends."""
    receiver = Machine(XNU).root
    sender = forked(receiver)
    if acts:
        sender.does("exit", status=7)
    return receiver.result("wait4", no_hang=True).outputs


def memory(acts: bool) -> Told:
    sender = Machine().root
    page = sender.does("vm_allocate", address=0, anywhere=True)
    sender.does("vm_inherit", address=page, inheritance=Inheritance.SHARE)
    receiver = sender.child(inherit_memory=True)
    if acts:
        sender.does("vm_write", address=page, value=9)
    return receiver.does("vm_read", address=page)


def ledger(acts: bool) -> Told:
    sender, receiver = pair()
    made = sender.does("ledger_create", parent_ledger=ROOT_LEDGER, ledger_ledger=ROOT_LEDGER, transfer=5)
    right = sender.gives(receiver, made, Disposition.COPY_SEND)
    if acts:
        sender.does("ledger_transfer", parent_ledger=ROOT_LEDGER, child_ledger=made, transfer=3)
    return receiver.does("ledger_read", ledger=right)


def control(acts: bool) -> Told:
    sender, receiver = pair()
    third = sender.child()
    right = sender.gives(receiver, third.seen_as, Disposition.COPY_SEND)
    if acts:
        sender.does("vm_allocate", task=third.seen_as, address=3, anywhere=False)
    return receiver.result("vm_read", task=right, address=3).code


def host(acts: bool) -> Told:
    sender, receiver = pair()
    right = sender.gives(receiver, HOST_PRIV, Disposition.COPY_SEND)
    if acts:
        sender.does("host_set_special_port", host_priv=HOST_PRIV, which=SPECIAL, port=sender.port_with_send())
    return receiver.does("host_get_special_port", host_priv=right, node=-1, which=SPECIAL)


def name(acts: bool) -> Told:
    sender, receiver = pair()
    right = senders_right(sender, receiver)
    sender.sends(right, reply=sender.port_with_send() if acts else 0, reply_disposition=Disposition.COPY_SEND if acts else 0)
    receiver.receives(receiver.its_port)  # type: ignore[attr-defined]
    return receiver.port()


def shortage(acts: bool) -> Told:
    """Memory that the sender has taken: here the kernel is told how much is missing."""
    _, receiver = pair()
    return receiver.result("mach_port_allocate", shortage=int(acts), right=Right.RECEIVE).code


WITNESSES: dict[str, Callable[[bool], Told]] = {
    each.__name__: each
    for each in (message, room, rights, death, notification, resume, memory, ledger, control, host, name, process, images, parent, session, shortage)
}


def test_every_channel_has_a_witness() -> None:
    assert [channel.name for channel in CHANNELS] == list(WITNESSES)
    assert all(channel.words and channel.carries and channel.needs for channel in CHANNELS)


@pytest.mark.parametrize("channel", WITNESSES)
def test_a_channel_carries_something(channel: str) -> None:
    assert WITNESSES[channel](True) != WITNESSES[channel](False)


def test_what_is_no_channel_carries_nothing() -> None:
    """The receiver sees nothing of what the sender does with its own rights, memory and places."""

    def told(acts: bool) -> Told:
        sender, receiver = pair()
        if acts:
            sender.does("mach_port_deallocate", name=sender.port_with_send() and sender.dead_name())
            sender.does("vm_allocate", address=0, anywhere=True)
            sender.does("task_suspend", task=sender.child().seen_as)
        return receiver.port(), receiver.does("vm_allocate", address=0, anywhere=True), receiver.shown.suspend_count

    assert told(True) == told(False)


def test_a_shortage_is_the_kernels_word() -> None:
    assert shortage(True) == ReturnCode.KERN_RESOURCE_SHORTAGE


def test_the_page_lists_the_channels() -> None:
    page = (ROOT / "docs" / "non-interference.md").read_text("utf-8")
    for channel in CHANNELS:
        assert f"| {channel.name} | {channel.words} | {channel.carries} | {channel.needs} |" in page
