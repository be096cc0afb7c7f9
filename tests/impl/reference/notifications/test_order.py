"""In which order one call's consequences come: what a receiver gets, message by message, in each profile.

Each situation runs twice: on the reference kernel alone, and with the specification as a judge of every call.
"""

import pytest
from support import kernel
from support.judged_kernel import JudgedKernel
from support.kernel import Actor, Machine

from sendright.mach.abi.rights import NULL_NAME, Disposition, Place, Right, SlotKind
from sendright.mach.kernel.profiles import GNUMACH, OSF, PROFILES, XNU, XNU_792, Profile
from sendright.mach.kernel.unmodelled import Unmodelled

D = Disposition
PORT_DELETED, PORT_DESTROYED, NO_SENDERS, SEND_ONCE, DEAD = 65, 69, 70, 71, 72
every_profile = pytest.mark.parametrize("profile", PROFILES.values(), ids=list(PROFILES))
QUEUE_WHOLE = (XNU,)
RESCUE_STRANDS = (OSF, GNUMACH, XNU_792)
"""Profiles with hazard H-8."""


@pytest.fixture(autouse=True, params=[kernel.ReferenceKernel, JudgedKernel], ids=["alone", "judged"])
def _kernel(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernel, "ReferenceKernel", request.param)


def pair(profile: Profile) -> tuple[Actor, Actor, int]:
    """Two tasks, of which the first can end the second, and a port of the first."""
    machine = Machine(profile)
    root = machine.root
    other = root.child() if profile.serves("task_create") else machine.last_booted()
    return root, other, root.port()


def high_port(actor: Actor, index: int = 90) -> int:
    """A new port of the actor's, under a name above all names that it gets otherwise."""
    name = actor.machine.profile.chosen_name(index)
    actor.does("mach_port_allocate_name", right=Right.RECEIVE, name=name)
    return name


def watches(root: Actor, other: Actor, name: int, variant: int, watch: int) -> None:
    """Ask about a name of the other task, over a send-once right to a port of ``root``."""
    root.asks(name, variant, watch, task=other.seen_as)


def last_sent(actor: Actor, queue: int, mark: int, watch: int, root: Actor | None = None) -> int:
    """A port of the actor's whose only send right lies in ``queue``. When that ends, ``watch`` gets no-senders with
    ``mark``.
    """
    port = high_port(actor, 100 + mark)
    actor.sends(queue, D.MAKE_SEND, descriptors=((port, D.MAKE_SEND),))
    marks(actor, port, mark, watch, root)
    return port


def marks(actor: Actor, port: int, mark: int, watch: int, root: Actor | None = None) -> None:
    """Let ``watch`` get no-senders with ``mark`` when the last send right to a port of the actor's ends."""
    actor.does("mach_port_set_mscount", name=port, mscount=mark)
    if root is None:
        actor.asks(port, NO_SENDERS, watch)
    else:
        watches(root, actor, port, NO_SENDERS, watch)


# a task ends: name by name


@every_profile
def test_a_name_whose_port_died_with_a_lower_name(profile: Profile) -> None:
    root, other, watch = pair(profile)
    once = other.send_once(other.port())
    watches(root, other, once, DEAD, watch)
    root.does("task_terminate", task=other.seen_as)
    assert root.mail(watch) == [(DEAD, once)]


@every_profile
def test_a_name_whose_port_dies_with_a_higher_name(profile: Profile) -> None:
    root, other, watch = pair(profile)
    once = other.send_once(high_port(other))
    watches(root, other, once, DEAD, watch)
    root.does("task_terminate", task=other.seen_as)
    assert root.mail(watch) == [(PORT_DELETED, once)]


@every_profile
@pytest.mark.parametrize("lower", ["queue", "port"])
def test_the_last_sender_in_another_ports_queue(profile: Profile, lower: str) -> None:
    root, other, watch = pair(profile)
    queue, port = (other.port(), other.port()) if lower == "queue" else reversed((other.port(), other.port()))
    other.sends(queue, D.MAKE_SEND, descriptors=((port, D.MAKE_SEND),))
    watches(root, other, port, NO_SENDERS, watch)
    root.does("task_terminate", task=other.seen_as)
    assert [id for id, _ in root.mail(watch)] == [NO_SENDERS if lower == "queue" else SEND_ONCE]


@every_profile
def test_a_name_whose_port_died_in_a_lower_ports_queue(profile: Profile) -> None:
    root, other, watch = pair(profile)
    queue, port = other.port(), high_port(other)
    other.does("mach_port_insert_right", name=port, poly=port, disposition=D.MAKE_SEND)
    watches(root, other, port, DEAD, watch)
    other.sends(queue, D.MAKE_SEND, descriptors=((port, D.MOVE_RECEIVE),))
    root.does("task_terminate", task=other.seen_as)
    assert root.mail(watch) == [(DEAD, port)]


@every_profile
def test_all_requests_of_a_task_that_ends(profile: Profile) -> None:
    """Each name is over, with all that it leads to, before the next."""
    root, other, watch = pair(profile)
    first, second = other.port_with_send(), other.port()
    once, third = other.send_once(first), high_port(other)
    last_sent(other, second, 7, watch, root)
    for name in (first, second, once, third):
        watches(root, other, name, DEAD, watch)
    root.does("task_terminate", task=other.seen_as)
    expected = [(DEAD, once), (PORT_DELETED, first), (NO_SENDERS, 7), (PORT_DELETED, second), (PORT_DELETED, third)]
    assert root.mail(watch) == expected


# one port dies


@every_profile
def test_what_a_dying_port_holds(profile: Profile) -> None:
    """Its no-senders request, what is in its queue, and who watches it."""
    root = Machine(profile).root
    watch, port = root.port(), root.port()
    last_sent(root, port, 7, watch)
    root.asks(port, NO_SENDERS, watch)
    once = root.send_once(port)
    root.asks(once, DEAD, watch)
    root.does("mach_port_mod_refs", name=port, right=Right.RECEIVE, delta=-1)
    first = [(NO_SENDERS, 7), (SEND_ONCE, 0)] if profile in QUEUE_WHOLE else [(SEND_ONCE, 0), (NO_SENDERS, 7)]
    assert root.mail(watch) == [*first, (DEAD, once)]


@every_profile
def test_messages_inside_messages(profile: Profile) -> None:
    """The first message of a queue has a receive right, whose port has a message too. XNU ends the whole queue
    first.
    """
    root = Machine(profile).root
    watch, outer, inner = root.port(), root.port(), root.port_with_send()
    last_sent(root, inner, 3, watch)
    root.asks(inner, DEAD, watch)
    after = high_port(root)
    root.sends(outer, D.MAKE_SEND, descriptors=((inner, D.MOVE_RECEIVE), (after, D.MAKE_SEND)))
    marks(root, after, 1, watch)
    last_sent(root, outer, 2, watch)
    root.does("mach_port_destroy", name=outer)
    later = [2, 3] if profile in QUEUE_WHOLE else [3, 2]
    assert root.mail(watch) == [(DEAD, inner), (NO_SENDERS, 1), *((NO_SENDERS, mark) for mark in later)]


@every_profile
def test_a_port_that_dies_in_a_message_tells_of_its_death_at_once(profile: Profile) -> None:
    """What lies in the inner port's queue waits for the end of the message that has the inner port."""
    root = Machine(profile).root
    watch, outer, inner = root.port(), root.port(), root.port_with_send()
    last_sent(root, inner, 3, watch)
    root.asks(inner, NO_SENDERS, watch)
    root.asks(inner, DEAD, watch)
    root.sends(outer, D.MAKE_SEND, descriptors=((inner, D.MOVE_RECEIVE),))
    root.does("mach_port_destroy", name=outer)
    assert root.mail(watch) == [(SEND_ONCE, 0), (DEAD, inner), (NO_SENDERS, 3)]


@every_profile
def test_a_request_that_fails_is_a_message_that_ends(profile: Profile) -> None:
    """A receive right that can't be inserted dies inside the destruction of the request."""
    root, other, watch = pair(profile)
    port = root.port_with_send()
    last_sent(root, port, 3, watch)
    root.asks(port, DEAD, watch)
    taken = root.gives(other, watch, D.MAKE_SEND)
    arguments = {"task": other.seen_as, "name": taken, "poly": port, "disposition": D.MOVE_RECEIVE}
    assert root.fails("mach_port_insert_right", **arguments) == "KERN_NAME_EXISTS"
    assert root.mail(watch) == [(DEAD, port), (NO_SENDERS, 3)]


@every_profile
@pytest.mark.parametrize("parts", [("send", "receive"), ("receive", "send"), ("reply", "receive")], ids="-".join)
def test_the_rights_of_one_message(profile: Profile, parts: tuple[str, ...]) -> None:
    """Reply, then body, in order: the last send right before the receive right is missed; after it, nobody is there."""
    root = Machine(profile).root
    watch, queue, port = root.port(), root.port(), root.port_with_send()
    marks(root, port, 7, watch)
    body = {"send": (port, D.MOVE_SEND), "receive": (port, D.MOVE_RECEIVE)}
    reply = {"reply": port, "reply_disposition": D.MOVE_SEND} if "reply" in parts else {}
    root.sends(queue, D.MAKE_SEND, descriptors=tuple(body[part] for part in parts if part in body), **reply)
    root.does("mach_port_destroy", name=queue)
    assert [id for id, _ in root.mail(watch)] == [SEND_ONCE if parts[0] == "receive" else NO_SENDERS]


# one name ends


@every_profile
def test_a_name_with_a_send_and_a_receive_right(profile: Profile) -> None:
    root = Machine(profile).root
    watch, port = root.port(), root.port_with_send()
    last_sent(root, port, 7, watch)
    once = root.send_once(port)
    marks(root, port, 5, watch)
    for name in (port, once):
        root.asks(name, DEAD, watch)
    root.does("mach_port_destroy", name=port)
    # The queue's message had the other send right, so the name's own was not the last: the port dies with its request.
    expected = [(NO_SENDERS, 7), (DEAD, once)]
    assert [each for each in root.mail(watch) if each[0] in (NO_SENDERS, DEAD)] == expected
    assert root.mail(watch)[-1] == (PORT_DELETED, port)


@every_profile
def test_a_name_with_the_last_send_right(profile: Profile) -> None:
    root = Machine(profile).root
    watch, port = root.port(), root.port_with_send()
    marks(root, port, 5, watch)
    once = root.send_once(port)
    for name in (port, once):
        root.asks(name, DEAD, watch)
    root.does("mach_port_destroy", name=port)
    assert root.mail(watch) == [(DEAD, once), (NO_SENDERS, 5), (PORT_DELETED, port)]


@every_profile
def test_a_receive_right_that_is_given_up(profile: Profile) -> None:
    root = Machine(profile).root
    watch, port = root.port(), root.port()
    once = root.send_once(port)
    for name in (port, once):
        root.asks(name, DEAD, watch)
    root.does("mach_port_mod_refs", name=port, right=Right.RECEIVE, delta=-1)
    assert root.mail(watch) == [(DEAD, once), (PORT_DELETED, port)]


def test_a_port_that_is_destructed() -> None:
    """Its last send right ends before it."""
    root = Machine(XNU).root
    watch, port = root.port(), root.port_with_send()
    once = root.send_once(port)
    marks(root, port, 5, watch)
    for name in (port, once):
        root.asks(name, DEAD, watch)
    root.does("mach_port_destruct", name=port, srdelta=-1, guard=0)
    assert root.mail(watch) == [(NO_SENDERS, 5), (DEAD, once), (PORT_DELETED, port)]


@every_profile
def test_a_send_once_right_that_is_given_up(profile: Profile) -> None:
    root = Machine(profile).root
    watch = root.port()
    once = root.send_once(watch)
    root.asks(once, DEAD, watch)
    root.does("mach_port_deallocate", name=once)
    assert root.mail(watch) == [(SEND_ONCE, 0), (PORT_DELETED, once)]


# the requests of one port


@every_profile
def test_the_requests_of_one_port_fire_by_slot(profile: Profile) -> None:
    """A table has one slot, then 3, 7, 15 or, in XNU, 2, 3, 5, 7, 11; of new slots the highest is used first, and a
    freed one next.
    """
    root = Machine(profile).root
    watch, port = root.port(), root.port()
    names = [root.send_once(port, name) for name in range(40, 49)]
    for name in names[:7]:
        root.asks(name, DEAD, watch)
    for name, notify in ((names[1], NULL_NAME), (names[4], NULL_NAME), (names[7], watch), (names[8], watch)):
        root.does("mach_port_request_notification", name=name, variant=DEAD, notify=notify)
    root.does("mach_port_destroy", name=port)
    slots = [0, 8, 2, 7, 3, 6, 5] if profile is XNU else [0, 2, 8, 6, 5, 7, 3]
    assert root.mail(watch) == [(DEAD, names[index]) for index in slots]


@every_profile
def test_a_request_that_is_replaced_keeps_its_slot(profile: Profile) -> None:
    """And a name that is renamed."""
    root = Machine(profile).root
    watch, port = root.port(), root.port()
    names = [root.send_once(port, name) for name in (40, 41, 42)]
    for name in (*names, names[1]):
        root.asks(name, DEAD, watch)
    if profile.serves("mach_port_rename"):
        root.does("mach_port_rename", old_name=names[1], new_name=900)
        names[1] = 900
    root.does("mach_port_destroy", name=port)
    assert root.mail(watch) == [(DEAD, names[index]) for index in ((0, 1, 2) if profile is XNU else (0, 2, 1))]


# a task ends: its call, its places, its port


@every_profile
def test_a_message_that_waits_is_handed_back_first(profile: Profile) -> None:
    """Its rights end with the names: under the lowest free names."""
    root, other, watch = pair(profile)
    full = root.port_with_send()
    for _ in range(5):
        root.sends(full)
    dest = root.gives(other, full, D.COPY_SEND, name=40)
    low = other.port()
    last_sent(other, low, 1, watch, root)
    moved, high = high_port(root, 91), high_port(root, 92)
    carried = root.gives(other, moved, D.MAKE_SEND, name=50)
    root.gives(other, high, D.MAKE_SEND, name=60)
    for mark, port in ((2, moved), (3, high)):
        marks(root, port, mark, watch)
    other.waits("mach_msg_send", dest=dest, dest_disposition=D.COPY_SEND, descriptors=((carried, D.MOVE_SEND),), wait=True)
    root.does("task_terminate", task=other.seen_as)
    assert root.mail(watch) == [(NO_SENDERS, 1), (NO_SENDERS, 2), (NO_SENDERS, 3)]


@every_profile
def test_a_message_that_waits_for_a_dead_port_is_destroyed_first(profile: Profile) -> None:
    root, other, watch = pair(profile)
    full = root.port_with_send()
    for _ in range(5):
        root.sends(full)
    dest = root.gives(other, full, D.COPY_SEND, name=40)
    low = other.port()
    last_sent(other, low, 1, watch, root)
    moved = high_port(root, 91)
    carried = root.gives(other, moved, D.MAKE_SEND, name=50)
    marks(root, moved, 2, watch)
    other.waits("mach_msg_send", dest=dest, dest_disposition=D.COPY_SEND, descriptors=((carried, D.MOVE_SEND),), wait=True)
    root.does("mach_port_mod_refs", name=full, right=Right.RECEIVE, delta=-1)
    root.does("task_terminate", task=other.seen_as)
    assert root.mail(watch) == [(NO_SENDERS, 2), (NO_SENDERS, 1)]


@every_profile
def test_the_places_of_a_task_that_ends(profile: Profile) -> None:
    """Before the names or after them, each kind in its order, and the task's own port last; OSF ends ledger places
    after that.
    """
    root, other, watch = pair(profile)
    marked = {place: 10 + number for number, place in enumerate(places_of(profile))}
    named = high_port(root, 50)
    root.gives(other, named, D.MAKE_SEND, name=60)
    marks(root, named, 1, watch)
    ports = {place: high_port(root, 100 + mark) for place, mark in marked.items()}
    for port in ports.values():
        root.does("mach_port_insert_right", name=port, poly=port, disposition=D.MAKE_SEND)
    set_places(root, other, profile, ports)
    for place, port in ports.items():
        marks(root, port, marked[place], watch)
        root.does("mach_port_mod_refs", name=port, right=Right.SEND, delta=-1)
    root.asks(other.seen_as, DEAD, watch)
    assert root.mail(watch) == []
    root.does("task_terminate", task=other.seen_as)
    last = [place for place in marked if profile is OSF and place in (Place.WIRED_LEDGER, Place.PAGED_LEDGER)]
    told = [(NO_SENDERS, mark) for place, mark in marked.items() if place not in last]
    names, own = [(NO_SENDERS, 1)], [(DEAD, other.seen_as)]
    expected = [*names, *told] if profile in (XNU_792, XNU) else [*told, *names]
    assert root.mail(watch) == [*expected, *own, *((NO_SENDERS, marked[place]) for place in last)]


def places_of(profile: Profile) -> list[Place]:
    """The places that the test sets, in the order in which they end."""
    special = (Place.HOST, Place.BOOTSTRAP, Place.ACCESS, Place.DEBUG_CONTROL, Place.RESOURCE_NOTIFY)
    settable = [place for place in special if place in profile.special_ports.values() and place not in profile.protected_places]
    exceptions = exception_places_of(profile) or (Place.EXCEPTION,)
    ledgers = [place for place in (Place.WIRED_LEDGER, Place.PAGED_LEDGER) if place in profile.special_ports.values()]
    return [*exceptions, *settable, *profile.registered_places, *ledgers]


def set_places(root: Actor, other: Actor, profile: Profile, ports: dict[Place, int]) -> None:
    """Put the ports into the places of the other task."""
    for which, place in profile.special_ports.items():
        if place in ports:
            root.does("task_set_special_port", task=other.seen_as, which=which, port=ports[place])
    registered = tuple(ports[place] for place in profile.registered_places)
    root.does("mach_ports_register", task=other.seen_as, ports=registered)
    for place in exception_places_of(profile):
        mask = 2 << profile.exception_places.index(place)
        arguments = {"exception_mask": mask, "new_port": ports[place], "behavior": 1, "new_flavor": 0}
        root.does("task_set_exception_ports", task=other.seen_as, **arguments)


def exception_places_of(profile: Profile) -> tuple[Place, ...]:
    """The exception places that the test sets: the first and the last ones."""
    return (*profile.exception_places[:1], *profile.exception_places[-4:])


# a receive right that is redirected


@pytest.mark.parametrize("profile", RESCUE_STRANDS, ids=lambda profile: profile.name)
def test_a_dead_name_request_whose_name_loses_a_redirected_right_is_not_judged(profile: Profile) -> None:
    """Those kernels leave it with the port until that dies: it isn't modelled."""
    root = Machine(profile).root
    watch, port = root.port(), root.port_with_send()
    root.asks(port, PORT_DESTROYED, watch)
    root.asks(port, DEAD, watch)
    call = {"name": port, "right": Right.RECEIVE, "delta": -1}
    if isinstance(root.machine.kernel, JudgedKernel):
        with pytest.raises(Unmodelled, match="a dead-name request whose name loses a redirected receive right"):
            root.does("mach_port_mod_refs", **call)
    else:
        root.does("mach_port_mod_refs", **call)
        assert root.mail(watch)[0] == (PORT_DESTROYED, 0)


@every_profile
def test_a_redirection_that_would_be_circular(profile: Profile) -> None:
    """OSF and GNU Mach give up its send-once right silently. Others make a message of it, inside whose destruction the
    port dies.
    """
    root = Machine(profile).root
    watch, port, backup = root.port(), root.port(), root.port()
    root.asks(port, PORT_DESTROYED, backup)
    root.asks(backup, PORT_DESTROYED, watch)
    once = root.send_once(port)
    root.asks(once, DEAD, watch)
    last_sent(root, port, 3, watch)
    root.sends(port, D.MAKE_SEND, descriptors=((backup, D.MOVE_RECEIVE),))
    root.asks(port, NO_SENDERS, watch)
    root.does("mach_port_mod_refs", name=port, right=Right.RECEIVE, delta=-1)
    silent = profile in (OSF, GNUMACH)
    queue, own = [(NO_SENDERS, 3), (PORT_DESTROYED, 0)], [(DEAD, once)]
    assert root.mail(watch) == [(SEND_ONCE, 0), *(queue + own if silent else own + queue)]
    while (message := root.receives(watch))["id"] != PORT_DESTROYED:
        pass
    ((rescued, _),) = message["descriptors"]
    assert root.mail(rescued) == ([] if silent else [(SEND_ONCE, 0)])


@every_profile
def test_a_redirection_to_a_dead_port(profile: Profile) -> None:
    """Its message is destroyed, and inside that the port dies."""
    root = Machine(profile).root
    watch, port, backup = root.port(), root.port_with_send(), root.port()
    root.asks(port, PORT_DESTROYED, backup)
    root.does("mach_port_destroy", name=backup)
    last_sent(root, port, 3, watch)
    once = root.send_once(port)
    root.asks(once, DEAD, watch)
    root.does("mach_port_mod_refs", name=port, right=Right.RECEIVE, delta=-1)
    assert root.mail(watch) == [(DEAD, once), (NO_SENDERS, 3)]
    assert root.does("mach_port_type", name=port) == SlotKind.DEAD_NAME.type_bits
