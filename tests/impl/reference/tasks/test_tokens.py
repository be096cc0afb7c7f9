"""The two calls that set security and audit tokens, and the tokens that receivers see."""

from collections.abc import Iterator
from itertools import combinations
from typing import Any, NamedTuple

import msgspec
import pytest
from support.kernel import NOTHING, Actor, Machine, send

from sendright.mach.abi.codes import ReturnCode, code_name
from sendright.mach.abi.rights import DEAD_NAME, NULL_NAME, Disposition, Place
from sendright.mach.abi.tokens import BOOTSTRAP_AUDIT_TOKEN, BOOTSTRAP_SECURITY_TOKEN, KERNEL_AUDIT_TOKEN, KERNEL_SECURITY_TOKEN
from sendright.mach.kernel.profiles import GNUMACH, MANUAL, OSF, PROFILES, XNU_792, LedgerRule, Profile
from sendright.mach.signatures import SIGNATURES, ArgumentType
from sendright.mach.state.snapshot import PendingCall, Task
from sendright.model.proof.relevance import cases_of

CREATE = "host_security_create_task_token"
SET = "host_security_set_task_token"
SECURITY = 3
"""The bootstrap task's name for the host security port."""
HOST_PRIV = 1
ALICE: dict[str, Any] = {"security_token": (501, 20), "audit_token": (501, 501, 20, 501, 20, 33, 7, 1)}
BOB: dict[str, Any] = {"security_token": (502, 21), "audit_token": (502, 502, 21, 502, 21, 34, 8, 2)}
MANUAL_IN_TWO_STEPS = msgspec.structs.replace(MANUAL, name="manual, in two steps", tokens_in_two_steps=True)
"""In XNU 792, where the call has two steps, the child's ledgers aren't those that are given."""


@pytest.fixture
def root() -> Actor:
    return Machine().root


def tokens_of(task: Task) -> dict[str, Any]:
    return {"security_token": task.security_token, "audit_token": task.audit_token}


# host_security_create_task_token


def test_a_task_is_created_with_the_given_tokens(root: Actor) -> None:
    child = root.adopt(root.result(CREATE, host_security=SECURITY, parent_task=root.me, **ALICE))
    assert tokens_of(child.shown) == ALICE
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


@pytest.mark.parametrize("profile", [MANUAL, XNU_792, MANUAL_IN_TWO_STEPS], ids=lambda profile: profile.name)
@pytest.mark.parametrize("inherit", [True, False])
def test_the_child_inherits_from_its_parent_and_not_from_the_caller(profile: Profile, inherit: bool) -> None:
    root = Machine(profile).root
    security, wired, paged = (root.machine.named(name) for name in ("host_security", "root_ledger_wired", "root_ledger_paged"))
    parent = root.child()
    root.does(SET, host_security=security, target_task=parent.seen_as, **BOB)
    parent.does("vm_allocate", address=3)
    root.does("vm_allocate", address=5)
    ledgers = root.shown.ledgers
    assert ledgers is not None
    made = {"host_security": security, "parent_task": parent.seen_as, "ledgers": (paged, wired), "inherit_memory": inherit, **ALICE}
    result = root.result(CREATE, stop=True, **made)
    assert result.created_task is not None
    if profile.tokens_in_two_steps:
        assert tokens_of(root.machine.snapshot().tasks[result.created_task]) == BOB
        assert root.shown.waiting == PendingCall(call=CREATE, child=result.created_task, **ALICE)
        answer = root.goes_on()
    else:
        answer = result
    child = root.machine.snapshot().tasks[result.created_task]
    assert answer.code == ReturnCode.KERN_SUCCESS
    assert (tokens_of(child), tokens_of(parent.shown)) == (ALICE, BOB)
    assert list(child.memory) == ([3] if inherit else [])
    assert child.ledgers == (ledgers if profile.ledger_rule is LedgerRule.PARENT_SLOT else ledgers[::-1])
    assert root.names[answer.outputs["child_task"]] == send(child.port, urefs=1)
    assert child.port not in {entry.port for entry in parent.names.values()}


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
    assert tokens_of(child.shown) == {"security_token": (501, 20), "audit_token": BOOTSTRAP_AUDIT_TOKEN}


def test_in_osf_an_audit_token_stays_with_its_task_and_its_children() -> None:
    machine = Machine(msgspec.structs.replace(OSF, boot_tasks=2))
    root, user = machine.root, machine.booted(1)
    audit = user.shown.audit_token
    assert audit != root.shown.audit_token
    child = root.adopt(root.result(CREATE, host_security=SECURITY, parent_task=user.seen_as, **ALICE))
    assert tokens_of(child.shown) == {"security_token": (501, 20), "audit_token": audit}
    root.does(SET, host_security=SECURITY, target_task=user.seen_as, **BOB)
    assert tokens_of(user.shown) == {"security_token": (502, 21), "audit_token": audit}


def test_osf_tests_the_parent_first_too() -> None:
    root = Machine(OSF).root
    assert root.refused(CREATE, host_security=HOST_PRIV, parent_task=HOST_PRIV) == "KERN_INVALID_ARGUMENT"


# host_security_set_task_token


def test_both_tokens_are_set(root: Actor) -> None:
    child = root.child()
    root.does(SET, host_security=SECURITY, target_task=child.seen_as, **ALICE)
    assert tokens_of(child.shown) == ALICE


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


def test_the_host_port_is_the_targets_and_not_the_callers(root: Actor) -> None:
    child = root.child()
    root.does(SET, host_security=SECURITY, target_task=child.seen_as, host=HOST_PRIV)
    assert (child.shown.places[Place.HOST], root.shown.places[Place.HOST]) == (send(1), send(0))


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
    assert tokens_of(root.shown) == {"security_token": (501, 20), "audit_token": BOOTSTRAP_AUDIT_TOKEN}
    assert root.shown.places == places


# The order of the errors

ERRORS = {
    CREATE: ("MACH_SEND_INVALID_DEST", "MACH_SEND_INVALID_RIGHT", "KERN_INVALID_ARGUMENT", "KERN_INVALID_SECURITY", "KERN_RESOURCE_SHORTAGE"),
    SET: ("MACH_SEND_INVALID_DEST", "MACH_SEND_INVALID_RIGHT", "KERN_INVALID_ARGUMENT", "KERN_INVALID_SECURITY"),
}
"""The errors of each call: if several apply it returns the first of them."""
TASK = {CREATE: "parent_task", SET: "target_task"}
SERVED = [pytest.param(profile, call, id=f"{profile.name}-{call}") for profile in PROFILES.values() for call in ERRORS if profile.serves(call)]


class Mistake(NamedTuple):
    """One way to get an error: arguments that are wrong."""

    code: str
    arguments: dict[str, Any]


def mistakes(root: Actor, call: str) -> Iterator[Mistake]:
    """Every kind of wrong argument of ``call``."""
    profile, task = root.machine.profile, TASK[call]
    target = task if profile.task_is_target else "host_security"
    receive, port, privileged = root.port(), root.port_with_send(), root.machine.named("host_priv")
    dead_ones = (NULL_NAME, DEAD_NAME, root.dead_name())
    for name in (*dead_ones, NOTHING, receive):
        yield Mistake("MACH_SEND_INVALID_DEST", {target: name})
    for argument in SIGNATURES[call].arguments:
        if argument.type in (ArgumentType.PORT, ArgumentType.PORTS) and argument.name != target and profile.takes(call, argument.name):
            for name in (NOTHING, receive):
                yield Mistake("MACH_SEND_INVALID_RIGHT", {argument.name: (name,) if argument.type is ArgumentType.PORTS else name})
    for name in (privileged, port, *(() if target == task else dead_ones)):
        yield Mistake("KERN_INVALID_ARGUMENT", {task: name})
    for name in (privileged, port, root.me, *(() if target == "host_security" else dead_ones)):
        yield Mistake("KERN_INVALID_SECURITY", {"host_security": name})
    if call == CREATE:
        yield Mistake("KERN_RESOURCE_SHORTAGE", {"shortage": 1})
        yield Mistake("KERN_RESOURCE_SHORTAGE", {"shortage": 2})


@pytest.mark.parametrize(("profile", "call"), SERVED)
def test_of_two_mistakes_the_first_in_order_is_returned(profile: Profile, call: str) -> None:
    root = Machine(profile).root
    order = ERRORS[call]
    right = {"host_security": root.machine.named("host_security"), TASK[call]: root.me}
    made = list(mistakes(root, call))
    for one in made:
        assert root.refused(call, **right | one.arguments) == one.code, one
    pairs = [(one, other) for one, other in combinations(made, 2) if not one.arguments.keys() & other.arguments.keys()]
    for one, other in pairs:
        first = min(one.code, other.code, key=order.index)
        assert root.refused(call, **right | one.arguments | other.arguments) == first, (one, other)
    tested = {frozenset((one.code, other.code)) for one, other in pairs if one.code != other.code}
    arguments = {code: {name for one in made if one.code == code for name in one.arguments} for code in order}
    of_one_argument = {  # it can't be wrong in both ways at once
        frozenset((one, other)) for one, other in combinations(order, 2) if len(arguments[one] | arguments[other]) == 1
    }
    assert len(of_one_argument) <= 2
    assert tested == {frozenset(pair) for pair in combinations(order, 2)} - of_one_argument


@pytest.mark.parametrize(("profile", "call"), SERVED)
def test_the_order_is_that_of_the_specification(profile: Profile, call: str) -> None:
    codes = dict.fromkeys(code_name(case.code) for case in cases_of(call, profile) if case.code is not None)
    assert tuple(code for code in codes if code not in ("KERN_SUCCESS", "MACH_RCV_IN_PROGRESS")) == ERRORS[call]


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
