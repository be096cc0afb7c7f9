"""The two calls that set security and audit tokens, and the tokens that receivers see."""

from typing import Any

import pytest
from kernel_driver import Actor, Machine, send

from sendright.mach.profiles import GNUMACH, OSF
from sendright.mach.rights import DEAD_NAME, NULL_NAME, Disposition, Place
from sendright.mach.tokens import BOOTSTRAP_AUDIT_TOKEN, BOOTSTRAP_SECURITY_TOKEN, KERNEL_AUDIT_TOKEN, KERNEL_SECURITY_TOKEN

CREATE = "host_security_create_task_token"
SET = "host_security_set_task_token"
SECURITY = 3
"""The bootstrap task's name for the host security port."""
HOST_PRIV = 1
ALICE: dict[str, Any] = {"security_token": (501, 20), "audit_token": (501, 501, 20, 501, 20, 33, 7, 1)}


@pytest.fixture
def root() -> Actor:
    return Machine().root


def tokens_of(actor: Actor) -> dict[str, Any]:
    return {"security_token": actor.shown.security_token, "audit_token": actor.shown.audit_token}


# host_security_create_task_token


def test_a_task_is_created_with_the_given_tokens(root: Actor) -> None:
    child = root.adopt(root.result(CREATE, host_security=SECURITY, parent_task=root.me, **ALICE))
    assert tokens_of(child) == ALICE
    assert root.shown.security_token == BOOTSTRAP_SECURITY_TOKEN


def test_in_all_else_it_is_as_task_create_makes_it(root: Actor) -> None:
    root.does("mach_ports_register", ports=(1,))
    root.does("vm_allocate", address=3)
    root.does(CREATE, host_security=SECURITY, parent_task=root.me, ledgers=(5, 4), inherit_memory=True)
    child = root.machine.snapshot().tasks[1]
    assert child.names == {}
    assert child.ledgers == (4, 3)
    assert child.places[Place.REGISTERED_0] == send(1)
    assert child.places[Place.HOST] == send(0)
    assert list(child.memory) == [3]
    assert (root.machine.port(7).send_rights, root.machine.port(7).make_send_count) == (2, 2)


def test_a_wrong_parent_wins_over_a_wrong_security_port(root: Actor) -> None:
    assert root.refused(CREATE, host_security=HOST_PRIV, parent_task=NULL_NAME) == "KERN_INVALID_ARGUMENT"
    assert root.refused(CREATE, host_security=HOST_PRIV, parent_task=HOST_PRIV) == "KERN_INVALID_ARGUMENT"


def test_only_the_security_port_will_do(root: Actor) -> None:
    for name in (HOST_PRIV, root.me, root.port_with_send()):
        assert root.refused(CREATE, shortage=1, host_security=name, parent_task=root.me) == "KERN_INVALID_SECURITY"


@pytest.mark.parametrize("shortage", [1, 2])
def test_a_shortage_leaves_no_child(root: Actor, shortage: int) -> None:
    assert root.refused(CREATE, shortage=shortage, host_security=SECURITY, parent_task=root.me) == "KERN_RESOURCE_SHORTAGE"


def test_osf_has_no_audit_tokens_to_give() -> None:
    root = Machine(OSF).root
    child = root.adopt(root.result(CREATE, host_security=SECURITY, parent_task=root.me, **ALICE))
    assert tokens_of(child) == {"security_token": (501, 20), "audit_token": BOOTSTRAP_AUDIT_TOKEN}


def test_osf_tests_the_parent_first_too() -> None:
    root = Machine(OSF).root
    assert root.refused(CREATE, host_security=HOST_PRIV, parent_task=HOST_PRIV) == "KERN_INVALID_ARGUMENT"


# host_security_set_task_token


def test_both_tokens_are_set(root: Actor) -> None:
    child = root.child()
    root.does(SET, host_security=SECURITY, target_task=child.seen_as, **ALICE)
    assert tokens_of(child) == ALICE


def test_a_wrong_task_wins_over_a_wrong_security_port_here_too(root: Actor) -> None:
    assert root.refused(SET, host_security=HOST_PRIV, target_task=NULL_NAME) == "KERN_INVALID_ARGUMENT"
    assert root.refused(SET, host_security=HOST_PRIV, target_task=root.me) == "KERN_INVALID_SECURITY"


def test_the_privileged_host_port_is_set_if_it_was_given(root: Actor) -> None:
    ordinary, before = root.machine.port(0), root.machine.port(1)
    root.does(SET, host_security=SECURITY, target_task=root.me, host=HOST_PRIV)
    assert root.shown.places[Place.HOST] == send(1)
    after = root.machine.port(1)
    assert (after.send_rights, after.make_send_count) == (before.send_rights + 1, before.make_send_count + 1)
    after = root.machine.port(0)
    assert (after.send_rights, after.make_send_count) == (ordinary.send_rights - 1, ordinary.make_send_count)


def test_any_other_host_means_the_ordinary_port(root: Actor) -> None:
    ordinary = root.does("mach_host_self")
    for host in (NULL_NAME, DEAD_NAME, ordinary, root.me):
        root.does(SET, host_security=SECURITY, target_task=root.me, host=HOST_PRIV)
        root.does(SET, host_security=SECURITY, target_task=root.me, host=host)
        assert root.shown.places[Place.HOST] == send(0)


def test_rights_that_the_task_already_has_are_not_revoked(root: Actor) -> None:
    child = root.child()
    name = root.gives(child, HOST_PRIV, Disposition.COPY_SEND)
    root.does(SET, host_security=SECURITY, target_task=child.seen_as, **ALICE)
    assert child.names[name] == send(1, urefs=1)


def test_children_made_before_keep_what_they_inherited(root: Actor) -> None:
    child = root.child()
    root.does(SET, host_security=SECURITY, target_task=root.me, **ALICE)
    assert child.shown.security_token == BOOTSTRAP_SECURITY_TOKEN


def test_osf_sets_the_security_token_alone() -> None:
    root = Machine(OSF).root
    places = root.shown.places
    root.does(SET, host_security=SECURITY, target_task=root.me, host=HOST_PRIV, **ALICE)
    assert tokens_of(root) == {"security_token": (501, 20), "audit_token": BOOTSTRAP_AUDIT_TOKEN}
    assert root.shown.places == places


# What receivers see


def test_a_receiver_sees_its_senders_tokens(root: Actor) -> None:
    port = root.port_with_send()
    child = root.child()
    root.does(SET, host_security=SECURITY, target_task=child.seen_as, **ALICE)
    child.sends(root.gives(child, port, Disposition.COPY_SEND))
    message = root.receives(port)
    assert (message["security_token"], message["audit_token"]) == (ALICE["security_token"], ALICE["audit_token"])


def test_tokens_are_stamped_when_a_message_is_sent(root: Actor) -> None:
    port = root.port_with_send()
    root.sends(port)
    root.does(SET, host_security=SECURITY, target_task=root.me, **ALICE)
    root.sends(port)
    assert root.receives(port)["security_token"] == BOOTSTRAP_SECURITY_TOKEN
    assert root.receives(port)["security_token"] == ALICE["security_token"]


def test_tokens_outlive_their_sender(root: Actor) -> None:
    port = root.port_with_send()
    child = root.child()
    root.does(SET, host_security=SECURITY, target_task=child.seen_as, **ALICE)
    child.sends(root.gives(child, port, Disposition.COPY_SEND))
    root.does("task_terminate", task=child.seen_as)
    assert root.receives(port)["security_token"] == ALICE["security_token"]


def test_forwarding_stamps_anew(root: Actor) -> None:
    port = root.port_with_send()
    child = root.child()
    root.does(SET, host_security=SECURITY, target_task=child.seen_as, **ALICE)
    own = root.does("mach_port_extract_right", task=child.seen_as, name=child.port_with_send(), disposition=Disposition.COPY_SEND)["poly"]
    root.sends(own)
    child.sends(root.gives(child, port, Disposition.COPY_SEND))
    assert root.receives(port)["security_token"] == ALICE["security_token"]


def test_notifications_carry_the_kernels_tokens(root: Actor) -> None:
    port = root.port()
    root.does("mach_port_deallocate", name=root.send_once(port))
    message = root.receives(port)
    assert (message["security_token"], message["audit_token"]) == (KERNEL_SECURITY_TOKEN, KERNEL_AUDIT_TOKEN)


def test_osf_says_that_the_kernel_sent_everything() -> None:
    root = Machine(OSF).root
    port = root.port_with_send()
    root.sends(port)
    message = root.receives(port)
    assert (message["security_token"], message["audit_token"]) == (KERNEL_SECURITY_TOKEN, ())


def test_gnumach_says_nothing_of_senders() -> None:
    root = Machine(GNUMACH).root
    port = root.port_with_send()
    root.sends(port)
    message = root.receives(port)
    assert (message["security_token"], message["audit_token"]) == ((), ())
