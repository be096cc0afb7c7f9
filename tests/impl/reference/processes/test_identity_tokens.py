"""Tokens that name the images of processes: who they are made of, and which task they find."""

from collections.abc import Callable

import pytest
from msgspec.structs import replace
from support.kernel import NOTHING, Actor, Machine, send
from support.processes import NO_ID, USER, executed, forked, process_of, spawned, stopped, user

from sendright.mach.abi.codes import ReturnCode
from sendright.mach.abi.rights import DEAD_NAME, TASK_FLAVOUR_PORTS, Disposition, Notification, Place, PortObject, Right
from sendright.mach.kernel.profiles import PROFILES, XNU, Profile
from sendright.mach.state.boot import FIRST_PID_VERSION, boot_process
from sendright.mach.state.snapshot import Port

CREATE, FIND = "task_create_identity_token", "task_identity_token_get_task_port"
CONTROL, READ, INSPECT, NAME = range(4)
every_flavour = pytest.mark.parametrize("flavor", TASK_FLAVOUR_PORTS)
every_phase = pytest.mark.parametrize("phases", [1, 2, 3])


@pytest.fixture
def root() -> Actor:
    return Machine(XNU).root


def token_of(actor: Actor, target: Actor | None = None) -> int:
    """The actor's name for a new token of its own image, or of what ``target`` runs, if it may have its port."""
    token: int = actor.does(CREATE, task=actor.me if target is None else control_of(actor, target))
    return token


def control_of(actor: Actor, target: Actor) -> int:
    """The actor's name for the control port of ``target``."""
    name: int = actor.does("task_for_pid", target_tport=actor.me, pid=process_of(target).pid)
    return name


def found(actor: Actor, token: int, flavor: int = NAME) -> int | None:
    """The number of the task that a token finds for the actor."""
    port = actor.port_of(actor.does(FIND, token=token, flavor=flavor))
    assert port.object is TASK_FLAVOUR_PORTS[flavor]
    return port.task


def names_nothing(actor: Actor, token: int) -> bool:
    """Whether a token finds no task, by any flavour."""
    return {actor.refused(FIND, token=token, flavor=flavor) for flavor in TASK_FLAVOUR_PORTS} == {"KERN_NOT_FOUND"}


def image_of(actor: Actor) -> tuple[int, int]:
    """The image that an actor runs."""
    return process_of(actor).pid, process_of(actor).pid_version


def goes_on(actor: Actor) -> None:
    """Let an exec do one more phase."""
    actor.waits("execve", stop=True, resume=True)


# which kernels have them


@pytest.mark.parametrize("profile", [profile for profile in PROFILES.values() if not profile.has_processes], ids=lambda profile: profile.name)
def test_other_kernels_have_none(profile: Profile) -> None:
    root = Machine(profile).root
    assert root.refused(CREATE) == "MIG_BAD_ID"
    assert root.refused(FIND, token=root.me, flavor=CONTROL) == "MIG_BAD_ID"
    assert {port.image for port in root.machine.snapshot().ports.values()} == {None}


# making one


def test_a_token_is_a_new_port_that_shows_the_image(root: Actor) -> None:
    before = root.machine.snapshot()
    name = token_of(root)
    after = root.machine.snapshot()
    number = root.number_of(name)
    assert after.ports.keys() == before.ports.keys() | {number}
    shown = Port(PortObject.TASK_ID_TOKEN, 0, 1, 0, 1, 0, XNU.queue_limit, (), image=(1, boot_process(0).pid_version))
    assert after.ports[number] == shown
    assert root.names[name] == send(number, urefs=1)
    assert after.ports == before.ports | {number: shown}
    assert after.tasks == before.tasks | {0: replace(before.tasks[0], names=before.tasks[0].names | {name: send(number, urefs=1)})}
    assert {port.image for port in before.ports.values()} == {None}


def test_two_tokens_are_two_ports(root: Actor) -> None:
    first, second = token_of(root), token_of(root)
    assert first != second
    assert root.number_of(first) != root.number_of(second)
    assert root.port_of(first) == root.port_of(second)


@pytest.mark.parametrize("made", [forked, spawned, executed])
def test_each_image_has_its_own(made: Callable[[Actor], Actor], root: Actor) -> None:
    child = made(forked(root))
    assert root.port_of(token_of(root, child)).image == image_of(child)
    assert child.port_of(token_of(child)).image == image_of(child)


def test_a_port_is_needed_as_the_target(root: Actor) -> None:
    for name in (0, DEAD_NAME, NOTHING, root.port(), root.dead_name(), root.send_once(root.port())):
        assert root.refused(CREATE, task=name) == "MACH_SEND_INVALID_DEST"
        assert root.refused(FIND, token=name, flavor=CONTROL) == "MACH_SEND_INVALID_DEST"
        assert root.refused(FIND, token=name, flavor=9) == "MACH_SEND_INVALID_DEST"


def test_only_a_tasks_control_port_is_its_task(root: Actor) -> None:
    weaker = [root.does("task_get_special_port", which=which) for which in (3, 5, 6)]
    root.does("task_suspend", task=root.machine.last_booted().seen_as)
    resume = next(name for name in root.names if root.port_of(name).object is PortObject.TASK_RESUME)
    for name in (*weaker, resume, root.machine.named("host_priv"), root.port_with_send(), token_of(root)):
        assert root.refused(CREATE, task=name) == "KERN_INVALID_ARGUMENT"


def test_a_task_without_a_process_has_no_image(root: Actor) -> None:
    bare = root.machine.last_booted()
    assert root.refused(CREATE, task=bare.seen_as) == "KERN_INVALID_ARGUMENT"
    assert bare.refused(CREATE) == "KERN_INVALID_ARGUMENT"


def test_a_dead_task_is_no_target(root: Actor) -> None:
    child = forked(root)
    name = control_of(root, child)
    child.result("exit", status=0)
    assert root.fails(CREATE, task=name) == "MACH_SEND_INVALID_DEST"


def test_it_needs_no_memory_that_can_be_short(root: Actor) -> None:
    token = root.does(CREATE, shortage=1)
    assert root.does(FIND, token=token, flavor=READ, shortage=1)


# finding a task


def test_only_a_token_names_an_image(root: Actor) -> None:
    others = [root.does("task_get_special_port", which=which) for which in (3, 5, 6)]
    for name in (root.me, root.machine.named("host_priv"), root.port_with_send(), *others):
        for flavor in (*TASK_FLAVOUR_PORTS, 4):
            assert root.refused(FIND, token=name, flavor=flavor) == "KERN_INVALID_ARGUMENT"


@pytest.mark.parametrize("flavor", [4, 13, 1 << 31, NO_ID])
def test_there_are_four_flavours(flavor: int, root: Actor) -> None:
    """The flavour is looked at before the process."""
    child = forked(root)
    token = token_of(root, child)
    assert root.refused(FIND, token=token, flavor=flavor) == "KERN_INVALID_ARGUMENT"
    child.result("exit", status=0)
    assert root.refused(FIND, token=token, flavor=flavor) == "KERN_INVALID_ARGUMENT"


def test_the_numbers_of_the_flavours(root: Actor) -> None:
    token = token_of(root)
    objects = [root.port_of(root.does(FIND, token=token, flavor=flavor)).object for flavor in (CONTROL, READ, INSPECT, NAME)]
    assert objects == [PortObject.TASK, PortObject.TASK_READ, PortObject.TASK_INSPECT, PortObject.TASK_NAME]


@every_flavour
def test_each_flavour_makes_a_right(flavor: int, root: Actor) -> None:
    child = forked(root)
    token = token_of(root, child)
    shown = root.port_of(token)
    name = root.does(FIND, token=token, flavor=flavor)
    before = root.port_of(name)
    assert (before.object, before.task) == (TASK_FLAVOUR_PORTS[flavor], child.number)
    urefs = root.names[name].urefs
    assert root.does(FIND, token=token, flavor=flavor) == name
    after = root.port_of(name)
    assert root.names[name] == send(root.number_of(name), urefs=urefs + 1)
    assert (after.make_send_count, after.send_rights) == (before.make_send_count + 1, before.send_rights)
    assert root.port_of(token) == shown


@pytest.mark.parametrize(("flavor", "which"), [(NAME, 3), (INSPECT, 5), (READ, 6)])
def test_the_ports_are_those_that_other_calls_give(flavor: int, which: int, root: Actor) -> None:
    token = token_of(root)
    ports = root.machine.snapshot().ports.keys()
    name = root.does(FIND, token=token, flavor=flavor)
    assert root.machine.snapshot().ports.keys() == ports | {root.number_of(name)}
    assert root.does("task_get_special_port", which=which) == name


def test_the_control_port_is_the_tasks_own(root: Actor) -> None:
    other = root.machine.booted(1)
    token = root.does(CREATE, task=other.seen_as)
    ports = root.machine.snapshot().ports.keys()
    assert root.does(FIND, token=token, flavor=CONTROL) == other.seen_as
    assert root.does(FIND, token=token_of(root), flavor=CONTROL) == root.me
    assert len(root.machine.snapshot().ports) == len(ports) + 1


def test_a_set_id_image_is_found_by_its_new_port() -> None:
    image = executed(user(), set_user=0)
    assert image.does(FIND, token=token_of(image), flavor=CONTROL) == image.me


def test_a_changed_process_is_the_same_image(root: Actor) -> None:
    """Its ids, its parent and its suspension don't matter."""
    parent = forked(root)
    child = forked(parent)
    token = token_of(root, child)
    child.does("setuid", uid=USER)
    parent.result("exit", status=0)
    assert process_of(child).is_orphan
    assert found(root, token) == child.number
    root.does("task_suspend", task=root.does(FIND, token=token, flavor=CONTROL))
    assert found(root, token, CONTROL) == child.number


# whoever has a token


@every_flavour
def test_whoever_holds_a_token_gets_every_port(flavor: int, root: Actor) -> None:
    """Not by ids, as the calls by pid: a process of another user, and a task without a process."""
    child = forked(root)
    token = token_of(root, child)
    for number in (1, 2):
        other = root.machine.booted(number)
        place = XNU.chosen_name(60)
        root.does("mach_port_insert_right", task=other.seen_as, name=place, poly=token, disposition=Disposition.COPY_SEND)
        assert found(other, place, flavor) == child.number


@pytest.mark.parametrize("disposition", [Disposition.COPY_SEND, Disposition.MOVE_SEND])
def test_a_message_carries_a_token_that_outlives_its_maker(disposition: Disposition, root: Actor) -> None:
    """It carries one of the maker's own image, too."""
    target, maker = forked(root), forked(root)
    port, way = root.port(), XNU.chosen_name(60)
    root.does("mach_port_insert_right", task=control_of(root, maker), name=way, poly=port, disposition=Disposition.MAKE_SEND)
    token, own = token_of(maker, target), token_of(maker)
    number = maker.number_of(token)
    maker.sends(way, descriptors=((token, disposition), (own, disposition)))
    assert (token in maker.names) is (disposition is Disposition.COPY_SEND)
    maker.result("exit", status=0)
    got, got_own = (right for right, _ in root.receives(port)["descriptors"])
    assert root.names[got] == send(number, urefs=1)
    assert root.port_of(got).image == image_of(target)
    assert found(root, got, CONTROL) == target.number
    assert names_nothing(root, got_own)


def test_a_token_without_rights_stays(root: Actor) -> None:
    """The real kernel frees it. No call shows that."""
    token = token_of(root)
    number = root.number_of(token)
    root.does("mach_port_deallocate", name=token)
    assert token not in root.names
    shown = root.machine.port(number)
    assert (shown.send_rights, shown.make_send_count, shown.image) == (0, 1, (1, 1))


# processes that end


def test_a_zombie_runs_nothing(root: Actor) -> None:
    child = forked(root)
    token = token_of(root, child)
    assert found(root, token) == child.number
    child.result("exit", status=0)
    assert root.machine.snapshot().zombies
    assert names_nothing(root, token)
    root.does("wait4")
    assert not root.machine.snapshot().zombies
    assert names_nothing(root, token)


def test_an_orphan_that_ends(root: Actor) -> None:
    parent = forked(root)
    child = forked(parent)
    token = token_of(root, child)
    parent.result("exit", status=0)
    child.result("exit", status=0)
    assert names_nothing(root, token)


def test_a_forks_two_processes_have_two_images(root: Actor) -> None:
    parent = forked(root)
    token = token_of(parent)
    child = forked(parent)
    assert child.names.keys() == {child.me}
    other = token_of(parent, parent)
    of_child = token_of(root, child)
    assert [found(parent, each) for each in (token, other)] == [parent.number] * 2
    assert found(root, of_child) == child.number
    assert root.port_of(of_child).image == (process_of(parent).pid + 1, process_of(parent).pid_version + 1)
    child.result("exit", status=0)
    assert found(parent, token) == parent.number


# an exec


def test_after_an_exec_the_old_image_is_gone(root: Actor) -> None:
    child = forked(root)
    old = token_of(root, child)
    first = executed(child)
    assert names_nothing(root, old)
    new = token_of(root, first)
    assert found(root, new) == first.number
    second = executed(first)
    assert names_nothing(root, old)
    assert names_nothing(root, new)
    assert found(root, token_of(root, second)) == second.number


def test_the_tokens_of_one_task_over_the_phases_of_an_exec() -> None:
    """Before the switch, the pid and the version are the old task's. From then on they are the new one's; the old one's
    port still makes tokens, of an image that no process has.
    """
    root = Machine(XNU).root
    other = root.machine.booted(1)
    old_image, new_image = (2, boot_process(1).pid_version), (2, FIRST_PID_VERSION)
    tokens = [root.does(CREATE, task=other.seen_as)]
    number = stopped(other, 1)
    for phase in (1, 2):
        tokens.append(root.does(CREATE, task=other.seen_as))
        for token in tokens:
            assert root.port_of(token).image == old_image
            for flavor in TASK_FLAVOUR_PORTS:
                assert found(root, token, flavor) == other.number
        assert control_of(root, other) == other.seen_as
        goes_on(other)
        assert other.shown.waiting is not None
        assert other.shown.waiting.phase == phase + 1
    tokens.append(root.does(CREATE, task=other.seen_as))
    assert root.port_of(tokens[-1]).image == old_image
    assert all(names_nothing(root, token) for token in tokens)
    new = root.does("task_for_pid", target_tport=root.me, pid=2)
    assert new != other.seen_as
    token = root.does(CREATE, task=new)
    assert root.port_of(token).image == new_image
    assert root.does(FIND, token=token, flavor=CONTROL) == new
    other.goes_on()
    assert all(names_nothing(root, each) for each in tokens)
    assert {found(root, token, flavor) for flavor in TASK_FLAVOUR_PORTS} == {number}
    assert root.port_of(token_of(root, Actor(root.machine, number))).image == new_image
    assert root.fails(CREATE, task=other.seen_as) == "MACH_SEND_INVALID_DEST"


@every_phase
@pytest.mark.parametrize("set_user", [NO_ID, USER])
def test_a_token_of_the_old_image_never_finds_the_new_one(phases: int, set_user: int, root: Actor) -> None:
    child = forked(root)
    token = token_of(root, child)
    number = stopped(child, phases, set_user=set_user)
    if phases < 3:
        assert found(root, token, CONTROL) == child.number
    else:
        assert names_nothing(root, token)
    child.goes_on()
    assert names_nothing(root, token)
    assert number in root.machine.snapshot().tasks


@pytest.mark.parametrize("phases", [1, 2])
def test_a_port_that_a_token_gave_before_the_switch_dies(phases: int, root: Actor) -> None:
    child = forked(root)
    token = token_of(root, child)
    stopped(child, phases)
    watch = root.port()
    names = [root.does(FIND, token=token, flavor=flavor) for flavor in (READ, INSPECT, NAME)]
    for name in names:
        root.asks(name, Notification.DEAD_NAME, watch)
    child.goes_on()
    assert {data for _, data in root.mail(watch)} == set(names)


def test_a_new_task_is_found_before_it_begins(root: Actor) -> None:
    child = forked(root)
    number = stopped(child, 3)
    token = token_of(root, child)
    name = root.does(FIND, token=token, flavor=CONTROL)
    assert root.port_of(name).task == number
    root.does("task_suspend", task=name)
    child.goes_on()
    assert found(root, token) == number


def test_an_exec_keeps_the_tokens_of_others(root: Actor) -> None:
    """Its names end with the old task; the tokens of other processes stay with who has them."""
    child = forked(root)
    target = forked(root)
    kept, own = token_of(root, target), token_of(child, target)
    number = child.number_of(own)
    image = executed(child)
    assert image.names.keys() == {image.me}
    assert root.machine.port(number).send_rights == 0
    assert found(root, kept) == target.number


# the port


def test_it_is_no_users_port(root: Actor) -> None:
    token = token_of(root)
    for call in ("mach_port_kobject", "mach_port_kernel_object"):
        assert root.does(call, name=token) == 50
    assert root.does("mach_port_type", name=token) == Right.SEND.type_bit
    reply = root.port()
    root.sends(token, reply=reply, reply_disposition=Disposition.MAKE_SEND_ONCE, id=1)
    assert root.mail(reply) == [(101, ReturnCode.MIG_BAD_ID)]


def test_its_place_is_not_inherited_where_users_have_theirs(root: Actor) -> None:
    token = token_of(root)
    number = root.number_of(token)
    root.does("task_set_special_port", which=4, port=token)
    root.does("mach_ports_register", ports=(token,))
    child = forked(root)
    assert Place.BOOTSTRAP not in child.shown.places
    assert child.shown.places[Place.REGISTERED_0] == send(number)
    (got, *_) = child.does("mach_ports_lookup")
    assert found(child, got) == root.number
