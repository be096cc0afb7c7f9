"""How a request reaches the kernel: the rights in it, and what they convert to."""

import pytest
from support.kernel import NOTHING, Actor, Machine

from sendright.mach.abi.rights import DEAD_NAME, NULL_NAME, Right
from sendright.mach.kernel.profiles import GNUMACH, OSF


@pytest.fixture
def root() -> Actor:
    return Machine().root


def no_send_right(root: Actor) -> dict[str, int]:
    """Names of every kind that a request cannot be sent to."""
    receive = root.port()
    return {
        "null": NULL_NAME,
        "dead": DEAD_NAME,
        "unknown": NOTHING,
        "receive": receive,
        "send-once": root.send_once(receive),
        "port set": root.does("mach_port_allocate", right=Right.PORT_SET),
        "dead name": root.dead_name(),
    }


def test_a_target_needs_a_live_send_right(root: Actor) -> None:
    for kind, name in no_send_right(root).items():
        assert root.refused("mach_port_names", task=name) == "MACH_SEND_INVALID_DEST", kind


def test_a_send_right_whose_port_has_died_is_no_target(root: Actor) -> None:
    child = root.child()
    root.does("task_terminate", task=child.seen_as)
    assert root.refused("mach_port_names", task=child.seen_as) == "MACH_SEND_INVALID_DEST"


def test_a_right_in_the_body_may_be_null_or_dead(root: Actor) -> None:
    for name in (NULL_NAME, DEAD_NAME, root.dead_name()):
        root.does("task_set_special_port", which=4, port=name)
        root.does("mach_ports_register", ports=(name,))


def test_a_right_in_the_body_must_be_a_send_right_otherwise(root: Actor) -> None:
    names = no_send_right(root)
    for kind in ("unknown", "receive", "send-once", "port set"):
        assert root.refused("task_set_special_port", which=4, port=names[kind]) == "MACH_SEND_INVALID_RIGHT", kind
        assert root.refused("mach_ports_register", ports=(root.me, names[kind])) == "MACH_SEND_INVALID_RIGHT", kind


def test_rights_are_copied_in_before_arguments_are_tested(root: Actor) -> None:
    assert root.refused("task_set_special_port", which=99, port=NOTHING) == "MACH_SEND_INVALID_RIGHT"
    assert root.refused("task_create", parent_task=root.port_with_send(), ledgers=(NOTHING,)) == "MACH_SEND_INVALID_RIGHT"


def test_the_target_is_copied_in_before_the_body(root: Actor) -> None:
    assert root.refused("task_set_special_port", task=NOTHING, which=4, port=NOTHING) == "MACH_SEND_INVALID_DEST"


def test_a_token_call_goes_to_the_security_port(root: Actor) -> None:
    create = "host_security_create_task_token"
    assert root.refused(create, host_security=NULL_NAME, parent_task=NOTHING) == "MACH_SEND_INVALID_DEST"
    assert root.refused(create, host_security=3, parent_task=NOTHING) == "MACH_SEND_INVALID_RIGHT"


def test_osf_sends_token_calls_to_the_task() -> None:
    root = Machine(OSF).root
    for call, task in (("host_security_create_task_token", "parent_task"), ("host_security_set_task_token", "target_task")):
        assert root.refused(call, host_security=NOTHING, **{task: NULL_NAME}) == "MACH_SEND_INVALID_DEST"
        assert root.refused(call, host_security=NOTHING, **{task: root.me}) == "MACH_SEND_INVALID_RIGHT"
        assert root.refused(call, host_security=NULL_NAME, **{task: root.me}) == "KERN_INVALID_SECURITY"


def test_a_port_of_another_kind_converts_to_no_object(root: Actor) -> None:
    for name in (1, root.port_with_send()):
        assert root.refused("mach_port_names", task=name) == "KERN_INVALID_TASK"
        assert root.refused("task_terminate", task=name) == "KERN_INVALID_ARGUMENT"


def test_a_request_to_a_users_port_is_not_queued_there(root: Actor) -> None:
    name = root.port_with_send()
    root.refused("task_terminate", task=name)
    assert root.port_of(name).queue == ()


def test_a_receive_right_beside_the_send_right_does_no_harm(root: Actor) -> None:
    root.does("mach_ports_register", ports=(root.port_with_send(),))


def test_the_holder_of_a_tasks_port_acts_on_that_task(root: Actor) -> None:
    child = root.child()
    name = root.does("mach_port_allocate", task=child.seen_as, right=Right.RECEIVE)
    assert child.names[name].port is not None
    assert name not in root.names or root.names[name] != child.names[name]


def test_a_call_that_the_profile_lacks_is_not_looked_at() -> None:
    root = Machine(GNUMACH).root
    assert root.refused("host_security_create_task_token", host_security=NOTHING, parent_task=NOTHING) == "MIG_BAD_ID"
    assert root.refused("host_security_set_task_token") == "MIG_BAD_ID"


def test_optional_arguments_have_defaults(root: Actor) -> None:
    child = root.adopt(root.result("host_security_create_task_token", host_security=3, parent_task=root.me))
    assert child.shown.security_token == (0, 0)
    assert child.shown.audit_token == (0,) * 8
