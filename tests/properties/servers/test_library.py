"""``mach_msg_destroy``: which calls it makes, by the disposition of each right, and what differs between the
libraries.
"""

from typing import Any

import pytest

from sendright.mach.abi.rights import DEAD_NAME, Disposition, Right
from sendright.mach.kernel.profiles import PROFILES
from sendright.mach.state.trace import Step
from sendright.properties.servers.library import LIBRARIES, Message, calls_to_destroy

OWN = 7
OSF, HURD = LIBRARIES["osf"], LIBRARIES["gnumach"]


def destroyed(message: Message, given: int | None = None, library: Any = OSF) -> list[tuple[str, dict[str, Any]]]:
    """The calls that the library makes, without the task; ``given`` is what ``mach_port_extract_right`` gives."""
    calls = calls_to_destroy(message, OWN, library)
    found = []
    try:
        call = next(calls)
        while True:
            assert call.arguments["task"] == OWN
            found.append((call.name, {name: value for name, value in call.arguments.items() if name != "task"}))
            outputs = {} if given is None else {"poly": given}
            call = calls.send(Step(index=0, task=1, call=call.name, arguments={}, code=0, outputs=outputs))
    except StopIteration:
        return found


@pytest.mark.fast
@pytest.mark.parametrize("profile", LIBRARIES)
def test_every_disposition_is_given_up_by_its_own_calls(profile: str) -> None:
    def one(disposition: Disposition) -> list[tuple[str, dict[str, Any]]]:
        return destroyed(Message(0, 0, ((5, int(disposition)),)), 8, LIBRARIES[profile])

    assert one(Disposition.MOVE_SEND) == one(Disposition.MOVE_SEND_ONCE) == [("mach_port_deallocate", {"name": 5})]
    assert one(Disposition.MOVE_RECEIVE) == [("mach_port_mod_refs", {"name": 5, "right": Right.RECEIVE, "delta": -1})]
    assert one(Disposition.COPY_SEND) == []
    assert one(Disposition.MAKE_SEND) == [
        ("mach_port_insert_right", {"name": 5, "poly": 5, "disposition": Disposition.MAKE_SEND}),
        ("mach_port_deallocate", {"name": 5}),
    ]
    assert one(Disposition.MAKE_SEND_ONCE) == [
        ("mach_port_extract_right", {"name": 5, "disposition": Disposition.MAKE_SEND_ONCE}),
        ("mach_port_deallocate", {"name": 8}),
    ]


@pytest.mark.fast
def test_where_nothing_was_extracted_the_library_gives_up_the_name_itself() -> None:
    calls = destroyed(Message(0, 0, ((5, int(Disposition.MAKE_SEND_ONCE)),)))
    assert calls[-1] == ("mach_port_deallocate", {"name": 5})


@pytest.mark.fast
def test_the_header_comes_first_then_the_descriptors_in_their_order() -> None:
    body = (((4, 5, DEAD_NAME), int(Disposition.MOVE_SEND)), (2,), (6, int(Disposition.MOVE_RECEIVE)), (-1,))
    calls = destroyed(Message(9, int(Disposition.MOVE_SEND_ONCE), body))
    assert [(name, arguments.get("name", arguments.get("address"))) for name, arguments in calls] == [
        ("mach_port_deallocate", 9),
        ("mach_port_deallocate", 4),
        ("mach_port_deallocate", 5),
        ("vm_deallocate", 2),
        ("mach_port_mod_refs", 6),
    ]


@pytest.mark.fast
def test_names_without_a_right_are_passed_over() -> None:
    assert destroyed(Message(0, int(Disposition.MOVE_SEND), ((DEAD_NAME, int(Disposition.MOVE_SEND)),))) == []


@pytest.mark.fast
def test_only_glibc_gives_up_memory_that_the_sender_would_keep() -> None:
    kept, given = Message(0, 0, ((3, 0, False),)), Message(0, 0, ((3, 0, True),))
    assert destroyed(kept) == []
    assert destroyed(given) == destroyed(kept, library=HURD) == [("vm_deallocate", {"address": 3})]


@pytest.mark.fast
def test_every_profile_has_a_library() -> None:
    assert LIBRARIES.keys() == PROFILES.keys()
