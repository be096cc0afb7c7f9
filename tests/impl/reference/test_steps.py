"""Calls that are done in steps, and may stop between them."""

import pytest
from support.kernel import Actor, Machine, dead, send

from sendright.mach.abi.codes import ReturnCode
from sendright.mach.abi.rights import DEAD_NAME, NULL_NAME, Disposition, Place
from sendright.mach.abi.tokens import BOOTSTRAP_AUDIT_TOKEN, BOOTSTRAP_SECURITY_TOKEN
from sendright.mach.kernel.call import Call
from sendright.mach.kernel.profiles import MANUAL, PROFILES, XNU, XNU_792, Profile
from sendright.mach.state.snapshot import PendingCall

CREATE, SET = "host_security_create_task_token", "task_set_special_port"
USER, AUDIT = (501, 20), (5,) * 8


def create(root: Actor, **arguments: object) -> dict[str, object]:
    given: dict[str, object] = {"host_security": root.machine.named("host_security"), "parent_task": root.me}
    return given | {"security_token": USER, "audit_token": AUDIT} | arguments


# creation


def test_a_child_has_its_parents_tokens_between_the_steps() -> None:
    root = Machine(XNU_792).root
    result = root.waits(CREATE, stop=True, **create(root, host=root.machine.named("host_priv")))
    assert (result.code, result.created_task) == (ReturnCode.MACH_RCV_IN_PROGRESS, 1)
    assert root.shown.waiting == PendingCall(call=CREATE, child=1, security_token=USER, audit_token=AUDIT, privileged=True)
    state = root.machine.snapshot()
    child = state.tasks[1]
    assert (child.security_token, child.audit_token) == (BOOTSTRAP_SECURITY_TOKEN, BOOTSTRAP_AUDIT_TOKEN)
    assert (state.ports[child.port].send_rights, state.ports[child.port].make_send_count) == (1, 1)
    assert child.places[Place.HOST].port == 0
    assert child.port not in {entry.port for entry in root.names.values()}
    result = root.goes_on()
    assert (result.code, result.created_task, root.shown.waiting) == (0, None, None)
    child = root.machine.snapshot().tasks[1]
    assert (child.security_token, child.audit_token) == (USER, AUDIT)
    assert child.places[Place.HOST].port == 1
    assert root.names[result.outputs["child_task"]].port == child.port


def test_without_a_stop_both_steps_are_made_at_once() -> None:
    states = []
    for stop in (False, True):
        root = Machine(XNU_792).root
        result = root.result(CREATE, stop=stop, **create(root))
        if stop:
            result = root.goes_on()
        assert result.code == 0
        states.append(root.machine.snapshot())
    assert states[0] == states[1]


def test_a_child_that_ended_between_the_steps_is_a_dead_name() -> None:
    root = Machine(XNU_792).root
    actor = root.child()
    actor.waits(CREATE, stop=True, **(create(root) | {"host_security": root.gives(actor, 3, Disposition.COPY_SEND), "parent_task": actor.me}))
    child = Actor(root.machine, 2)
    child.does("task_terminate", task=child.me)
    assert actor.shown.waiting == PendingCall(call=CREATE, security_token=USER, audit_token=AUDIT)
    host = root.machine.port(0)
    result = actor.goes_on()
    assert (result.code, result.outputs) == (0, {"child_task": DEAD_NAME})
    assert root.machine.port(0) == host


def test_a_child_outlives_who_was_to_name_it() -> None:
    root = Machine(XNU_792).root
    actor = root.child()
    actor.waits(CREATE, stop=True, **(create(root) | {"host_security": root.gives(actor, 3, Disposition.COPY_SEND), "parent_task": actor.me}))
    root.does("task_terminate", task=actor.seen_as)
    assert root.machine.snapshot().tasks[2].security_token == BOOTSTRAP_SECURITY_TOKEN


@pytest.mark.parametrize("shortage", [1, 2])
def test_a_creation_that_fails_does_so_in_its_first_step(shortage: int) -> None:
    root = Machine(XNU_792).root
    kernel = root.machine.kernel
    before = root.machine.snapshot()
    assert kernel.call(0, Call(CREATE, create(root), shortage, stop=True)).code == 6
    assert kernel.call(0, Call(CREATE, create(root, parent_task=1), stop=True)).code == 4
    assert kernel.call(0, Call(CREATE, create(root) | {"host_security": root.me}, stop=True)).code == 35
    assert root.machine.snapshot() == before


def test_elsewhere_a_creation_has_one_step() -> None:
    root = Machine(MANUAL).root
    assert root.result(CREATE, stop=True, **create(root)).code == 0


@pytest.mark.parametrize(("host", "granted"), [("host_priv", 1), ("host", 1), ("device_priv", 0), (None, 0)])
def test_any_host_port_grants_the_privileged_one_where_it_is_not_checked(host: str | None, granted: int) -> None:
    for profile, given in ((XNU_792, granted), (MANUAL, int(host == "host_priv"))):
        root = Machine(profile).root
        name = root.does("mach_host_self") if host == "host" else NULL_NAME if host is None else root.machine.named(host)
        root.does("host_security_set_task_token", host_security=3, target_task=root.me, host=name)
        assert root.shown.places[Place.HOST] == send(given)
        if profile is XNU_792:
            created = root.result(CREATE, **create(root, host=name)).created_task
            assert created is not None
            assert root.machine.snapshot().tasks[created].places[Place.HOST] == send(given)


def test_where_a_creation_takes_no_host_port_the_child_inherits_its_parents() -> None:
    root = Machine().root
    root.does("host_security_set_task_token", host_security=3, target_task=root.me, host=root.machine.named("host_priv"))
    for name in (NULL_NAME, 77):
        created = root.result(CREATE, **create(root, host=name)).created_task
        assert created is not None
        assert root.machine.snapshot().tasks[created].places[Place.HOST] == send(1)


# setting a special port


@pytest.mark.parametrize("profile", PROFILES.values(), ids=PROFILES)
def test_the_right_that_was_there_is_held_between_the_steps(profile: Profile) -> None:
    root = Machine(profile).root
    old, new = root.port_with_send(), root.port_with_send()
    root.does(SET, which=4, port=old)
    root.waits(SET, which=4, port=new, stop=True)
    assert root.shown.waiting == PendingCall(call=SET, held=send(root.number_of(old)))
    assert root.shown.places[Place.BOOTSTRAP] == send(root.number_of(new))
    assert root.port_of(old).send_rights == 2
    assert root.goes_on().code == 0
    assert (root.port_of(old).send_rights, root.shown.waiting) == (1, None)


def test_nothing_to_release_is_a_step_too() -> None:
    root = Machine().root
    root.waits(SET, which=4, port=NULL_NAME, stop=True)
    assert root.shown.waiting == PendingCall(call=SET)
    assert root.goes_on().code == 0


def test_the_held_right_can_die_and_ends_with_its_task() -> None:
    root = Machine().root
    child, port, other = root.child(), root.port_with_send(), root.port_with_send()
    for old in (port, other):
        root.does(SET, task=child.seen_as, which=4, port=old)
        child.waits(SET, which=4, port=NULL_NAME, stop=True)
        if old == port:
            root.does("mach_port_destroy", name=port)
            assert child.shown.waiting == PendingCall(call=SET, held=dead())
            assert child.goes_on().code == 0
    root.does("task_terminate", task=child.seen_as)
    assert root.port_of(other).send_rights == 1


def test_tests_come_before_the_steps() -> None:
    root = Machine(XNU).root
    kernel = root.machine.kernel
    assert [kernel.call(0, Call(SET, {"task": root.me, "which": which, "port": 1}, stop=True)).code for which in (1, 3)] == [8, 4]


def test_a_stop_means_nothing_to_other_calls() -> None:
    root = Machine().root
    assert root.result("mach_task_self", stop=True).code == 0
    assert root.result("mach_msg_receive", port=root.port(), stop=True).code == ReturnCode.MACH_RCV_TIMED_OUT
