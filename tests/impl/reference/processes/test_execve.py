"""Replacing the image of a process, in four phases, with the calls of other tasks between them."""

import pytest
from msgspec.structs import replace
from support.kernel import Actor, Machine, dead, send
from support.processes import HOST, HOST_PRIV, NO_ID, USER, check_all_tokens, check_tokens, executed, forked, process_of, stopped, user

from sendright.mach.abi.codes import ReturnCode
from sendright.mach.abi.rights import EXCEPTION_PLACES, Disposition, Notification, Place, Right
from sendright.mach.abi.tokens import UNSET
from sendright.mach.kernel.call import Call
from sendright.mach.kernel.profiles import XNU
from sendright.mach.state.boot import FIRST_PID_VERSION, boot_process
from sendright.mach.state.process import NO_MEMBER, Process
from sendright.mach.state.snapshot import PendingCall, Snapshot, Task

NEW = XNU.boot_tasks
"""The first task that is made after boot."""
BEHAVIOUR = 0x80000001
EVERY_EXCEPTION = XNU.exception_mask
BAD_ACCESS, BAD_INSTRUCTION = 2, 4
"""Masks of a type each."""


@pytest.fixture
def root() -> Actor:
    return Machine(XNU).root


def new_task(machine: Machine, number: int = NEW) -> Task:
    """The new task of an exec that is under way."""
    return machine.snapshot().tasks[number]


def new_process(machine: Machine, number: int = NEW) -> Process:
    """The process behind it."""
    process = new_task(machine, number).process
    assert process is not None
    return process


# the whole call


def test_a_process_goes_on_in_a_new_task() -> None:
    before = user()
    before.does("vm_allocate", address=0, anywhere=False)
    before.port_with_send()
    port = before.shown.port
    after = executed(before)
    state = before.machine.snapshot()
    assert after.number == NEW
    assert state.tasks.keys() == {0, 2, NEW}
    assert process_of(after) == replace(boot_process(1), pid_version=FIRST_PID_VERSION)
    assert port not in state.ports
    assert after.shown.names.keys() == {after.me}
    assert after.shown.memory == {}
    assert after.shown.places == {Place.KERNEL: send(after.shown.port), Place.HOST: send(HOST)}
    assert state.ports[after.shown.port].task == NEW
    assert state.zombies == {}
    check_tokens(after)


def test_the_codes_of_a_failure(root: Actor) -> None:
    assert root.machine.last_booted().refused("execve") == "ESRCH"
    assert root.machine.last_booted().refused("execve", shortage=1) == "ESRCH"
    for shortage in (1, 2):
        assert root.refused("execve", shortage=shortage) == "ENOMEM"
    assert root.result("execve", shortage=3).code == 0


def test_the_same_happens_with_stops_and_without() -> None:
    states: list[Snapshot] = []
    for phases in (0, 1, 2, 3):
        root = Machine(XNU).root
        if phases:
            stopped(root, phases, set_user=7)
            result = root.goes_on()
        else:
            result = root.result("execve", set_user=7)
        assert (result.code, result.outputs, result.created_task) == (0, {}, None if phases else NEW)
        states.append(root.machine.snapshot())
    assert all(state == states[0] for state in states)


def test_each_phase_can_stop(root: Actor) -> None:
    result = root.waits("execve", stop=True, set_user=5, set_group=6)
    assert (result.code, result.created_task) == (ReturnCode.MACH_RCV_IN_PROGRESS, NEW)
    assert root.shown.waiting == PendingCall(call="execve", child=NEW, phase=1, set_user=5, set_group=6)
    for phase in (2, 3):
        assert root.waits("execve", stop=True, resume=True).created_task is None
        assert root.shown.waiting == PendingCall(call="execve", child=NEW, phase=phase, set_user=UNSET, set_group=UNSET)
    result = root.machine.kernel.call(0, Call("execve", {}, stop=True, resume=True))
    assert (result.code, result.outputs, result.created_task) == (0, {}, None)
    assert 0 not in root.machine.snapshot().tasks


def test_a_resumed_call_goes_on_to_the_end_unless_it_stops_again(root: Actor) -> None:
    stopped(root, 1)
    assert root.goes_on().code == 0
    assert 0 not in root.machine.snapshot().tasks


@pytest.mark.parametrize("phases", [1, 2, 3])
def test_neither_task_makes_another_call(phases: int, root: Actor) -> None:
    number = stopped(root, phases)
    with pytest.raises(ValueError, match=f"task {number} hasn't begun"):
        Actor(root.machine, number)
    with pytest.raises(ValueError, match="task 0 waits in execve"):
        root.result("fork")
    assert root.goes_on().code == 0
    check_tokens(Actor(root.machine, number))


@pytest.mark.parametrize("phases", [1, 2, 3])
def test_a_suspended_exec_does_not_go_on(phases: int, root: Actor) -> None:
    other = root.machine.booted(1)
    stopped(other, phases)
    root.does("task_suspend", task=other.seen_as)
    with pytest.raises(ValueError, match="suspended"):
        root.machine.kernel.call(1, Call("execve", {}, resume=True))
    root.does("task_resume", task=other.seen_as)
    assert other.goes_on().code == 0
    assert new_task(root.machine).suspend_count == 0


# phase 1


def test_the_new_task_is_a_copy_without_memory_and_names(root: Actor) -> None:
    port = root.port_with_send()
    for which in (4, 9, 10, 11):
        root.does("task_set_special_port", which=which, port=port)
    root.does("mach_ports_register", ports=(port,))
    root.does("task_set_exception_ports", exception_mask=EVERY_EXCEPTION, new_port=port, behavior=BEHAVIOUR, new_flavor=3)
    root.does("vm_allocate", address=0, anywhere=False)
    root.does("setreuid", ruid=5, euid=6)
    before = root.machine.snapshot()
    old = root.shown
    stopped(root, 1)
    new = new_task(root.machine)
    assert root.shown == replace(old, waiting=root.shown.waiting)
    assert new_process(root.machine) == replace(process_of(root), is_shadow=True, has_begun=False)
    assert (new.security_token, new.audit_token) == (old.security_token, old.audit_token)
    places = {place: entry for place, entry in old.places.items() if place not in (Place.KERNEL, Place.DEBUG_CONTROL, Place.RESOURCE_NOTIFY)}
    assert new.places == places | {Place.KERNEL: send(new.port)}
    assert (new.exceptions, new.names, new.memory) == (old.exceptions, {}, {})
    shown = root.machine.port(new.port)
    assert (shown.task, shown.send_rights, shown.make_send_count) == (NEW, 1, 1)
    assert root.machine.snapshot().ports.keys() == before.ports.keys() | {max(before.ports) + 1}


def test_the_pid_denotes_the_old_task(root: Actor) -> None:
    other = root.machine.booted(1)
    for phases in (1, 2):
        if phases == 1:
            stopped(other, 1)
        else:
            other.waits("execve", stop=True, resume=True)
        assert root.does("task_for_pid", target_tport=root.me, pid=2) == other.seen_as
        assert root.does("pid_for_task", task=other.seen_as) == 2
        assert not process_of(other).is_shadow


# phase 2


def test_an_image_without_set_ids(root: Actor) -> None:
    port = root.port_with_send()
    root.does("task_set_exception_ports", exception_mask=EVERY_EXCEPTION, new_port=port, behavior=BEHAVIOUR, new_flavor=3)
    root.does("setregid", rgid=5, egid=6)
    root.does("setreuid", ruid=5, euid=6)
    root.does("seteuid", euid=5)
    stopped(root, 1)
    copy, old = new_process(root.machine), new_task(root.machine)
    assert (copy.has_changed_ids, copy.effective_user, copy.saved_user) == (True, 5, 6)
    root.waits("execve", stop=True, resume=True)
    new = new_process(root.machine)
    assert new == replace(copy, has_changed_ids=False, saved_user=5, saved_group=6, pid_version=FIRST_PID_VERSION)
    task = new_task(root.machine)
    assert task == replace(old, process=new, audit_token=new.audit_token)
    assert root.machine.port(task.port).task == NEW


@pytest.mark.parametrize("set_user", [NO_ID, USER])
@pytest.mark.parametrize("set_group", [NO_ID, 20])
def test_ids_that_it_has_already_make_no_set_id_image(set_user: int, set_group: int) -> None:
    actor = user()
    stopped(actor, 1, set_user, set_group)
    port = new_task(actor.machine).port
    actor.waits("execve", stop=True, resume=True)
    assert new_task(actor.machine).port == port
    assert new_process(actor.machine) == replace(boot_process(1), pid_version=FIRST_PID_VERSION, is_shadow=True, has_begun=False)


@pytest.mark.parametrize(
    ("set_user", "set_group", "ids"),
    [
        (0, NO_ID, {"effective_user": 0, "saved_user": 0}),
        (7, NO_ID, {"effective_user": 7, "saved_user": 7}),
        (NO_ID, 8, {"effective_group": 8, "saved_group": 8}),
        (0, 20, {"effective_user": 0, "saved_user": 0}),
        (USER, 8, {"effective_group": 8, "saved_group": 8}),
        (0, 8, {"effective_user": 0, "saved_user": 0, "effective_group": 8, "saved_group": 8}),
    ],
)
def test_a_set_id_image(set_user: int, set_group: int, ids: dict[str, int]) -> None:
    actor = user()
    before = actor.machine.snapshot()
    stopped(actor, 2, set_user, set_group)
    own = replace(boot_process(1), **ids, member=NO_MEMBER, has_changed_ids=True, pid_version=FIRST_PID_VERSION)
    task, state = new_task(actor.machine), actor.machine.snapshot()
    assert task.process == replace(own, is_shadow=True, has_begun=False)
    assert (task.security_token, task.audit_token) == (own.security_token, own.audit_token)
    assert task.port == max(before.ports) + 2
    assert state.ports.keys() == before.ports.keys() | {task.port}
    assert (state.ports[task.port].send_rights, state.ports[task.port].make_send_count) == (1, 1)
    assert task.places == {Place.KERNEL: send(task.port), Place.HOST: send(HOST_PRIV if own.effective_user == 0 else HOST)}
    actor.goes_on()
    assert Actor(actor.machine, NEW).does("issetugid") == 1
    check_all_tokens(actor.machine)


def test_a_group_that_does_not_change_leaves_the_member() -> None:
    assert process_of(executed(user(), set_group=20)).member == USER
    assert process_of(executed(user(), set_group=21)).member == NO_MEMBER


def test_an_exec_takes_the_mark_away(root: Actor) -> None:
    root.does("setuid", uid=USER)
    assert root.does("issetugid") == 1
    image = executed(root)
    assert image.does("issetugid") == 0


def test_a_set_id_image_loses_exception_ports_and_keeps_behaviours() -> None:
    actor = user()
    port = actor.port_with_send()
    actor.does("task_set_exception_ports", exception_mask=EVERY_EXCEPTION, new_port=port, behavior=BEHAVIOUR, new_flavor=3)
    rights = actor.port_of(port).send_rights
    stopped(actor, 1, set_user=0)
    assert actor.port_of(port).send_rights == rights + len(EXCEPTION_PLACES)
    actor.waits("execve", stop=True, resume=True)
    new = new_task(actor.machine)
    assert not new.places.keys() & set(EXCEPTION_PLACES)
    assert new.exceptions == dict.fromkeys(EXCEPTION_PLACES, (BEHAVIOUR, 3))
    assert actor.port_of(port).send_rights == rights
    actor.goes_on()
    told = Actor(actor.machine, NEW).does("task_get_exception_ports", exception_mask=EVERY_EXCEPTION)
    assert told == {"masks": (EVERY_EXCEPTION,), "ports": (0,), "behaviors": (BEHAVIOUR,), "flavors": (3,)}


def test_an_image_without_set_ids_keeps_exception_ports() -> None:
    actor = user()
    port = actor.port_with_send()
    actor.does("task_set_exception_ports", exception_mask=BAD_ACCESS, new_port=port, behavior=BEHAVIOUR, new_flavor=3)
    number = actor.number_of(port)
    stopped(actor, 2)
    assert new_task(actor.machine).places[Place.EXC_BAD_ACCESS] == send(number)


def test_exception_ports_that_root_has_set_outlive_a_set_id_image(root: Actor) -> None:
    other, port = root.machine.booted(1), root.port_with_send()
    number = root.number_of(port)
    given = {"new_port": port, "behavior": BEHAVIOUR, "new_flavor": 3}
    root.does("task_set_exception_ports", task=other.seen_as, exception_mask=BAD_ACCESS | BAD_INSTRUCTION, **given)
    taken = other.does("task_get_exception_ports", exception_mask=BAD_ACCESS)["ports"][0]
    other.does("task_swap_exception_ports", exception_mask=BAD_INSTRUCTION, **given | {"new_port": taken})
    child = forked(other)
    for actor in (other, child):
        image = executed(actor, set_user=0)
        assert image.shown.places.keys() & set(EXCEPTION_PLACES) == {Place.EXC_BAD_ACCESS}
        assert image.shown.places[Place.EXC_BAD_ACCESS] == send(number)


def test_the_last_right_to_an_exception_port_ends_in_phase_2() -> None:
    actor = user()
    port, watch = actor.port(), actor.port()
    name = XNU.chosen_name(40)
    actor.does("mach_port_insert_right", name=port, poly=port, disposition=Disposition.MAKE_SEND)
    actor.does("task_set_exception_ports", exception_mask=BAD_ACCESS, new_port=port, behavior=BEHAVIOUR, new_flavor=0)
    actor.does("mach_port_mod_refs", name=port, right=Right.SEND, delta=-1)
    actor.asks(port, Notification.NO_SENDERS, watch, sync=0)
    stopped(actor, 1, set_user=0)
    number = actor.number_of(watch)
    assert actor.port_of(port).send_rights == 2
    actor.waits("execve", stop=True, resume=True)
    assert actor.port_of(port).send_rights == 1
    assert actor.machine.port(number).queue == ()
    assert name not in actor.names


def test_other_places_outlive_a_set_id_image() -> None:
    actor = user()
    port = actor.port_with_send()
    for which in (4, 9):
        actor.does("task_set_special_port", which=which, port=port)
    actor.does("mach_ports_register", ports=(port,))
    entry = send(actor.number_of(port))
    stopped(actor, 2, set_user=0)
    places = new_task(actor.machine).places
    assert [places.get(place) for place in (Place.BOOTSTRAP, Place.ACCESS, Place.REGISTERED_0)] == [entry] * 3


# phase 3


def test_the_pid_denotes_the_new_task_from_phase_3_on(root: Actor) -> None:
    other = root.machine.booted(1)
    stopped(other, 3)
    name = root.does("task_for_pid", target_tport=root.me, pid=2)
    assert root.number_of(name) == new_task(root.machine).port
    assert name != other.seen_as
    assert [root.does("pid_for_task", task=each) for each in (name, other.seen_as)] == [2, 2]
    assert (process_of(other).is_shadow, new_process(root.machine).is_shadow) == (True, False)
    assert not new_process(root.machine).has_begun
    assert root.refused("task_terminate", task=name) == "KERN_FAILURE"
    assert root.refused("task_terminate", task=other.seen_as) == "KERN_FAILURE"
    other.goes_on()
    assert root.names[name] == send(new_task(root.machine).port, urefs=1)


def test_what_the_new_ids_decide(root: Actor) -> None:
    """A process of the same user gets the task before the exec, and not the set-id image's."""
    root.does("setgid", gid=20)
    root.does("setuid", uid=USER)
    caller = executed(root)
    target = forked(caller)
    pid = process_of(target).pid
    number = stopped(target, 2, set_user=0)
    old = caller.does("task_for_pid", target_tport=caller.me, pid=pid)
    target.waits("execve", stop=True, resume=True)
    assert caller.refused("task_for_pid", target_tport=caller.me, pid=pid) == "KERN_FAILURE"
    assert caller.does("task_info", task=old, flavor=13) == (USER, 20)
    target.goes_on()
    assert caller.names[old].is_unlooked
    assert caller.refused("task_for_pid", target_tport=caller.me, pid=pid) == "KERN_FAILURE"
    assert new_process(caller.machine, number).effective_user == 0


def test_a_new_task_can_be_suspended_before_it_begins(root: Actor) -> None:
    other = root.machine.booted(1)
    stopped(other, 3)
    name = root.does("task_for_pid", target_tport=root.me, pid=2)
    root.does("task_suspend", task=name)
    other.goes_on()
    with pytest.raises(ValueError, match=f"task {NEW} is suspended"):
        Actor(root.machine, NEW)
    root.does("task_resume", task=name)
    check_tokens(Actor(root.machine, NEW))


# phase 4


@pytest.mark.parametrize("phases", [0, 1, 2, 3])
def test_whoever_had_the_old_task_has_a_dead_name(phases: int, root: Actor) -> None:
    other, watch = root.machine.booted(1), root.port()
    root.asks(other.seen_as, Notification.DEAD_NAME, watch)
    flavours = [root.does("task_get_special_port", task=other.seen_as, which=which) for which in (3, 5, 6)]
    if phases:
        stopped(other, phases)
        assert root.mail(watch) == []
        assert root.names[other.seen_as] == send(other.shown.port, urefs=1)
        other.goes_on()
    else:
        executed(other)
    assert root.mail(watch) == [(Notification.DEAD_NAME, other.seen_as)]
    for name in (other.seen_as, *flavours):
        root.does("mach_port_type", name=name)
        assert root.names[name].kind == dead().kind
    assert root.refused("pid_for_task", task=other.seen_as) == "KERN_FAILURE"


def test_a_right_that_was_got_while_the_exec_was_under_way_dies_too(root: Actor) -> None:
    other = forked(root)
    pid = process_of(other).pid
    stopped(other, 1)
    name = root.does("task_for_pid", target_tport=root.me, pid=pid)
    assert root.names[name] == send(other.shown.port, urefs=1)
    other.goes_on()
    root.does("mach_port_type", name=name)
    assert root.names[name] == dead(1)


def test_the_old_tasks_receive_rights_end(root: Actor) -> None:
    other = root.machine.booted(1)
    port = other.port_with_send()
    other.does("task_set_special_port", which=4, port=port)
    number = other.number_of(port)
    stopped(other, 3)
    assert new_task(root.machine).places[Place.BOOTSTRAP] == send(number)
    other.goes_on()
    assert number not in root.machine.snapshot().ports
    assert new_task(root.machine).places[Place.BOOTSTRAP] == dead()


# parents and children


@pytest.mark.parametrize("phases", [0, 1, 2, 3])
def test_a_parent_that_execs_keeps_its_children(phases: int, root: Actor) -> None:
    parent = forked(root)
    child, other = forked(parent), forked(parent)
    number = root.machine.snapshot().tasks.keys()
    if phases:
        stopped(parent, phases)
    child.result("exit", status=4)
    if phases:
        parent.goes_on()
        image = Actor(root.machine, max(number) + 1)
    else:
        image = executed(parent)
    assert image.does("wait4") == {"child": process_of(other).pid - 1, "status": 0x400}
    assert image.does("wait4", no_hang=True) == {"child": 0, "status": 0}


@pytest.mark.parametrize("phases", [1, 2, 3])
def test_a_parent_waits_for_a_child_that_execs(phases: int, root: Actor) -> None:
    child = forked(root)
    pid = process_of(child).pid
    number = stopped(child, phases)
    assert root.does("wait4", pid=pid, no_hang=True) == {"child": 0, "status": 0}
    child.goes_on()
    image = Actor(root.machine, number)
    version = process_of(image).pid_version
    image.result("exit", status=1)
    zombies = root.machine.snapshot().zombies
    assert [(each, zombie.pid, zombie.pid_version) for each, zombie in zombies.items()] == [(number, pid, version)]
    assert root.does("wait4") == {"child": pid, "status": 0x100}


@pytest.mark.parametrize("phases", [1, 2, 3])
def test_a_child_that_execs_becomes_an_orphan(phases: int, root: Actor) -> None:
    parent = forked(root)
    child = forked(parent)
    number = stopped(child, phases)
    parent.result("exit", status=0)
    for process in (process_of(child), new_process(root.machine, number)):
        assert (process.parent, process.is_orphan) == (1, True)
    child.goes_on()
    image = Actor(root.machine, number)
    zombies = root.machine.snapshot().zombies
    image.result("exit", status=0)
    assert root.machine.snapshot().zombies == zombies


def test_two_execs_at_once(root: Actor) -> None:
    one, other = forked(root), forked(root)
    first = stopped(one, 1)
    second = stopped(other, 1)
    other.waits("execve", stop=True, resume=True)
    one.waits("execve", stop=True, resume=True)
    versions = [new_process(root.machine, number).pid_version for number in (first, second)]
    assert versions == [FIRST_PID_VERSION + 3, FIRST_PID_VERSION + 2]
    for actor in (one, other):
        assert actor.goes_on().code == 0


def test_the_first_process_can_exec_and_adopts_orphans(root: Actor) -> None:
    parent = forked(root)
    child = forked(parent)
    image = executed(root)
    assert process_of(image).pid == 1
    parent.result("exit", status=2)
    assert process_of(child).parent == 1
    assert image.does("wait4", pid=process_of(child).parent + 2)["status"] == 0x200
    assert image.does("wait4", pid=process_of(child).pid, no_hang=True)["child"] == 0
    with pytest.raises(ValueError, match="panics"):
        image.result("exit", status=0)


def test_a_pid_version_says_which_image_it_is(root: Actor) -> None:
    child = forked(root)
    versions = [process_of(child).pid_version]
    for _ in range(3):
        child = executed(child)
        versions.append(process_of(child).pid_version)
    assert versions == list(range(FIRST_PID_VERSION, FIRST_PID_VERSION + 4))
    assert process_of(forked(child)).pid_version == FIRST_PID_VERSION + 4
