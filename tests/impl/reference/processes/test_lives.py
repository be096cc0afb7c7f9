"""How processes begin and end: fork, posix_spawn, exit and wait4."""

import pytest
from msgspec.structs import replace
from support.kernel import Actor, Machine, dead, send
from support.processes import GROUP, HOST, HOST_PRIV, NO_ID, USER, check_tokens, executed, forked, process_of, spawned, user

from sendright.mach.abi.codes import ReturnCode
from sendright.mach.abi.rights import EXCEPTION_PLACES, Inheritance, Notification, Place
from sendright.mach.kernel.call import Call
from sendright.mach.kernel.profiles import XNU
from sendright.mach.state.boot import FIRST_PID_VERSION, boot_process
from sendright.mach.state.process import NO_MEMBER, Zombie
from sendright.mach.state.snapshot import PendingCall

LOWEST = -(1 << 31)
BEHAVIOUR = 0x80000001
EVERY_EXCEPTION = XNU.exception_mask


@pytest.fixture
def root() -> Actor:
    return Machine(XNU).root


def ended(actor: Actor, status: int = 0) -> int:
    """Let a process exit. Its pid."""
    pid = process_of(actor).pid
    assert actor.result("exit", status=status).code == 0
    assert actor.number not in actor.machine.snapshot().tasks
    return pid


# fork


def test_a_child_is_like_its_parent() -> None:
    parent = user()
    before = parent.machine.snapshot()
    result = parent.result("fork")
    assert (result.code, result.outputs, result.created_task) == (0, {"pid": 3}, len(before.tasks))
    after = parent.machine.snapshot()
    child = after.tasks[len(before.tasks)]
    own = replace(boot_process(1), pid=3, pid_version=FIRST_PID_VERSION, parent=2, original_parent=2)
    assert child.process == own
    assert (child.security_token, child.audit_token) == ((USER, GROUP), own.audit_token)
    assert (child.names, child.memory, child.suspend_count, child.waiting) == ({}, {}, 0, None)
    assert child.places == {Place.KERNEL: send(child.port), Place.HOST: send(0)}
    port = after.ports[child.port]
    assert (port.task, port.send_rights, port.make_send_count) == (len(before.tasks), 1, 1)
    assert after.tasks[1] == before.tasks[1]
    assert after.ports[0] == replace(before.ports[0], send_rights=before.ports[0].send_rights + 1)
    assert len(after.ports) == len(before.ports) + 1


def test_a_child_makes_calls_at_once(root: Actor) -> None:
    child = forked(forked(root))
    assert [process_of(child).parent, process_of(child).original_parent] == [3, 3]
    assert process_of(child).pid_version == FIRST_PID_VERSION + 1
    check_tokens(child)
    assert child.port_of(child.me).task == child.number


def test_a_child_has_its_parents_ids(root: Actor) -> None:
    root.does("setregid", rgid=7, egid=8)
    root.does("setreuid", ruid=5, euid=6)
    parent, child = process_of(root), process_of(forked(root))
    assert parent.member == NO_MEMBER
    assert child == replace(parent, pid=3, pid_version=2, parent=1, original_parent=1)
    assert (child.has_changed_ids, child.real_user, child.effective_user) == (True, 5, 6)


@pytest.mark.parametrize("shortage", [1, 2])
def test_a_shortage_of_memory(shortage: int, root: Actor) -> None:
    assert root.refused("fork", shortage=shortage) == "EAGAIN"
    assert forked(root).number == len(XNU.bootstrap_names) + 1
    assert root.result("fork", shortage=3).code == 0


def test_a_task_without_a_process_has_no_children() -> None:
    last = Machine(XNU).last_booted()
    assert last.refused("fork") == "ESRCH"
    assert last.refused("fork", shortage=1) == "ESRCH"
    assert last.refused("posix_spawn") == "ESRCH"
    assert last.refused("posix_spawn", shortage=1, set_user=0) == "ESRCH"
    assert last.refused("exit", status=1) == "ESRCH"
    assert last.refused("wait4") == "ESRCH"
    assert last.refused("wait4", pid=LOWEST) == "EINVAL"


def test_a_child_inherits_places(root: Actor) -> None:
    ports = {which: root.port_with_send() for which in (4, 9, 10, 11)}
    for which, port in ports.items():
        root.does("task_set_special_port", which=which, port=port)
    root.does("mach_ports_register", ports=(ports[4], ports[9]))
    root.does("task_set_exception_ports", exception_mask=EVERY_EXCEPTION, new_port=ports[10], behavior=BEHAVIOUR, new_flavor=3)
    parent, child = root.shown, forked(root).shown
    inherited = {place: entry for place, entry in parent.places.items() if place not in (Place.KERNEL, Place.DEBUG_CONTROL, Place.RESOURCE_NOTIFY)}
    assert child.places == inherited | {Place.KERNEL: send(child.port)}
    assert child.exceptions == parent.exceptions == dict.fromkeys(EXCEPTION_PLACES, (BEHAVIOUR, 3))
    assert inherited.keys() == {Place.HOST, Place.BOOTSTRAP, Place.ACCESS, Place.REGISTERED_0, Place.REGISTERED_1, *EXCEPTION_PLACES}


def test_a_child_inherits_dead_rights(root: Actor) -> None:
    port = root.port_with_send()
    root.does("task_set_special_port", which=4, port=port)
    root.does("task_set_exception_ports", exception_mask=2, new_port=port, behavior=BEHAVIOUR, new_flavor=0)
    root.does("mach_port_destroy", name=port)
    shown = forked(root).shown
    assert shown.places[Place.BOOTSTRAP] == shown.places[Place.EXC_BAD_ACCESS] == dead()
    assert (shown.died, len(root.shown.died)) == ({}, 1)


def test_a_kernel_objects_port_is_not_inherited_where_users_have_theirs(root: Actor) -> None:
    name = root.does("task_get_special_port", which=3)
    for which in (4, 9):
        root.does("task_set_special_port", which=which, port=name)
    root.does("mach_ports_register", ports=(name,))
    number = root.number_of(name)
    before = root.machine.port(number).send_rights
    places = forked(root).shown.places
    assert places[Place.REGISTERED_0] == send(number)
    assert not places.keys() & {Place.BOOTSTRAP, Place.ACCESS}
    assert root.machine.port(number).send_rights == before + 1


def test_memory_is_inherited_as_it_says(root: Actor) -> None:
    for address, inheritance in enumerate(Inheritance):
        root.does("vm_allocate", address=address, anywhere=False)
        root.does("vm_write", address=address, value=address + 5)
        root.does("vm_inherit", address=address, inheritance=inheritance)
    child = forked(root)
    assert child.shown.memory.keys() == {Inheritance.SHARE, Inheritance.COPY}
    root.does("vm_write", address=Inheritance.SHARE, value=50)
    root.does("vm_write", address=Inheritance.COPY, value=60)
    assert [child.page(address).value for address in (Inheritance.SHARE, Inheritance.COPY)] == [50, Inheritance.COPY + 5]


def test_pids_are_not_used_again(root: Actor) -> None:
    first = ended(forked(root))
    assert root.does("wait4", pid=first)["child"] == first
    child = process_of(forked(root))
    assert (child.pid, child.pid_version) == (first + 1, FIRST_PID_VERSION + 1)


# posix_spawn


def test_a_spawned_child_has_an_image_of_its_own() -> None:
    parent = user()
    for address, inheritance in enumerate(Inheritance):
        parent.does("vm_allocate", address=address, anywhere=False)
        parent.does("vm_inherit", address=address, inheritance=inheritance)
    parent.port_with_send()
    before = parent.machine.snapshot()
    number = len(before.tasks)
    result = parent.result("posix_spawn")
    assert (result.code, result.outputs, result.created_task) == (0, {"pid": 3}, number)
    after = parent.machine.snapshot()
    child = after.tasks[number]
    own = replace(boot_process(1), pid=3, pid_version=FIRST_PID_VERSION + 1, parent=2, original_parent=2)
    assert child.process == own
    assert (child.security_token, child.audit_token) == ((USER, GROUP), own.audit_token)
    assert (child.names, child.memory, child.suspend_count, child.waiting) == ({}, {}, 0, None)
    assert child.places == {Place.KERNEL: send(child.port), Place.HOST: send(HOST)}
    assert after.tasks[1] == before.tasks[1]
    assert after.zombies == before.zombies


@pytest.mark.parametrize("set_user", [NO_ID, 0])
def test_a_spawned_childs_task_has_one_port_from_the_beginning(set_user: int) -> None:
    parent = user()
    before = parent.machine.snapshot()
    child = spawned(parent, set_user)
    after = parent.machine.snapshot()
    port = child.shown.port
    assert port == max(before.ports) + 1
    assert after.ports.keys() == before.ports.keys() | {port}
    assert (after.tasks[child.number].process, after.ports[port].task) == (process_of(child), child.number)
    following = spawned(parent, set_user).shown.port
    assert following == port + 1


@pytest.mark.parametrize("set_user", [NO_ID, 0])
def test_no_one_has_a_right_to_a_spawned_childs_task(set_user: int) -> None:
    parent = user()
    result = parent.result("posix_spawn", set_user=set_user)
    state = parent.machine.snapshot()
    assert result.created_task is not None
    child = state.tasks[result.created_task]
    assert (state.ports[child.port].send_rights, state.ports[child.port].make_send_count) == (1, 1)
    assert child.places[Place.KERNEL] == send(child.port)
    assert child.names == {}


def test_a_spawned_child_makes_calls_at_once(root: Actor) -> None:
    parent = forked(root)
    child = spawned(spawned(parent))
    assert [process_of(child).parent, process_of(child).original_parent] == [4, 4]
    assert (process_of(child).pid, process_of(child).pid_version) == (5, FIRST_PID_VERSION + 4)
    assert child.port_of(child.me).task == child.number
    check_tokens(child)
    pid = ended(child, status=2)
    assert root.refused("wait4", pid=pid) == "ECHILD"


def test_the_parent_waits_for_a_spawned_child(root: Actor) -> None:
    child = spawned(root, set_user=USER)
    pid = ended(child, status=3)
    assert root.does("wait4", pid=pid) == {"child": pid, "status": 0x300}


def test_the_child_of_an_orphan_is_none_either_if_it_is_spawned(root: Actor) -> None:
    parent = forked(root)
    orphan = forked(parent)
    ended(parent)
    child = process_of(spawned(orphan))
    assert (child.is_orphan, child.parent) == (False, process_of(orphan).pid)


def test_two_pid_versions_are_drawn(root: Actor) -> None:
    versions = [process_of(child(root)).pid_version for child in (spawned, spawned, forked, spawned)]
    assert versions == [FIRST_PID_VERSION + drawn for drawn in (1, 3, 4, 6)]


def test_an_image_takes_the_mark_away_and_sets_saved_ids(root: Actor) -> None:
    root.does("setregid", rgid=5, egid=6)
    root.does("setreuid", ruid=5, euid=6)
    root.does("setegid", egid=5)
    root.does("seteuid", euid=5)
    parent, child = process_of(root), spawned(root)
    assert (parent.saved_user, parent.saved_group, parent.has_changed_ids) == (6, 6, True)
    ids = {"saved_user": 5, "saved_group": 5, "has_changed_ids": False}
    assert process_of(child) == replace(parent, pid=3, pid_version=FIRST_PID_VERSION + 1, parent=1, original_parent=1, **ids)
    assert (child.does("issetugid"), root.does("issetugid")) == (0, 1)
    assert process_of(root) == parent
    check_tokens(child)


@pytest.mark.parametrize(
    ("set_user", "set_group", "ids"),
    [
        (0, NO_ID, {"effective_user": 0, "saved_user": 0}),
        (7, NO_ID, {"effective_user": 7, "saved_user": 7}),
        (NO_ID, 8, {"effective_group": 8, "saved_group": 8}),
        (0, GROUP, {"effective_user": 0, "saved_user": 0}),
        (USER, 8, {"effective_group": 8, "saved_group": 8}),
        (0, 8, {"effective_user": 0, "saved_user": 0, "effective_group": 8, "saved_group": 8}),
    ],
)
def test_a_child_with_a_set_id_image(set_user: int, set_group: int, ids: dict[str, int]) -> None:
    parent = user()
    child = spawned(parent, set_user, set_group)
    drawn = {"pid": 3, "pid_version": FIRST_PID_VERSION + 1, "parent": 2, "original_parent": 2}
    assert process_of(child) == replace(boot_process(1), **ids, **drawn, member=NO_MEMBER, has_changed_ids=True)
    host = HOST_PRIV if process_of(child).effective_user == 0 else HOST
    assert child.shown.places == {Place.KERNEL: send(child.shown.port), Place.HOST: send(host)}
    assert (child.does("issetugid"), parent.does("issetugid")) == (1, 0)
    check_tokens(child)


@pytest.mark.parametrize("set_user", [NO_ID, USER])
@pytest.mark.parametrize("set_group", [NO_ID, GROUP])
def test_ids_that_the_parent_has_make_no_set_id_image(set_user: int, set_group: int) -> None:
    parent = user()
    child = process_of(spawned(parent, set_user, set_group))
    assert (child.has_changed_ids, child.member) == (False, USER)


def test_a_spawned_child_inherits_places(root: Actor) -> None:
    ports = {which: root.port_with_send() for which in (4, 9, 10, 11)}
    for which, port in ports.items():
        root.does("task_set_special_port", which=which, port=port)
    root.does("mach_ports_register", ports=(ports[4], ports[9]))
    root.does("task_set_exception_ports", exception_mask=EVERY_EXCEPTION, new_port=ports[10], behavior=BEHAVIOUR, new_flavor=3)
    parent = root.shown
    inherited = {place: entry for place, entry in parent.places.items() if place not in (Place.KERNEL, Place.DEBUG_CONTROL, Place.RESOURCE_NOTIFY)}
    for set_user in (NO_ID, USER):
        child = spawned(root, set_user).shown
        host = send(HOST_PRIV if set_user == NO_ID else HOST)
        assert child.places == inherited | {Place.KERNEL: send(child.port), Place.HOST: host}
        assert (child.exceptions, child.set_by_root) == (parent.exceptions, parent.set_by_root)
    assert root.shown.places == parent.places


@pytest.mark.parametrize("set_user", [NO_ID, 0])
def test_a_set_id_image_gets_no_exception_ports_of_its_parents(set_user: int) -> None:
    parent = user()
    port, watch = parent.port_with_send(), parent.port()
    parent.asks(port, Notification.NO_SENDERS, watch, sync=0)
    parent.does("task_set_exception_ports", exception_mask=EVERY_EXCEPTION, new_port=port, behavior=BEHAVIOUR, new_flavor=3)
    rights, parents = parent.port_of(port).send_rights, parent.shown
    child = spawned(parent, set_user).shown
    kept = 0 if set_user == 0 else len(EXCEPTION_PLACES)
    assert len(child.places.keys() & set(EXCEPTION_PLACES)) == kept
    assert child.exceptions == dict.fromkeys(EXCEPTION_PLACES, (BEHAVIOUR, 3))
    assert parent.port_of(port).send_rights == rights + kept
    assert (parent.shown, parent.mail(watch)) == (parents, [])


def test_a_set_id_image_gets_the_exception_ports_that_root_has_set(root: Actor) -> None:
    parent, port = root.machine.booted(1), root.port_with_send()
    number = root.number_of(port)
    given = {"new_port": port, "behavior": BEHAVIOUR, "new_flavor": 3}
    root.does("task_set_exception_ports", task=parent.seen_as, exception_mask=2 | 4, **given)
    taken = parent.does("task_get_exception_ports", exception_mask=2)["ports"][0]
    parent.does("task_swap_exception_ports", exception_mask=4, **given | {"new_port": taken})
    places = spawned(parent, set_user=0).shown.places
    assert {place: places[place] for place in places.keys() & set(EXCEPTION_PLACES)} == {Place.EXC_BAD_ACCESS: send(number)}
    image = executed(spawned(parent, set_user=7), set_user=0)
    assert image.shown.places[Place.EXC_BAD_ACCESS] == send(number)


@pytest.mark.parametrize(("shortage", "code"), [(1, "ENOMEM"), (2, "EAGAIN"), (3, "EAGAIN")])
@pytest.mark.parametrize("set_user", [NO_ID, 0])
def test_a_shortage_of_memory_makes_nothing(shortage: int, code: str, set_user: int) -> None:
    parent = user()
    before = parent.machine.snapshot()
    assert parent.refused("posix_spawn", shortage=shortage, set_user=set_user) == code
    assert parent.machine.snapshot() == before
    child = process_of(spawned(parent))
    assert (child.pid, child.pid_version) == (3, FIRST_PID_VERSION + 1)
    assert parent.result("posix_spawn", shortage=4, set_user=set_user).code == 0


# exit


def test_what_is_left_of_a_process(root: Actor) -> None:
    child = forked(root)
    queue = child.port_with_send()
    child.sends(queue)
    ports = root.machine.snapshot().ports
    own = process_of(child)
    ended(child, status=0x1234567)
    state = root.machine.snapshot()
    assert state.zombies == {child.number: Zombie(pid=own.pid, pid_version=own.pid_version, parent=1, status=0x6700, session=own.session)}
    assert len(ports) - len(state.ports) == 2


def test_those_who_had_a_right_to_its_task_are_told(root: Actor) -> None:
    child, watch = forked(root), root.port()
    name = root.does("task_for_pid", target_tport=root.me, pid=process_of(child).pid)
    root.asks(name, Notification.DEAD_NAME, watch)
    ended(child)
    assert root.mail(watch) == [(Notification.DEAD_NAME, name)]
    assert root.does("mach_port_type", name=name) == 1 << 20
    assert root.refused("task_for_pid", target_tport=root.me, pid=3) == "KERN_FAILURE"


def test_a_living_child_becomes_an_orphan(root: Actor) -> None:
    parent = forked(root)
    child = forked(parent)
    grandchild = forked(child)
    before, unmoved = process_of(child), process_of(grandchild)
    ended(parent)
    assert process_of(child) == replace(before, parent=1, is_orphan=True)
    assert process_of(grandchild) == unmoved


def test_an_orphan_is_forgotten_when_it_ends(root: Actor) -> None:
    parent = forked(root)
    child = forked(parent)
    grandchild = forked(child)
    ended(parent)
    zombies = root.machine.snapshot().zombies
    ended(child)
    assert root.machine.snapshot().zombies == zombies
    assert (process_of(grandchild).parent, process_of(grandchild).is_orphan) == (1, True)


def test_the_child_of_an_orphan_is_none(root: Actor) -> None:
    parent = forked(root)
    orphan = forked(parent)
    ended(parent)
    child = process_of(forked(orphan))
    assert (child.is_orphan, child.parent) == (False, process_of(orphan).pid)


def test_the_zombies_of_an_ended_parent_are_forgotten(root: Actor) -> None:
    parent = forked(root)
    other = forked(root)
    for actor in (parent, parent, other):
        ended(forked(actor))
    assert [zombie.parent for zombie in root.machine.snapshot().zombies.values()] == [3, 3, 4]
    ended(parent)
    assert sorted((zombie.pid, zombie.parent) for zombie in root.machine.snapshot().zombies.values()) == [(3, 1), (7, 4)]


def test_the_first_process_does_not_exit(root: Actor) -> None:
    with pytest.raises(ValueError, match="panics"):
        root.result("exit")
    before = root.shown
    with pytest.raises(ValueError, match="panics"):
        root.machine.kernel.call(0, Call("exit", {"status": 1}))
    assert root.shown == before


# wait4


def test_a_zombie_is_told_and_forgotten(root: Actor) -> None:
    pid = ended(forked(root), status=-1)
    assert root.does("wait4", pid=pid) == {"child": pid, "status": 0xFF00}
    assert root.machine.snapshot().zombies == {}
    assert root.refused("wait4", pid=pid) == "ECHILD"


def test_the_newest_zombie_comes_first(root: Actor) -> None:
    pids = [ended(child) for child in reversed([forked(root) for _ in range(3)])]
    assert [root.does("wait4")["child"] for _ in pids] == pids


def test_one_child_of_several(root: Actor) -> None:
    pids = [ended(forked(root), status) for status in range(3)]
    assert root.does("wait4", pid=pids[1], no_hang=True) == {"child": pids[1], "status": 0x100}
    assert [zombie.pid for zombie in root.machine.snapshot().zombies.values()] == [pids[0], pids[2]]


def test_only_ones_own_children(root: Actor) -> None:
    child = forked(root)
    grandchild = forked(child)
    assert child.refused("wait4", pid=process_of(child).pid) == "ECHILD"
    assert child.refused("wait4", pid=2) == "ECHILD"
    pid = ended(grandchild)
    assert root.refused("wait4", pid=pid) == "ECHILD"
    assert child.does("wait4")["child"] == pid
    assert child.refused("wait4") == "ECHILD"


def test_the_lowest_number(root: Actor) -> None:
    assert root.refused("wait4", pid=LOWEST) == "EINVAL"
    assert root.machine.booted(1).refused("wait4", pid=LOWEST) == "EINVAL"


def test_nothing_to_tell_yet(root: Actor) -> None:
    before = root.machine.snapshot()
    assert root.does("wait4", no_hang=True) == {"child": 0, "status": 0}
    assert root.does("wait4", no_hang=True, pid=2) == {"child": 0, "status": 0}
    assert root.machine.snapshot() == before
    assert root.refused("wait4", no_hang=True, pid=3) == "ECHILD"


def test_waiting_until_a_child_ends(root: Actor) -> None:
    child = forked(root)
    root.waits("wait4", pid=process_of(child).pid)
    assert root.shown.waiting == PendingCall(call="wait4", pid=3)
    root.waits("wait4", resume=True)
    pid = ended(child, status=3)
    result = root.goes_on()
    assert (result.code, result.outputs) == (0, {"child": pid, "status": 0x300})
    assert root.shown.waiting is None


def test_waiting_for_any_child(root: Actor) -> None:
    child = forked(root)
    root.waits("wait4")
    assert root.shown.waiting == PendingCall(call="wait4", pid=-1)
    pid = ended(child)
    assert root.goes_on().outputs["child"] == pid


def test_an_orphan_that_is_forgotten_leaves_its_waiter_without_a_child(root: Actor) -> None:
    """The first process waits for an orphan, which is forgotten as it ends."""
    parent = forked(root)
    orphan = forked(parent)
    ended(parent)
    pid = process_of(orphan).pid
    root.waits("wait4", pid=pid)
    ended(orphan)
    result = root.goes_on()
    assert (result.code, result.outputs, root.shown.waiting) == (ReturnCode.ECHILD, {}, None)


def test_a_waiting_task_can_be_suspended(root: Actor) -> None:
    other = root.machine.booted(1)
    child = forked(other)
    other.waits("wait4")
    root.does("task_suspend", task=other.seen_as)
    ended(child)
    with pytest.raises(ValueError, match="suspended"):
        other.goes_on()
    root.does("task_resume", task=other.seen_as)
    assert other.goes_on().outputs["child"] == 3


def test_zombies_of_earlier_snapshots_stay(root: Actor) -> None:
    ended(forked(root))
    before = root.machine.snapshot().zombies
    kept = dict(before)
    root.does("wait4")
    assert before == kept != root.machine.snapshot().zombies
