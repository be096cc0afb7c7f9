"""Short runs, call by call, for cases whose conditions random calls seldom bring together."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

from sendright.mach.abi.descriptors import CopyOption
from sendright.mach.abi.port_attributes import PortAttributes
from sendright.mach.abi.rights import NULL_NAME, RESERVED_NAMES, Disposition, Notification, Place, Right
from sendright.mach.kernel.call import Call
from sendright.mach.kernel.profiles import Profile
from sendright.mach.signatures.details import DETAILS
from sendright.mach.state.boot import boot_process

Do = Callable[..., dict[str, Any]]
"""``do(task, call, **arguments)`` makes a call and returns its results. With ``stop=True`` the call stops between
its steps; with ``resume=True`` the task's pending call is resumed. ``shortage`` is the allocation that fails."""
_UNUSED = 77
"""A name that denotes nothing."""
RareRun = Callable[[Do, Profile], None]


def _port(do: Do, me: int) -> int:
    return int(do(0, "mach_port_allocate", task=me, right=int(Right.RECEIVE))["name"])


def _other(do: Do, profile: Profile, me: int, **rights: int) -> int:
    """The port of task 1, a child or one of the boot tasks, with a right of the caller's under each of the names
    ``n31``, ``n32`` … (names that a task can choose), made or copied."""
    child = 1 + len(profile.bootstrap_names) if profile.boot_tasks > 1 else int(do(0, "task_create", parent_task=me)["child_task"])
    for name, right in rights.items():
        how = Disposition.COPY_SEND if right == me else Disposition.MAKE_SEND
        do(0, "mach_port_insert_right", task=child, name=profile.chosen_name(int(name.removeprefix("n"))), poly=right, disposition=int(how))
    return child


def _other_that_can_end(do: Do, profile: Profile, me: int) -> int:
    """The port of a child, or of the last of the boot tasks, which no process has."""
    return len(profile.bootstrap_names) + profile.boot_tasks - 1 if profile.boot_tasks > 1 else _other(do, profile, me)


def _task_that_can_end(profile: Profile) -> int:
    """The number of the task with that port."""
    return max(profile.boot_tasks - 1, 1)


def a_ledger_that_has_less_to_give(do: Do, profile: Profile) -> None:
    """A finite ledger should give its child more than it has."""
    if not profile.serves("ledger_create"):
        return
    root = 1 + profile.bootstrap_names.index("root_ledger_wired")
    parent = do(0, "ledger_create", parent_ledger=root, ledger_ledger=root, transfer=3)["new_ledger"]
    child = do(0, "ledger_create", parent_ledger=parent, ledger_ledger=root, transfer=1)["new_ledger"]
    do(0, "ledger_transfer", parent_ledger=parent, child_ledger=child, transfer=5)


def a_ledger_that_a_task_draws_on(do: Do, profile: Profile) -> None:
    """A call should end a ledger that a task draws on: from the creation's array, or from its parent's places."""
    if not profile.serves("ledger_create"):
        return
    me = do(0, "mach_task_self")["port"]
    root = 1 + profile.bootstrap_names.index("root_ledger_wired")
    ledger = do(0, "ledger_create", parent_ledger=root, ledger_ledger=root, transfer=1)["new_ledger"]
    for which, place in profile.special_ports.items():
        if place in (Place.WIRED_LEDGER, Place.PAGED_LEDGER):
            do(0, "task_set_special_port", task=me, which=which, port=ledger)
    do(0, "task_create", parent_task=me, ledgers=(ledger, ledger))
    do(0, "ledger_terminate", ledger=ledger)


def a_dead_name_with_all_its_references(do: Do, profile: Profile) -> None:
    """A dead-name request on a dead name would fire at once, but the name has no room for another reference."""
    me = do(0, "mach_task_self")["port"]
    port = _port(do, me)
    name = do(0, "mach_port_allocate", task=me, right=int(Right.DEAD_NAME))["name"]
    do(0, "mach_port_mod_refs", task=me, name=name, right=int(Right.DEAD_NAME), delta=profile.urefs_max - 1)
    _ask(do, me, name, Notification.DEAD_NAME, port, sync=1)


def a_no_senders_request_to_a_dead_port(do: Do, profile: Profile) -> None:
    """A no-senders request whose port is dead when the last send right goes."""
    me = do(0, "mach_task_self")["port"]
    port, home = _port(do, me), _port(do, me)
    do(0, "mach_port_insert_right", task=me, name=port, poly=port, disposition=int(Disposition.MAKE_SEND))
    _ask(do, me, port, Notification.NO_SENDERS, home, sync=2)
    do(0, "mach_port_destroy", task=me, name=home)
    do(0, "mach_port_deallocate", task=me, name=port)


def _ask(do: Do, me: int, name: int, variant: Notification, home: int, sync: int) -> None:
    once = int(Disposition.MAKE_SEND_ONCE)
    do(0, "mach_port_request_notification", task=me, name=name, variant=int(variant), sync=sync, notify=home, notify_disposition=once)


def _block_at_a_set(do: Do, profile: Profile) -> tuple[int, int]:
    """The caller's own port and a port set at which it is blocked; task 1 can send to a member (31) and has the
    caller's port (32)."""
    me = do(0, "mach_task_self")["port"]
    port = _port(do, me)
    pset = do(0, "mach_port_allocate", task=me, right=int(Right.PORT_SET))["name"]
    do(0, "mach_port_move_member", task=me, member=port, after=pset)
    _other(do, profile, me, n31=port, n32=me)
    do(0, "mach_msg_receive", port=pset, wait=True)
    return me, pset


def a_message_for_a_task_blocked_at_a_port_set(do: Do, profile: Profile) -> None:
    """A message comes to a member of the port set at which a task waits."""
    _block_at_a_set(do, profile)
    do(1, "mach_msg_send", dest=profile.chosen_name(31), dest_disposition=int(Disposition.COPY_SEND))
    do(0, "mach_msg_receive", resume=True)


def a_port_set_destroyed_while_a_task_is_blocked_there(do: Do, profile: Profile) -> None:
    """A port set is destroyed by a holder of the task's port while the task waits there."""
    _, pset = _block_at_a_set(do, profile)
    do(1, "mach_port_destroy", task=profile.chosen_name(32), name=pset)
    do(0, "mach_msg_receive", resume=True)


def _block_at_a_port(do: Do, profile: Profile) -> int:
    """The port at which the caller is blocked; task 1 has the caller's port (32)."""
    me = do(0, "mach_task_self")["port"]
    port = _port(do, me)
    _other(do, profile, me, n32=me)
    do(0, "mach_msg_receive", port=port, wait=True)
    return port


def a_receive_right_extracted_while_a_task_is_blocked_there(do: Do, profile: Profile) -> None:
    """A holder of the task's port takes the receive right at which the task waits."""
    port = _block_at_a_port(do, profile)
    do(1, "mach_port_extract_right", task=profile.chosen_name(32), name=port, disposition=int(Disposition.MOVE_RECEIVE))
    do(0, "mach_msg_receive", resume=True)


def a_receive_right_put_into_a_set_while_a_task_is_blocked_there(do: Do, profile: Profile) -> None:
    """A holder of the task's port puts the receive right at which the task waits into a port set."""
    port = _block_at_a_port(do, profile)
    pset = do(1, "mach_port_allocate", task=profile.chosen_name(32), right=int(Right.PORT_SET))["name"]
    do(1, "mach_port_move_member", task=profile.chosen_name(32), member=port, after=pset)
    do(0, "mach_msg_receive", resume=True)


def a_message_for_a_task_blocked_at_a_port(do: Do, profile: Profile) -> None:
    """A message comes to the port at which a task waits."""
    me = do(0, "mach_task_self")["port"]
    port = _port(do, me)
    _other(do, profile, me, n31=port)
    do(0, "mach_msg_receive", port=port, wait=True)
    do(1, "mach_msg_send", dest=profile.chosen_name(31), dest_disposition=int(Disposition.COPY_SEND))
    do(0, "mach_msg_receive", resume=True)


def a_port_that_dies_while_a_task_is_blocked_there(do: Do, profile: Profile) -> None:
    """A holder of the task's port destroys the receive right at which the task waits."""
    port = _block_at_a_port(do, profile)
    do(1, "mach_port_destroy", task=profile.chosen_name(32), name=port)
    do(0, "mach_msg_receive", resume=True)


def a_place_that_is_set_twice(do: Do, profile: Profile) -> None:
    """A place that can be set only once is set again."""
    me = do(0, "mach_task_self")["port"]
    port = _port(do, me)
    do(0, "mach_port_insert_right", task=me, name=port, poly=port, disposition=int(Disposition.MAKE_SEND))
    for which, place in profile.special_ports.items():
        if place in profile.set_once_places:
            for _ in range(2):
                do(0, "task_set_special_port", task=me, which=which, port=port)


def an_exception_port_that_cannot_be_carried(do: Do, profile: Profile) -> None:
    """A port with an immovable receive right should become an exception port."""
    me = do(0, "mach_task_self")["port"]
    options = {"context": 1, "context_as_guard": True, "immovable": True, "insert_send": True}
    port = do(0, "mach_port_construct", task=me, **options)["name"]
    for call in ("task_set_exception_ports", "task_swap_exception_ports"):
        do(0, call, task=me, exception_mask=2, new_port=port)


def ports_for_a_purpose(do: Do, profile: Profile) -> None:
    """Ports of every purpose, as destinations, as replies, and for exceptions; a service that is throttled; and those
    that can't be made.
    """
    if not profile.has_guards:
        return
    me = do(0, "mach_task_self")["port"]
    do(0, "mach_port_construct", task=me, reply=True, exception=True)
    do(1, "mach_port_construct", task=do(1, "mach_task_self")["port"], service=True)
    service = do(0, "mach_port_construct", task=me, service=True)["name"]
    for word in (1, 0):
        do(0, "mach_port_set_attributes", task=me, name=service, flavor=int(PortAttributes.SERVICE_THROTTLED), info=(word,))
        do(0, "mach_port_get_attributes", task=me, name=service, flavor=int(PortAttributes.SERVICE_THROTTLED))
    server = do(0, "mach_port_construct", task=me, enforce_reply=True, insert_send=True)["name"]
    for client in (_port(do, me), *(do(0, "mach_port_construct", task=me, **{each: True})["name"] for each in ("reply", "provisional_reply"))):
        header = {"dest": server, "dest_disposition": int(Disposition.COPY_SEND), "reply": client}
        do(0, "mach_msg_send", **header, reply_disposition=int(Disposition.MAKE_SEND_ONCE))
    handler = do(0, "mach_port_construct", task=me, exception=True, insert_send=True)["name"]
    for call in ("task_set_exception_ports", "task_swap_exception_ports"):
        do(0, call, task=me, exception_mask=2, new_port=handler, behavior=1, new_flavor=1)


def names_that_denote_nothing(do: Do, profile: Profile) -> None:
    """NULL, DEAD and an unused name in calls that look up names."""
    me = do(0, "mach_task_self")["port"]
    port, pset = _port(do, me), do(0, "mach_port_allocate", task=me, right=int(Right.PORT_SET))["name"]
    for name in (*RESERVED_NAMES, _UNUSED):
        for call, given in {"mach_port_set_mscount": {"mscount": 1}, "mach_port_set_seqno": {"seqno": 1}, "mach_port_get_set_status": {}}.items():
            do(0, call, task=me, name=name, **given)
        for flavor in (PortAttributes.LIMITS_INFO, PortAttributes.RECEIVE_STATUS):
            do(0, "mach_port_get_attributes", task=me, name=name, flavor=int(flavor))
        do(0, "mach_port_set_attributes", task=me, name=name, flavor=int(PortAttributes.LIMITS_INFO), info=(1,))
        do(0, "mach_port_move_member", task=me, member=name, after=pset)
        do(0, "mach_port_move_member", task=me, member=port, after=name)
        for call in ("mach_port_insert_member", "mach_port_extract_member"):
            do(0, call, task=me, name=name, pset=pset)
            do(0, call, task=me, name=port, pset=name)
        if profile.has_guards:
            do(0, "mach_port_peek", task=me, name=name)


def names_of_every_kind(do: Do, profile: Profile) -> None:
    """Calls that need no more than a name, and those that change guards: of names of every kind, in no space and in the
    caller's."""
    me = do(0, "mach_task_self")["port"]
    port, pset = _port(do, me), do(0, "mach_port_allocate", task=me, right=int(Right.PORT_SET))["name"]
    words: dict[str, dict[str, Any]] = {
        "mach_port_set_context": {"context": 1},
        "mach_port_guard_with_flags": {"guard": 1},
        "mach_port_swap_guard": {"old_guard": 1, "new_guard": 2},
        "mach_port_assert_attributes": {"flavor": int(PortAttributes.GUARD_INFO), "info": (1, 0)},
    }
    for signature in filter(lambda each: profile.serves(each.name), DETAILS):
        given = words.get(signature.name, {})
        if all(argument.name != "name" for argument in signature.arguments):
            for task in (_UNUSED, 1, me):
                do(0, signature.name, task=task)
            continue
        for task, name in [(_UNUSED, port), (1, port), *((me, name) for name in (*RESERVED_NAMES, _UNUSED, pset, port))]:
            do(0, signature.name, task=task, name=name, **given)


def guards_that_are_known(do: Do, profile: Profile) -> None:
    """Calls on a strict port and on one that isn't, with its guard and with another."""
    if not profile.has_guards:
        return
    me = do(0, "mach_task_self")["port"]
    options = {"context": 1, "context_as_guard": True}
    strict, other = (do(0, "mach_port_construct", task=me, **options, strict=strict)["name"] for strict in (True, False))
    for name in (strict, other):
        do(0, "mach_port_get_context", task=me, name=name)
        for guard in (2, 1):
            do(0, "mach_port_assert_attributes", task=me, name=name, flavor=int(PortAttributes.GUARD_INFO), info=(guard, 0))
            do(0, "mach_port_swap_guard", task=me, name=name, old_guard=guard, new_guard=1)
        do(0, "mach_port_set_context", task=me, name=name, context=3)


def attributes_of_every_flavour(do: Do, profile: Profile) -> None:
    """All flavours of attributes, of names of every kind; and tables of requests of many sizes."""
    me = do(0, "mach_task_self")["port"]
    port = _port(do, me)
    for flavor in sorted(profile.attributes_told):
        for name in (NULL_NAME, _UNUSED, me, port):
            do(0, "mach_port_get_attributes", task=me, name=name, flavor=flavor, count=1 if name == NULL_NAME else profile.info_words)
    for flavor in sorted(profile.attributes_set):
        for name, words in ((NULL_NAME, (1,)), (_UNUSED, (1,)), (me, (1,)), (port, ()), (port, (1,)), (port, (91137,))):
            do(0, "mach_port_set_attributes", task=me, name=name, flavor=flavor, info=words)
    do(0, "mach_port_set_attributes", task=me, name=port, flavor=int(PortAttributes.DNREQUESTS_SIZE), info=(91136,), shortage=1)


def _block_in_a_send(do: Do, profile: Profile) -> int:
    """The full port at which the caller is blocked in a send; task 1 has the caller's port (32)."""
    me = do(0, "mach_task_self")["port"]
    port = _port(do, me)
    _other(do, profile, me, n32=me)
    for _ in range(profile.queue_limit + 1):
        do(0, "mach_msg_send", dest=port, dest_disposition=int(Disposition.MAKE_SEND), wait=True)
    return port


def a_queue_that_has_room_again(do: Do, profile: Profile) -> None:
    """A blocked send is resumed without success; then there is room."""
    port = _block_in_a_send(do, profile)
    do(0, "mach_msg_send", resume=True)
    taken = do(1, "mach_port_extract_right", task=profile.chosen_name(32), name=port, disposition=int(Disposition.MOVE_RECEIVE))["poly"]
    do(1, "mach_msg_receive", port=taken)
    do(0, "mach_msg_send", resume=True)


def a_queue_that_dies_while_a_task_is_blocked_there(do: Do, profile: Profile) -> None:
    """A holder of the task's port destroys the port to which the task waits to send."""
    port = _block_in_a_send(do, profile)
    do(1, "mach_port_destroy", task=profile.chosen_name(32), name=port)
    do(0, "mach_msg_send", resume=True)


def a_sender_that_ends_before_it_uses_its_room(do: Do, profile: Profile) -> None:
    """A task waits to send to a full port; a receive gives it room, and the task ends before it goes on."""
    me = do(0, "mach_task_self")["port"]
    port = _port(do, me)
    child, name = _other_that_can_end(do, profile, me), profile.chosen_name(50)
    do(0, "mach_port_insert_right", task=child, name=name, poly=port, disposition=int(Disposition.MAKE_SEND))
    for _ in range(profile.queue_limit):
        do(0, "mach_msg_send", dest=port, dest_disposition=int(Disposition.MAKE_SEND))
    do(_task_that_can_end(profile), "mach_msg_send", dest=name, dest_disposition=int(Disposition.COPY_SEND), wait=True)
    do(0, "mach_msg_receive", port=port)
    do(0, "task_terminate", task=child)


def _memory_without_room(do: Do, profile: Profile) -> dict[str, Any]:
    """All pages of the caller's are in use; returns the arguments for sending one of them to a port of its own."""
    me = do(0, "mach_task_self")["port"]
    port = _port(do, me)
    do(0, "mach_port_insert_right", task=me, name=port, poly=port, disposition=int(Disposition.MAKE_SEND))
    for page in range(profile.pages):
        do(0, "vm_allocate", task=me, address=page)
    return {"dest": port, "dest_disposition": int(Disposition.COPY_SEND), "descriptors": ((0, int(CopyOption.VIRTUAL), False),)}


def memory_that_a_receiver_has_no_room_for(do: Do, profile: Profile) -> None:
    """A task without a free page receives a message with a page of memory."""
    message = _memory_without_room(do, profile)
    do(0, "mach_msg_send", **message)
    do(0, "mach_msg_receive", port=message["dest"])


def memory_that_cannot_be_returned(do: Do, profile: Profile) -> None:
    """A message with a page of memory finds the queue full, and the sender has no page free."""
    message = _memory_without_room(do, profile)
    for _ in range(profile.queue_limit + 1):
        do(0, "mach_msg_send", **message)


def a_right_that_dies_while_a_stopped_call_holds_it(do: Do, profile: Profile) -> None:
    """A call that replaces a right in a place stops while it holds the old right; then the right's port dies."""
    me = do(0, "mach_task_self")["port"]
    port = _port(do, me)
    do(0, "mach_port_insert_right", task=me, name=port, poly=port, disposition=int(Disposition.MAKE_SEND))
    child = _other(do, profile, me)
    [which] = [selector for selector, place in profile.special_ports.items() if place is Place.BOOTSTRAP]
    do(0, "task_set_special_port", task=child, which=which, port=port)
    own = do(1, "mach_task_self")["port"]
    do(1, "task_set_special_port", stop=True, task=own, which=which, port=0)
    do(0, "mach_port_destroy", task=me, name=port)
    do(1, "task_set_special_port", resume=True)


def a_child_that_ends_before_it_gets_its_tokens(do: Do, profile: Profile) -> None:
    """A creation stops between its steps, and the child terminates itself."""
    if not profile.tokens_in_two_steps:
        return
    me, create = do(0, "mach_task_self")["port"], "host_security_create_task_token"
    do(0, create, stop=True, host_security=1 + profile.bootstrap_names.index("host_security"), parent_task=me)
    own = do(1, "mach_task_self")["port"]
    do(1, "task_terminate", task=own)
    do(0, create, resume=True)


def a_name_that_is_freed_after_its_port_died(do: Do, profile: Profile) -> None:
    """A task ends that receives from a port under a lower name, and has a watched send-once right to it under a higher
    one."""
    me = do(0, "mach_task_self")["port"]
    ear = _port(do, me)
    child, once = _other_that_can_end(do, profile, me), int(Disposition.MAKE_SEND_ONCE)
    name = profile.chosen_name(31)
    do(0, "mach_port_allocate_name", task=child, right=int(Right.RECEIVE), name=name)
    right = do(0, "mach_port_extract_right", task=child, name=name, disposition=once)["poly"]
    watched = profile.chosen_name(32)
    do(0, "mach_port_insert_right", task=child, name=watched, poly=right, disposition=int(Disposition.MOVE_SEND_ONCE))
    do(0, "mach_port_request_notification", task=child, name=watched, variant=int(Notification.DEAD_NAME), notify=ear, notify_disposition=once)
    do(0, "task_terminate", task=child)


def a_port_that_is_rescued_to_itself(do: Do, profile: Profile) -> None:
    """RECEIVE is taken from a name whose port asks to be sent to itself."""
    me = do(0, "mach_task_self")["port"]
    name = _port(do, me)
    variant, once = int(Notification.PORT_DESTROYED), int(Disposition.MAKE_SEND_ONCE)
    do(0, "mach_port_request_notification", task=me, name=name, variant=variant, notify=name, notify_disposition=once)
    do(0, "mach_port_mod_refs", task=me, name=name, right=int(Right.RECEIVE), delta=-1)


def an_answer_that_waits_when_its_task_ends(do: Do, profile: Profile) -> None:
    """The kernel should answer to a port whose queue is full, and the task that asked ends."""
    me = do(0, "mach_task_self")["port"]
    replies, task = _port(do, me), _other_that_can_end(do, profile, me)
    do(0, "mach_port_set_attributes", task=me, name=replies, flavor=int(PortAttributes.LIMITS_INFO), info=(0,))
    name = profile.chosen_name(31)
    do(0, "mach_port_insert_right", task=task, name=name, poly=replies, disposition=int(Disposition.MAKE_SEND))
    asks = _task_that_can_end(profile)
    host = do(asks, "mach_host_self")["port"]
    copied = int(Disposition.COPY_SEND)
    do(asks, "mach_msg_send", dest=host, dest_disposition=copied, reply=name, reply_disposition=copied, wait=True)
    do(0, "task_terminate", task=task)


def a_further_port_of_a_task_that_cannot_be_carried(do: Do, profile: Profile) -> None:
    """Calls should keep or take a right to a task's read port."""
    if not profile.flavour_ports:
        return
    me = do(0, "mach_task_self")["port"]
    read = do(0, "task_get_special_port", task=me, which=6)["port"]
    do(0, "mach_port_extract_right", task=me, name=read, disposition=int(Disposition.MOVE_SEND))
    do(0, "task_set_special_port", task=me, which=4, port=read)
    for change in ("set", "swap"):
        do(0, f"task_{change}_exception_ports", task=me, exception_mask=2, new_port=read, behavior=1, new_flavor=1)
    do(0, "mach_ports_register", task=me, ports=(read,))
    do(0, "host_set_special_port", host_priv=1, which=8, port=read)
    do(0, "task_resume", task=do(0, "task_get_special_port", task=me, which=3)["port"])


def calls_by_pid_that_an_access_port_decides(do: Do, profile: Profile) -> None:
    """A child asks by the pid for the ports of its parent's task, which has an access port; then that port dies."""
    if not profile.has_processes:
        return
    me = do(1, "mach_task_self")["port"]
    port = do(1, "mach_port_allocate", task=me, right=int(Right.RECEIVE))["name"]
    [which] = [selector for selector, place in profile.special_ports.items() if place is Place.ACCESS]
    do(1, "mach_port_insert_right", task=me, name=port, poly=port, disposition=int(Disposition.MAKE_SEND))
    do(1, "task_set_special_port", task=me, which=which, port=port)
    do(1, "fork")
    child, pid = profile.boot_tasks, boot_process(1).pid
    own = do(child, "mach_task_self")["port"]
    for _ in range(2):
        for call in ("task_for_pid", "task_inspect_for_pid", "task_read_for_pid"):
            do(child, call, target_tport=own, pid=pid)
        do(1, "mach_port_mod_refs", task=me, name=port, right=int(Right.RECEIVE), delta=-1)


def a_wait_for_an_orphan(do: Do, profile: Profile) -> None:
    """A process ends before its child, and the first process waits for that. It ends, and is forgotten at once."""
    if not profile.has_processes:
        return
    parent, child = profile.boot_tasks, profile.boot_tasks + 1
    do(0, "fork")
    orphan = do(parent, "fork")["pid"]
    do(parent, "exit", status=0)
    do(0, "wait4", pid=orphan, no_hang=False)
    do(child, "exit", status=0)
    do(0, "wait4", resume=True)


def suspensions_that_rights_hold(do: Do, profile: Profile) -> None:
    """A caller's space should have no room for rights to resume ports, or its right should have all references it can
    have. Another one holds such a right, too."""
    if not profile.resume_ports:
        return
    me, there = do(0, "mach_task_self")["port"], 1 + len(profile.bootstrap_names)
    do(0, "task_suspend", task=there, shortage=1)
    do(0, "task_suspend", task=there)
    resume = max(do(0, "mach_port_names", task=me)["names"])
    do(0, "task_suspend", task=there, shortage=1)
    do(0, "task_resume", task=there)
    do(0, "task_resume", task=there)
    for call in ("task_suspend", "task_suspend", "task_resume", "task_suspend"):
        do(0, call, task=there)
    do(0, "mach_port_mod_refs", task=me, name=resume, right=int(Right.SEND), delta=profile.urefs_max - 2)
    do(0, "task_suspend", task=there)
    do(0, "task_resume", task=there)
    do(0, "mach_port_destroy", task=me, name=resume)
    do(0, "task_resume", task=there)
    other = there + 1
    do(0, "task_suspend", task=other)
    do(0, "mach_port_insert_right", task=there, name=profile.chosen_name(41), poly=other, disposition=int(Disposition.COPY_SEND))
    do(1, "task_resume", task=profile.chosen_name(41))
    do(0, "task_resume", task=other)
    do(0, "task_resume", task=other)


RARE_RUNS: tuple[RareRun, ...] = (
    a_ledger_that_has_less_to_give,
    a_ledger_that_a_task_draws_on,
    a_dead_name_with_all_its_references,
    a_no_senders_request_to_a_dead_port,
    a_message_for_a_task_blocked_at_a_port_set,
    a_port_set_destroyed_while_a_task_is_blocked_there,
    a_receive_right_extracted_while_a_task_is_blocked_there,
    a_receive_right_put_into_a_set_while_a_task_is_blocked_there,
    a_message_for_a_task_blocked_at_a_port,
    a_port_that_dies_while_a_task_is_blocked_there,
    a_place_that_is_set_twice,
    an_exception_port_that_cannot_be_carried,
    ports_for_a_purpose,
    names_that_denote_nothing,
    names_of_every_kind,
    guards_that_are_known,
    attributes_of_every_flavour,
    a_queue_that_has_room_again,
    a_queue_that_dies_while_a_task_is_blocked_there,
    a_sender_that_ends_before_it_uses_its_room,
    memory_that_a_receiver_has_no_room_for,
    memory_that_cannot_be_returned,
    a_right_that_dies_while_a_stopped_call_holds_it,
    a_child_that_ends_before_it_gets_its_tokens,
    a_name_that_is_freed_after_its_port_died,
    a_port_that_is_rescued_to_itself,
    an_answer_that_waits_when_its_task_ends,
    a_further_port_of_a_task_that_cannot_be_carried,
    suspensions_that_rights_hold,
    calls_by_pid_that_an_access_port_decides,
    a_wait_for_an_orphan,
)


def make(run: RareRun, profile: Profile, call: Callable[[int, Call], dict[str, Any]]) -> None:
    """Make the calls of ``run`` with ``call``. The run ends early if the profile lacks a call, or if a call fails."""

    def do(task: int, name: str, /, stop: bool = False, resume: bool = False, shortage: int = 0, **arguments: Any) -> dict[str, Any]:
        return _Results(call(task, Call(name, arguments, shortage=shortage, stop=stop, resume=resume)))

    with contextlib.suppress(_NoResult):
        run(do, profile)


class _NoResult(Exception):
    """A call has no result, although a later call needs it."""


class _Results(dict[str, Any]):
    def __missing__(self, name: str) -> Any:
        raise _NoResult(name)
