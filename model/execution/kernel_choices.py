"""The kernel's choices in a rule: taken from its answer, or the only possible choice.

A rule declares its choices by name (``choices``). This module says, by that name, how the oracle finds each. It names
no rule and no call.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import msgspec

from sendright.mach.abi.codes import ReturnCode
from sendright.mach.abi.rights import NULL_NAME, SlotKind
from sendright.mach.kernel.profiles import Profile
from sendright.mach.signatures import SIGNATURES, OutputType
from sendright.model.calls.attributes import LARGEST_TABLE, NEXT_SIZE
from sendright.model.execution.encoding import DESTINATION_SLOT, NAME_SLOT, NO_PORT, NO_TASK, RUNNING, ZOMBIE
from sendright.model.execution.system import A_LARGE_NUMBER, Chosen, System

NOT_TOLD = -1
"""A name or page that no answer has."""


class Choosing(msgspec.Struct):
    """A rule that is about to be run."""

    system: System
    caller: int
    arguments: Mapping[str, Any]
    call: str
    code: int
    """What the call answered."""
    results: dict[str, Any]
    copied_out: Any
    """The name or page that the answer gives to what the rule copies out; None: the rule copies nothing out, or the
    answer names nothing.
    """
    unsaid_name: Callable[[], int]
    """The name of a right that the call leaves in its caller's space without a word."""

    def result(self, kind: OutputType) -> Any:
        """The first result of this type; None if there is none."""
        name = _first_result(self.call, kind)
        return None if name is None else self.results.get(name)


@cache
def _first_result(call: str, kind: OutputType) -> str | None:
    return next((output.name for output in SIGNATURES[call].outputs if output.type is kind), None)


def _new_name(c: Choosing) -> dict[str, Any]:
    name = c.copied_out if c.copied_out is not None else c.result(OutputType.NAME)
    if name is None and _first_result(c.call, OutputType.NAME) is None:
        name = c.unsaid_name()
    return {"new_name": name if isinstance(name, int) else NOT_TOLD}


def _new_page(c: Choosing) -> dict[str, Any]:
    page = c.copied_out if c.copied_out is not None else c.result(OutputType.PAGE)
    return {"new_page": page if isinstance(page, int) else NOT_TOLD}


def _out_of_memory(c: Choosing) -> dict[str, Any]:
    """The answer says so, by its code or (a trap) by the name NULL for what it should make."""
    return {"out_of_memory": c.code in _SHORTAGES or c.result(OutputType.NAME) == NULL_NAME}


_SHORTAGES = (ReturnCode.KERN_RESOURCE_SHORTAGE, ReturnCode.EAGAIN, ReturnCode.ENOMEM)
"""The codes that say that the kernel was out of memory."""


def _child(c: Choosing) -> dict[str, Any]:
    copied = {page: c.system.fresh_object() for page in range(c.system.profile.pages)}
    pages = {object_: page for page, object_ in copied.items()}
    own = {"child": c.system.next_task, "child_port": c.system.next_port, "copied": copied}
    return own | {"copied_object": lambda page: copied.get(page, NOT_TOLD), "copied_page": lambda object_: pages.get(object_, NOT_TOLD)}


def _found(c: Choosing) -> dict[str, Any]:
    """The task of the living process that has the pid, or that runs the image of the token."""
    if "token" in c.arguments:
        state = c.system.state
        token = state["port"].get((NAME_SLOT, c.caller, c.arguments["token"]), NO_PORT)
        task = _with_pid(c, state["image_pid"].get(token, 0), RUNNING)
        same = state["pid_version"].get(task) == state["image_version"].get(token, 0)
        return {"found": task if same else NO_TASK}
    return {"found": _with_pid(c, c.arguments["pid"], RUNNING)}


def _ended(c: Choosing) -> dict[str, Any]:
    """The last task of the zombie whose pid the answer says."""
    return {"ended": _with_pid(c, c.result(OutputType.PID), ZOMBIE)}


def _with_pid(c: Choosing, pid: Any, process: int) -> int:
    """The task whose process has the pid, and is in this state; NO_TASK: there is none."""
    state = c.system.state
    tasks = state.by_value("pid", pid) if isinstance(pid, int) else ()
    return next((task for task in tasks if state["process"].get(task) == process), NO_TASK)


def _new_pid(c: Choosing) -> dict[str, Any]:
    pid = c.result(OutputType.PID)
    return {"new_pid": pid if isinstance(pid, int) else NOT_TOLD}


def _new_session(c: Choosing) -> dict[str, Any]:
    session = c.results.get("session")
    return {"new_session": session if isinstance(session, int) else NOT_TOLD}


def _source(c: Choosing) -> dict[str, Any]:
    """The port whose message was received: that of the name's receive right, or the port set's member that the result
    says.

    Of a message that was too large the result says the size; if members have messages of one size, the state that is
    shown says which it was.
    """
    system, state = c.system, c.system.state
    name = c.arguments["port"] if "port" in c.arguments else state["waits_at"].get(c.caller, NULL_NAME)
    source = _received_from(system, (NAME_SLOT, c.caller, name), c.results)
    system.late.settle(source, c.results)
    return {"source": source}


def _received_from(system: System, entry: tuple[int, int, int], results: dict[str, Any]) -> int:
    state = system.state
    if state["kind"].get(entry) != SlotKind.PORT_SET:
        return int(state["port"].get(entry, NO_PORT))
    members = system.members(entry)
    if "local" in results:
        return members.get(results["local"], NO_PORT)
    oldest = {port: message for port in members.values() if (message := system.oldest_message(port)) is not None}
    fitting = [port for port, message in oldest.items() if state["size"].get(message, 0) == results.get("size")]
    shown = system.shown.ports if system.shown else {}
    shorter = [port for port in fitting if port in shown and shown[port].sequence_number != state["seqno"].get(port, 0)]
    return next(iter([*shorter, *fitting, *oldest]), NO_PORT)


def _oldest(c: Choosing) -> dict[str, Any]:
    oldest = c.system.oldest_message(c.arguments["source"])
    return {"oldest": -1 if oldest is None else oldest}


def _reaches(c: Choosing) -> dict[str, Any]:
    destination = (DESTINATION_SLOT, c.arguments["message"], 0)
    return {"reaches": c.system.reached_from(c.system.state["port"].get(destination, NO_PORT))}


def _named_port(c: Choosing) -> int:
    """The port of the right that ``name`` denotes in the space of the argument ``task``."""
    state = c.system.state
    task = state["object_task"].get(state["port"].get((NAME_SLOT, c.caller, c.arguments["task"]), NO_PORT))
    return int(state["port"].get((NAME_SLOT, task, c.arguments["name"]), NO_PORT))


def _given(c: Choosing) -> dict[str, Any]:
    """Those that have waited longest get room: one, if a message is taken from a queue that isn't full then; or as many
    as the limit is raised by.
    """
    system, state = c.system, c.system.state
    if not system.profile.room_is_given:
        return {"given": Chosen()}
    if "source" in c.arguments:
        port = c.arguments["source"]
        left = state["msgcount"].get(port, 0) + state["reserved"].get(port, 0) - 1
        places = int(left < state["qlimit"].get(port, 0))
    else:
        port, info = _named_port(c), c.arguments["info"]
        places = max(0, info(0) - state["qlimit"].get(port, 0))
    return {"given": Chosen(system.waiting_senders(port)[:places])}


def _numbering(c: Choosing) -> dict[str, Any]:
    """The messages of the port that ``name`` denotes are numbered, the oldest first."""
    queue = c.system.state.waiting(_named_port(c))
    places, messages = {message: index for index, message in enumerate(queue)}, dict(enumerate(queue))
    return {"place_of": lambda message: places.get(message, -1), "message_at": lambda place: messages.get(place, -1)}


def _request_slots(c: Choosing) -> dict[str, Any]:
    """The table of a port's requests, with one more in it, or as large as the caller says. Slot 0 is for no request.

    A table that is there grows to the next size only: the kernel throws away a larger one (``ipc_port_dngrow``).
    """
    system, state = c.system, c.system.state
    if "message" in c.arguments:
        target = state["object_task"].get(state["port"].get((DESTINATION_SLOT, c.arguments["message"], 0), NO_PORT))
        port = state["port"].get((NAME_SLOT, target, c.arguments["name"]), NO_PORT)
        least = len(system.requests_of(port)) + 2
    else:
        port, info = _named_port(c), c.arguments["info"]
        least = info(0) if c.arguments["info_length"] else 0
    slots = state["request_slots"].get(port, 0)
    larger = [size for size in table_sizes(system.profile.requests_grow_by_half) if size > slots]
    if slots:
        grows = larger and least > slots and (least == NEXT_SIZE or least <= larger[0])
        return {"request_slots": larger[0] if grows else slots}
    return {"request_slots": next((size for size in larger if least == NEXT_SIZE or size >= least), slots)}


@cache
def table_sizes(by_half: bool) -> tuple[int, ...]:
    """The sizes of a table of dead-name requests, ascending.

    They are powers of 2 up to a page (of 8 bytes each), then 15 times a page more, 15 times two pages, four, and eight
    from then on (``ipc_table_init`` in ``ipc/ipc_table.c``). Or, ``by_half``: from 2 on each is larger
    than the one before by half of the largest power of two in that one (``kalloc_next_good_size`` in ``kern/kalloc.c``
    of XNU 11417).
    """
    found = [2]
    if by_half:
        while found[-1] < LARGEST_TABLE:
            found.append(found[-1] + max(1, 1 << found[-1].bit_length() - 2))
        return tuple(found)
    while found[-1] < SLOTS_IN_A_PAGE:
        found.append(2 * found[-1])
    for pages in (1, 2, 4):
        found += [found[-1] + pages * SLOTS_IN_A_PAGE * count for count in range(1, PERIOD + 1)]
    while len(found) < TABLES:
        found.append(found[-1] + 8 * SLOTS_IN_A_PAGE)
    return tuple(found)


SLOTS_IN_A_PAGE, PERIOD, TABLES = 512, 15, 63
"""Of the tables of dead-name requests: ``ipc_table_dnrequests_size`` - 1 is 63."""


def _fresh_message(name: str) -> Callable[[Choosing], dict[str, Any]]:
    return lambda c: {name: c.system.fresh_message()}


_CHOSEN: dict[str, Callable[[Choosing], dict[str, Any]]] = {
    "new_name": _new_name,
    "new_page": _new_page,
    "out_of_memory": _out_of_memory,
    "before_fork": lambda c: {"before_fork": c.code == ReturnCode.ENOMEM},
    "new_port": lambda c: {"new_port": c.system.next_port},
    "new_object": lambda c: {"new_object": c.system.fresh_object()},
    **{name: _fresh_message(name) for name in ("message", "reply_message", "request_message", "notification")},
    **dict.fromkeys(("child", "child_port", "copied_object", "copied_page"), _child),
    "found": _found,
    "ended": _ended,
    "new_pid": _new_pid,
    "new_session": _new_session,
    "source": _source,
    "oldest": _oldest,
    "reaches": _reaches,
    "lift": lambda c: {"lift": A_LARGE_NUMBER},  # a rank, of which the state says nothing
    "given": _given,
    "request_slots": _request_slots,
    **dict.fromkeys(("place_of", "message_at"), _numbering),
}


@cache
def ways_to_choose(names: tuple[str, ...]) -> tuple[Callable[[Choosing], dict[str, Any]], ...]:
    """The functions that find the choices with these names, each once.

    Raises KeyError for a choice that has no entry here.
    """
    return tuple(dict.fromkeys(_CHOSEN[name] for name in names))


def switches_that_choose(name: str) -> frozenset[str]:
    """The profile's switches on which the choice with this name depends."""
    return frozenset(_CHOSEN[name].__code__.co_names) & frozenset(Profile.__struct_fields__)
