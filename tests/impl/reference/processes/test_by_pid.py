"""Tasks' ports by the pids of their processes: task_for_pid and the like."""

import pytest
from support.kernel import NOTHING, Actor, Machine, send
from support.processes import NO_ID, executed, forked, process_of

from sendright.mach.abi.rights import Disposition, Notification, PortObject
from sendright.mach.kernel.profiles import XNU

GIVES = {
    "task_for_pid": PortObject.TASK,
    "task_name_for_pid": PortObject.TASK_NAME,
    "task_inspect_for_pid": PortObject.TASK_INSPECT,
    "task_read_for_pid": PortObject.TASK_READ,
}
STRONG = [call for call in GIVES if call != "task_name_for_pid"]
"""Those that need more than a name does."""
every_call = pytest.mark.parametrize("call", GIVES)
strong = pytest.mark.parametrize("call", STRONG)
KERNEL, NO_TASK, NO_PROCESS, DENIED, DEAD = range(5)
CODES = dict.fromkeys(("task_for_pid", "task_name_for_pid"), (*["KERN_FAILURE"] * 4, "KERN_PROTECTION_FAILURE")) | dict.fromkeys(
    ("task_inspect_for_pid", "task_read_for_pid"), ("EPERM", "EINVAL", "ESRCH", "EPERM", "EACCES")
)
"""The codes that each returns for each refusal."""


@pytest.fixture
def root() -> Actor:
    return Machine(XNU).root


@pytest.fixture
def user(root: Actor) -> Actor:
    """A process that isn't root, whose ids haven't changed since its image began."""
    root.does("setgid", gid=20)
    root.does("setuid", uid=501)
    return executed(root)


def asked(actor: Actor, call: str, target: Actor) -> str | int:
    """What an actor gets by the pid of another one's process: the code, or the name of the right."""
    pid = process_of(target).pid
    result = actor.result(call, target_tport=actor.me, pid=pid)
    if result.code == 0:
        name: int = result.outputs["port"]
        port = actor.port_of(name)
        assert (port.object, port.task) == (GIVES[call], target.number)
        return name
    assert result.outputs == {}
    return actor.refused(call, target_tport=actor.me, pid=pid)


# the answers in their order


@strong
def test_the_kernels_own_task(call: str, root: Actor) -> None:
    assert root.refused(call, target_tport=root.me, pid=0) == CODES[call][KERNEL]
    assert root.refused(call, target_tport=NOTHING, pid=0) == CODES[call][KERNEL]


@every_call
def test_the_callers_argument_is_a_task(call: str, root: Actor) -> None:
    ports = [root.does("task_get_special_port", which=which) for which in (3, 5, 6)]
    for name in (0, 1, NOTHING, NO_ID, root.port_with_send(), root.dead_name(), *ports):
        assert root.refused(call, target_tport=name, pid=1) == CODES[call][NO_TASK]
        assert root.refused(call, target_tport=name, pid=99) == CODES[call][NO_TASK]


@every_call
def test_any_task_will_do(call: str, root: Actor) -> None:
    last = root.machine.last_booted()
    assert root.does(call, target_tport=last.seen_as, pid=2)


@every_call
def test_a_dead_task_is_none_and_not_looked_at(call: str, root: Actor) -> None:
    last = root.machine.last_booted()
    root.does("task_terminate", task=last.seen_as)
    assert root.refused(call, target_tport=last.seen_as, pid=1) == CODES[call][NO_TASK]
    assert root.names[last.seen_as].is_unlooked


@every_call
def test_a_living_process_has_the_pid(call: str, root: Actor) -> None:
    child = forked(root)
    for pid in (4, 99, -1):
        assert root.refused(call, target_tport=root.me, pid=pid) == CODES[call][NO_PROCESS]
    child.result("exit", status=0)
    assert root.machine.snapshot().zombies
    assert root.refused(call, target_tport=root.me, pid=3) == CODES[call][NO_PROCESS]


@every_call
def test_a_task_without_a_process_gets_nothing(call: str, root: Actor) -> None:
    last = root.machine.last_booted()
    for pid in (1, 2):
        assert last.refused(call, target_tport=last.me, pid=pid) == CODES[call][DENIED]


@every_call
def test_root_gets_each(call: str, root: Actor) -> None:
    other = root.machine.booted(1)
    other.does("setreuid", ruid=501, euid=501)
    for target in (root, other, forked(root)):
        assert isinstance(asked(root, call, target), int)


@every_call
def test_others_do_not_get_roots(call: str, root: Actor) -> None:
    assert asked(root.machine.booted(1), call, root) == CODES[call][DENIED]


@every_call
def test_a_process_gets_its_own(call: str, root: Actor) -> None:
    other = root.machine.booted(1)
    assert isinstance(asked(other, call, other), int)
    root.does("setuid", uid=501)
    assert root.does("issetugid") == 1
    assert isinstance(asked(root, call, root), int)


@every_call
def test_the_same_user_gets_it(call: str, user: Actor) -> None:
    assert isinstance(asked(forked(user), call, user), int)


# the user, the groups, the mark


@strong
@pytest.mark.parametrize(("real", "effective", "given"), [(501, 501, True), (502, 501, False), (501, 502, False)])
def test_the_users_of_the_target_count(call: str, real: int, effective: int, given: bool, root: Actor) -> None:
    """After an exec the saved user is the effective one, and no mark is left."""
    target, caller = forked(root), forked(root)
    target.does("setreuid", ruid=real, euid=effective)
    target = executed(target)
    assert not process_of(target).has_changed_ids
    caller.does("setuid", uid=501)
    assert isinstance(asked(caller, call, target), int) is given
    assert given or asked(caller, call, target) == CODES[call][DENIED]


def test_only_the_effective_and_the_real_user_count_for_a_name(root: Actor) -> None:
    """The caller's against the target's, one by one; the target's mark of changed ids doesn't matter."""
    caller, target = forked(root), forked(root)
    for actor in (caller, target):
        actor.does("setreuid", ruid=501, euid=502)
    assert isinstance(asked(caller, "task_name_for_pid", target), int)
    assert asked(caller, "task_for_pid", target) == "KERN_FAILURE"
    target.does("setreuid", ruid=502, euid=NO_ID)
    assert asked(caller, "task_name_for_pid", target) == "KERN_FAILURE"
    caller.does("setreuid", ruid=502, euid=NO_ID)
    assert isinstance(asked(caller, "task_name_for_pid", target), int)
    target.does("seteuid", euid=502)
    assert isinstance(asked(caller, "task_name_for_pid", target), int)


def test_another_effective_user_does_not_get_a_name(root: Actor) -> None:
    caller, target = forked(root), forked(root)
    caller.does("setreuid", ruid=501, euid=502)
    target.does("setreuid", ruid=501, euid=501)
    assert asked(caller, "task_name_for_pid", target) == "KERN_FAILURE"


@strong
def test_the_mark_alone(call: str, user: Actor) -> None:
    """Its ids are the caller's again, but they have changed."""
    target = executed(forked(user))
    assert isinstance(asked(user, call, target), int)
    target.does("setregid", rgid=20, egid=20)
    assert isinstance(asked(user, call, target), int)
    image = executed(target, set_user=502)
    image.does("setuid", uid=501)
    image.does("setreuid", ruid=501, euid=501)
    assert process_of(image).saved_user == 501
    assert asked(user, call, image) == CODES[call][DENIED]
    assert isinstance(asked(user, call, executed(image)), int)


@strong
def test_the_effective_user_of_the_caller_counts(call: str, user: Actor) -> None:
    """Its real and saved users don't matter."""
    caller = executed(forked(user), set_user=502)
    assert asked(caller, call, user) == CODES[call][DENIED]
    caller.does("seteuid", euid=501)
    assert isinstance(asked(caller, call, user), int)


@strong
@pytest.mark.parametrize(
    ("groups", "given"),
    [((20, 20), True), ((20, 21), True), ((21, 20), True), ((21, 21), False)],
)
def test_each_group_of_the_target_is_one_of_the_callers(call: str, groups: tuple[int, int], given: bool, root: Actor) -> None:
    """The target's groups are all 20; the caller's real one is the first of these, its effective and saved one the
    second.
    """
    target, caller = forked(root), forked(root)
    target.does("setgid", gid=20)
    target.does("setuid", uid=501)
    target = executed(target)
    caller.does("setregid", rgid=groups[0], egid=groups[1])
    caller.does("setuid", uid=501)
    assert process_of(caller).saved_group == groups[1]
    assert isinstance(asked(caller, call, target), int) is given
    assert given or asked(caller, call, target) == CODES[call][DENIED]


@strong
def test_a_saved_group_of_the_callers_is_enough(call: str, root: Actor) -> None:
    target, caller = forked(root), forked(root)
    target.does("setgid", gid=20)
    target.does("setuid", uid=501)
    target = executed(target)
    caller.does("setregid", rgid=21, egid=20)
    caller.does("setuid", uid=501)
    caller.does("setegid", egid=21)
    own = process_of(caller)
    assert (own.real_group, own.effective_group, own.saved_group) == (21, 21, 20)
    assert isinstance(asked(caller, call, target), int)


@strong
@pytest.mark.parametrize(("real", "other"), [(22, 20), (20, 22)])
def test_a_group_of_the_targets_that_is_not_the_callers(call: str, real: int, other: int, root: Actor) -> None:
    target, caller = forked(root), forked(root)
    target.does("setregid", rgid=real, egid=other)
    target.does("setuid", uid=501)
    target = executed(target)
    assert not process_of(target).has_changed_ids
    caller.does("setgid", gid=20)
    caller.does("setuid", uid=501)
    assert asked(caller, call, target) == CODES[call][DENIED]


# the access port


def accessed(machine: Machine, user: Actor) -> tuple[Actor, Actor, int]:
    """A process with an access port, one of the same user, and the first one's name for that port."""
    target = executed(forked(user))
    port = target.port_with_send()
    target.does("task_set_special_port", which=9, port=port)
    return target, user, port


@strong
def test_an_access_port_decides_and_no_server_answers(call: str, user: Actor) -> None:
    target, caller, port = accessed(user.machine, user)
    before = target.port_of(port)
    assert asked(caller, call, target) == CODES[call][DENIED]
    assert target.port_of(port) == before
    assert isinstance(asked(target, call, target), int)
    assert isinstance(asked(caller, "task_name_for_pid", target), int)


@strong
def test_a_dead_access_port(call: str, user: Actor) -> None:
    target, caller, port = accessed(user.machine, user)
    target.does("mach_port_destroy", name=port)
    assert asked(caller, call, target) == CODES[call][DEAD]


@strong
def test_an_access_port_does_not_matter_to_root(call: str) -> None:
    root = Machine(XNU).root
    other = root.machine.booted(1)
    other.does("task_set_special_port", which=9, port=other.port_with_send())
    assert isinstance(asked(root, call, other), int)


@strong
def test_who_may_not_have_it_is_told_that_first(call: str, root: Actor) -> None:
    port = root.port_with_send()
    root.does("task_set_special_port", which=9, port=port)
    root.does("mach_port_destroy", name=port)
    assert asked(root.machine.booted(1), call, root) == CODES[call][DENIED]


@strong
def test_a_kernel_objects_port_is_no_access_port(call: str, user: Actor) -> None:
    target = executed(forked(user))
    target.does("task_set_special_port", which=9, port=target.does("task_get_special_port", which=3))
    assert isinstance(asked(user, call, target), int)


# the right


@every_call
def test_each_call_makes_a_right(call: str, root: Actor) -> None:
    child = forked(root)
    name = asked(root, call, child)
    assert isinstance(name, int)
    number = root.number_of(name)
    before = root.machine.port(number)
    assert asked(root, call, child) == name
    after = root.machine.port(number)
    assert root.names[name] == send(number, urefs=2)
    assert (after.make_send_count, after.send_rights) == (before.make_send_count + 1, before.send_rights)


def test_the_control_port_is_the_tasks_own(root: Actor) -> None:
    other = root.machine.booted(1)
    assert root.does("task_for_pid", target_tport=root.me, pid=2) == other.seen_as
    ports = root.machine.snapshot().ports.keys()
    assert root.does("task_for_pid", target_tport=root.me, pid=1) == root.me
    assert root.machine.snapshot().ports.keys() == ports


@every_call
def test_the_right_works(call: str, root: Actor) -> None:
    child = forked(root)
    name = asked(root, call, child)
    assert root.does("pid_for_task", task=name) == process_of(child).pid
    assert root.does("task_info", task=name, flavor=13) == (0, 0)
    if call == "task_for_pid":
        queue = root.port_with_send()
        root.does("mach_port_insert_right", task=name, name=(1 << 8) + 3, poly=queue, disposition=Disposition.MAKE_SEND)
        assert child.names[(1 << 8) + 3] == send(root.number_of(queue), urefs=1)


def test_a_dead_name_request_tells_of_the_end(root: Actor) -> None:
    child, watch = forked(root), root.port()
    name = asked(root, "task_inspect_for_pid", child)
    assert isinstance(name, int)
    root.asks(name, Notification.DEAD_NAME, watch)
    child.result("exit", status=0)
    assert root.mail(watch) == [(Notification.DEAD_NAME, name)]
