"""The order of consequences: what a release leads to, one thing after another, as the kernels of a profile do it.

``Release`` says what ends, and leaves the order open, so that proofs hold for every order. This module says which order
it is. It decides what requesters hear (dead-name or port-deleted, no-senders or send-once), and the order in which
notifications arrive.

- **A name's end is over, with all that it leads to, before the next name's.** A task's names end in ascending order. Of
  one name: its dead-name request is cancelled, then its send right goes, then its receive right (and its port dies) or
  its send-once right; then the kernel sends no-senders, then port-deleted (``ipc_right_clean``, ``ipc_right_destroy``,
  in XNU 11417 ``ipc_right_terminate``). ``mach_port_destruct`` sends no-senders before the port dies
  (``ipc_right_destruct``).
- **A task's end**: its places, its names, its own port (in XNU 11417 its read port before that, its name and inspect
  ports after it, and its resume port last; ``ipc_task_terminate`` in ``kern/ipc_tt.c``). The message with which it
  waits to send is handed back before: its rights join the names that the space has for their ports, or get free names
  (``thread_terminate`` aborts the send; ``ipc_kmsg_copyout_pseudo``, ``ipc_entry_alloc``). If the port has died to
  which it waits to send it, that has woken the sender, and the message is destroyed (``ipc_mqueue_send``; in XNU 11417
  ``ipc_mqueue_post``. XNU 792 puts it into the dead port's queue, and we decide that it does as the others). In XNU
  its places end after its names; in OSF its ledgers' places end last (``ipc_task_terminate`` in
  ``kern/ipc_tt.c``, ``task_free`` in ``kern/task.c``, ``ipc_space_destroy`` or ``ipc_space_terminate`` in
  ``ipc/ipc_space.c``).
- **A port dies**: from then on nothing is sent to it. Its no-senders request is given up, its messages are destroyed in
  the order of arrival, then its dead-name requests fire (``ipc_port_destroy`` in ``ipc/ipc_port.c``). XNU 11417 gives
  up the no-senders request after the messages.
- **A port with a port-destroyed request** doesn't die: its receive right is sent to the requester. If the requester's
  port is dead, or on its way to this one (``ipc_port_check_circularity``), the right is destroyed in a message; where
  ``circular_rescue_is_silent``, a circular one without a message.
- **One message**: destination, reply, body (``ipc_kmsg_clean``). Ports that die meanwhile have their messages destroyed
  after it, in the order in which they were put on the list (``ipc_kmsg_destroy``). Where ``queue_ends_whole``, the
  messages of a queue are put on it all at once (``ipc_kmsg_delayed_destroy_queue``); elsewhere one after another, each
  with all that it leads to. A message whose send fails, or whose receive loses it, isn't on the list: the messages of a
  port that dies with it are destroyed before the port's dead-name requests fire (``ipc_kmsg_clean_partial``,
  ``ipc_kmsg_copyout_dest``).

``Consequences.together`` has what a kernel leaves open, since it depends on tables of the kernel's that the state
doesn't have:

- Dead-name requests of one port fire in the order of the port's table, whose slots are reused.
- A right that is handed back to a task without a name for its port gets a free name. The kernel chooses one, often the
  name that was freed last (``ipc_entry_get``). No call tells which, as the task ends, but the names end in their order.
  Whether a notification is dead-name or port-deleted, no-senders or send-once, is decided as if it were the lowest.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import count

from sendright.mach.abi.rights import EXCEPTION_PLACES, REGISTERED_PLACES, Place, PortObject, SlotKind
from sendright.mach.kernel.profiles import Profile
from sendright.model.execution.encoding import (
    BODY_SLOT,
    DESTINATION_SLOT,
    IN_HAND,
    NAME_SLOT,
    NO_PORT,
    NO_SENDERS_SLOT,
    PLACE_SLOT,
    PORT_DESTROYED_SLOT,
    QUEUED,
    REPLY_SLOT,
    REQUEST_SLOT,
    WAITING,
    SlotTuple,
)
from sendright.model.execution.state import ConcreteState

MESSAGE_SLOTS = (DESTINATION_SLOT, REPLY_SLOT, BODY_SLOT)
"""The constructors of the places of a message, in the order in which they end."""

_SENDS = (SlotKind.SEND, SlotKind.SEND_RECEIVE)
_RECEIVES = (SlotKind.RECEIVE, SlotKind.SEND_RECEIVE)
_LEDGERS = (Place.WIRED_LEDGER, Place.PAGED_LEDGER)
_PLACES = (
    *(IN_HAND, Place.KERNEL, Place.EXCEPTION, *EXCEPTION_PLACES, Place.HOST, Place.BOOTSTRAP),
    *(Place.ACCESS, Place.DEBUG_CONTROL, Place.RESOURCE_NOTIFY, *REGISTERED_PLACES, *_LEDGERS),
)
"""A task's places in the order in which they end: first what a stopped call of the task has in its hands."""

_OWN_PORTS = (PortObject.TASK_READ, PortObject.TASK, PortObject.TASK_NAME, PortObject.TASK_INSPECT, PortObject.TASK_RESUME)
"""The ports that stand for a task in the order in which they end."""

_REQUESTS = (REQUEST_SLOT, NO_SENDERS_SLOT, PORT_DESTROYED_SLOT)

NO_TASK = -1
"""The owner of a message that nothing is known of."""

Step = Callable[[], None]


class Consequences:
    """What follows from giving up the ``released`` slots and ending the ports ``roots``, in order.

    Nothing is changed in ``state``.
    """

    def __init__(
        self, state: ConcreteState, profile: Profile, released: list[SlotTuple], roots: list[int], no_senders_first: bool, at_once: bool
    ) -> None:
        self._state, self._profile = state, profile
        self._kind, self._port = state["kind"], state["port"]
        self._released = frozenset(released)
        self._no_senders_first, self._at_once = no_senders_first, at_once
        self._used: set[SlotTuple] = set()
        """Requests that have fired or were cancelled."""
        self._left: dict[int, int] = {}
        """How many send rights are left, of ports that have lost some."""
        self._to_destroy: deque[Step] = deque()
        """The messages to destroy: the first is being destroyed, the others wait."""
        self._came: dict[int, list[Step]] = {}
        """The ends of receive rights that were sent to ports in the meantime."""
        self._clock: int = state["clock"].get((), 0)
        self.dead: dict[int, None] = {}
        """The ports that die, in order."""
        self.rescued: dict[int, None] = {}
        """The ports whose receive rights are sent to requesters, in order. (Some of them die later.)"""
        self.places: dict[SlotTuple, int] = {}
        """Of each right that becomes a notification: the place of that in the order of arrival."""
        self.told_none: set[int] = set()
        """The ports whose no-senders request fires, since the last send right goes before they die."""
        self.moved_first: set[int] = set()
        """Those of them whose receive right has moved before."""
        self.circular: set[int] = set()
        """The ports whose port-destroyed requesters' ports are on their way to them."""
        self.unsent: set[SlotTuple] = set()
        """Those of these requests that end without a notification."""
        self.told_dead: set[SlotTuple] = set()
        """The dead-name requests that fire because the port dies."""
        self.together: list[tuple[tuple[SlotTuple, ...], ...]] = []
        """Sequences of rights that become notifications: the state tells the order in each, not how they interleave."""
        self._sequences: dict[SlotTuple | None, list[SlotTuple]] = {}
        """While names end some of which the kernel chose: the rights that became notifications, by the chosen name that
        ended (None: those of all others).
        """
        self._chosen: SlotTuple | None = None
        """The name that ends, if the kernel chose it."""
        for step in self._starts(released, roots):
            step()
        self.given_up = [*released, *self._with_the_dead()]
        """All slots that are given up."""
        for slot in self.given_up:  # port-destroyed requests of ports that die all the same
            self._tell(slot)

    @property
    def next_clock(self) -> int:
        """The first place in the order of arrival that isn't taken."""
        return self._clock

    # ---- where it starts

    def _starts(self, released: list[SlotTuple], roots: list[int]) -> Iterator[Step]:
        messages = sorted({slot[1] for slot in released if slot[0] in MESSAGE_SLOTS})
        under = {slot: [slot] for slot in released if slot[0] == NAME_SLOT}
        handed_back = [message for message in messages if roots and self._kind.get((DESTINATION_SLOT, message, 0)) != SlotKind.DEAD_NAME]
        chosen = self._hand_back(handed_back, under)
        destroyed = [message for message in messages if message not in handed_back]
        ends = [partial(self._clean, message, self._released) for message in destroyed]
        yield from ends if self._at_once else (partial(self._destroy, [end]) for end in ends)
        names = [partial(self._end_names, under, chosen)]
        places = sorted((slot for slot in released if slot[0] == PLACE_SLOT), key=lambda slot: _PLACES.index(slot[2]))
        late = [slot for slot in places if slot[2] in _LEDGERS and self._profile.ledger_places_end_last]
        early = [partial(self._end_held, slot) for slot in places if slot not in late]
        yield from [*early, *names] if self._profile.places_end_first else [*names, *early]
        yield from (partial(self._end_root, port) for port in sorted(roots, key=self._place_of_root))
        yield from (partial(self._end_held, slot) for slot in late)

    def _place_of_root(self, port: int) -> int:
        """When the port ends, if it is one of a task's ports."""
        object_ = self._state["object"].get(port, PortObject.NONE)
        return _OWN_PORTS.index(object_) if object_ in _OWN_PORTS else len(_OWN_PORTS)

    def _hand_back(self, messages: list[int], under: dict[SlotTuple, list[SlotTuple]]) -> set[SlotTuple]:
        """The rights of messages that a task waits to send go ``under`` names of its space: under those that it has, or
        under the lowest that are free. Returns the latter, instead of which the kernel may choose others.
        """
        chosen: set[SlotTuple] = set()
        for message in messages:
            task: int = self._state["owner"].get(message, NO_TASK)
            known_as = self._state["known_as"]
            known = {point[1]: (NAME_SLOT, task, known_as[point]) for point in self._state.by_part("known_as", 0, task)}
            for slot in self._carried(message):
                kind, port = self._kind[slot], self._port.get(slot, NO_PORT)
                if port == NO_PORT:
                    continue
                name = known.get(port) if kind != SlotKind.SEND_ONCE else None
                if name is None:
                    free = ((NAME_SLOT, task, number) for number in count(1))
                    name = next(each for each in free if each not in under)
                    chosen.add(name)
                    if kind != SlotKind.SEND_ONCE:
                        known[port] = name
                under.setdefault(name, []).append(slot)
        return chosen

    def _with_the_dead(self) -> Iterator[SlotTuple]:
        """What goes with the ports that die: what their messages carry, and their requests."""
        for port in self.dead:
            for message in self._state.waiting(port):
                yield from self._carried(message)
            yield from (slot for slot in ((NO_SENDERS_SLOT, port, 0), (PORT_DESTROYED_SLOT, port, 0)) if slot in self._kind)

    def _carried(self, message: int) -> Iterator[SlotTuple]:
        for constructor in MESSAGE_SLOTS:
            yield from sorted(self._state.slots_of(constructor, message))

    # ---- rights

    def _end_names(self, under: dict[SlotTuple, list[SlotTuple]], chosen: set[SlotTuple]) -> None:
        """A task's names end, with all rights that are ``under`` them. Where the ``chosen`` ones come is open."""
        before = list(self.together)
        self._sequences = {}
        for name in sorted(under):
            self._chosen = name if name in chosen else None
            self._end_name(under[name])
        self._chosen = None
        if chosen:
            alone = [sequence for sequences in self.together[len(before) :] for sequence in sequences]
            told = {slot for sequence in alone for slot in sequence}
            others = [tuple(slot for slot in sequence if slot not in told) for sequence in self._sequences.values()]
            self.together = [*before, (*alone, *filter(None, others))]

    def _end_name(self, rights: list[SlotTuple]) -> None:
        """What a name denotes ends: all these rights to one port. The first is in the name's own slot."""
        kinds, port = [self._kind[slot] for slot in rights], self._port.get(rights[0], NO_PORT)
        if port == NO_PORT or port in self.dead:
            return
        request = self._take(rights[0])
        lost = [self._lose(port) for kind in kinds if kind in _SENDS]
        none_left = any(lost)
        if none_left and self._no_senders_first:
            self._tell_no_senders(port)
        if any(kind in _RECEIVES for kind in kinds):
            self._end_receive(port)
        elif SlotKind.SEND_ONCE in kinds:
            self._tell(rights[0])
        if none_left and not self._no_senders_first:
            self._tell_no_senders(port)
        if request:
            self._tell(request)

    def _take(self, slot: SlotTuple) -> SlotTuple | None:
        """The name's dead-name request is cancelled, if it has one."""
        request = (REQUEST_SLOT, slot[1], slot[2])
        if slot[0] != NAME_SLOT or request not in self._kind or request in self._used:
            return None
        self._used.add(request)
        return request

    def _end_held(self, slot: SlotTuple) -> None:
        """A right outside name spaces ends."""
        kind, port = self._kind[slot], self._port.get(slot, NO_PORT)
        if port == NO_PORT or port in self.dead:
            return
        if kind in _SENDS and self._lose(port):
            self._tell_no_senders(port)
        if kind in _RECEIVES:
            self._end_receive(port)
        elif kind == SlotKind.SEND_ONCE:
            self._tell(slot)

    def _lose(self, port: int) -> bool:
        """A send right goes. Whether it was the last one, and a no-senders request is registered, which fires now."""
        self._left[port] = self._left.get(port, self._state["srights"].get(port, 0)) - 1
        request = (NO_SENDERS_SLOT, port, 0)
        if self._left[port] or request not in self._kind or request in self._used:
            return False
        self._used.add(request)
        self.told_none.add(port)
        if port in self.rescued:
            self.moved_first.add(port)
        return True

    def _tell_no_senders(self, port: int) -> None:
        self._tell((NO_SENDERS_SLOT, port, 0))

    def _end_receive(self, port: int) -> None:
        request = (PORT_DESTROYED_SLOT, port, 0)
        if request not in self._kind or request in self._used:
            self._kill(port)
            return
        self._used.add(request)
        home = self._port.get(request, NO_PORT)
        end = partial(self._kill, port)
        if home == NO_PORT or home in self.dead:
            self._destroy([end])
            return
        if self._leads_to(home, port):
            self.circular.add(port)
            self._end_circular(port, request)
            return
        self._tell(request)
        self.rescued[port] = None
        self._came.setdefault(home, []).append(end)

    def _end_circular(self, port: int, request: SlotTuple) -> None:
        """The message with the receive right is made and destroyed; in some kernels the port just dies."""

        def message() -> None:
            self._tell(request)
            self._kill(port)

        if self._profile.circular_rescue_is_silent:
            self.unsent.add(request)
            self._kill(port)
        else:
            self._destroy([message])

    def _leads_to(self, start: int, port: int) -> bool:
        """``start`` is the port, or its receive right is on its way there, maybe over other ports."""
        seen: set[int] = set()
        while start not in seen and start != port and start not in self.dead:
            seen.add(start)
            start = self._heads_for(start)
        return start == port

    def _heads_for(self, port: int) -> int:
        """The port to which the port's receive right is on its way; NO_PORT: to none."""
        if port in self.rescued:
            return int(self._port.get((PORT_DESTROYED_SLOT, port, 0), NO_PORT))
        place = self._state["receiver"].get(port)
        if place is None or place[0] != BODY_SLOT or self._state["stage"].get(place[1]) not in (QUEUED, WAITING):
            return NO_PORT
        return int(self._port.get((DESTINATION_SLOT, place[1], 0), NO_PORT))

    # ---- ports and messages

    def _end_root(self, port: int) -> None:
        """A port ends, and a name that has its receive right alone with it. If it has a port-destroyed request, that
        one's port is dead or on its way to this one.
        """
        name = self._state["receiver"].get(port)
        request = None
        if name is not None and name[0] == NAME_SLOT and self._kind.get(name) == SlotKind.RECEIVE:
            request = self._take(name)
        self._end_receive(port)
        if request:
            self._tell(request)

    def _kill(self, port: int) -> None:
        if port in self.dead:
            return
        self.dead[port] = None
        no_senders = (NO_SENDERS_SLOT, port, 0)
        asked = no_senders in self._kind and no_senders not in self._used
        self._used.add(no_senders)
        queue = [partial(self._clean, message) for message in self._state.waiting(port)]
        messages: list[Step] = [*queue, *self._came.pop(port, [])]
        if self._profile.queue_ends_whole:
            self._destroy(messages)
        if asked:
            self._tell(no_senders)
        if not self._profile.queue_ends_whole:
            for message in messages:
                self._destroy([message])
        self._fire(port)

    def _fire(self, port: int) -> None:
        """The port's dead-name requests fire."""
        names = sorted(slot for slot in self._state.by_value("port", port) if slot[0] == NAME_SLOT)
        fired = tuple(request for name in names if (request := self._take(name)))
        self.told_dead.update(fired)
        for request in fired:
            self._tell(request)
        if len(fired) > 1:
            self.together.append(tuple((request,) for request in fired))

    def _destroy(self, messages: Iterable[Step]) -> None:
        """Messages are destroyed: now, or after those that are being destroyed."""
        begins = not self._to_destroy
        self._to_destroy.extend(messages)
        while begins and self._to_destroy:
            self._to_destroy[0]()
            self._to_destroy.popleft()

    def _clean(self, message: int, among: frozenset[SlotTuple] | None = None) -> None:
        """What the message carries ends (in the slots ``among`` these)."""
        for slot in self._carried(message):
            if among is None or slot in among:
                self._end_held(slot)

    def _tell(self, slot: SlotTuple) -> None:
        """The send-once right in ``slot`` becomes a notification now, if its port lives.

        A request has a place all the same, so that each that is due has one.
        """
        lives = self._kind.get(slot) == SlotKind.SEND_ONCE and self._port[slot] not in self.dead
        asks = slot[0] in _REQUESTS and slot in self._kind
        if (lives or asks) and slot not in self.places and slot not in self.unsent:
            self.places[slot] = self._clock
            self._sequences.setdefault(self._chosen, []).append(slot)
            self._clock += 1

    # ---- in numbers

    def sends_released(self) -> Counter[int]:
        """How many send rights each port loses."""
        return Counter(self._port[slot] for slot in self.given_up if self._kind[slot] in _SENDS)
