"""The send rights that stand for suspensions: a task's resume port (``osfmk/kern/task.c`` of XNU 11417)."""

from collections.abc import Callable

import pytest
from support.kernel import NOTHING, Actor, Machine, dead, send
from support.random_runs import RandomCaller, run, runnable

from sendright.mach.abi.codes import ReturnCode, code_name
from sendright.mach.abi.rights import Disposition, Notification, PortObject, Right
from sendright.mach.kernel.call import Call
from sendright.mach.kernel.profiles import GNUMACH, MANUAL, OSF, XNU, XNU_792, Profile
from sendright.mach.signatures import SIGNATURES
from sendright.mach.state.boot import BOOTSTRAP_TASK
from sendright.mach.state.snapshot import Entry, Port, Snapshot

D = Disposition
SUSPEND, RESUME = "task_suspend", "task_resume"
OFTEN = 3
"""How often a test suspends where once isn't enough."""


class Stage:
    """Two tasks that suspend, and one that is suspended."""

    def __init__(self) -> None:
        machine = Machine(XNU)
        self.machine = machine
        self.root, self.other, self.target = machine.root, machine.booted(1), machine.last_booted()
        self.port = {self.root: self.target.seen_as, self.other: self.root.gives(self.other, self.target.seen_as, D.COPY_SEND)}
        """What each of the two calls the port of the target."""

    def suspend(self, actor: Actor, times: int = 1) -> int:
        """Suspend the target. Returns the name of the right that this left to the actor."""
        for _ in range(times):
            assert actor.does(SUSPEND, task=self.port[actor]) == {}
        return self.token(actor)

    def resume(self, actor: Actor) -> str:
        """Resume the target, whatever comes of it."""
        return code_name(actor.result(RESUME, task=self.port[actor]).code)

    @property
    def count(self) -> int:
        """How often the target is suspended."""
        return self.target.shown.suspend_count

    @property
    def number(self) -> int:
        """The number of the target's resume port."""
        (number,) = [number for number, port in self.machine.snapshot().ports.items() if port.object is PortObject.TASK_RESUME]
        return number

    @property
    def resume_port(self) -> Port:
        return self.machine.port(self.number)

    def tokens(self, actor: Actor) -> dict[int, Entry]:
        """The actor's names for the resume port."""
        return {name: entry for name, entry in actor.names.items() if entry.port == self.number}

    def token(self, actor: Actor) -> int:
        """The actor's only name for it."""
        (name,) = self.tokens(actor)
        return name


@pytest.fixture
def stage() -> Stage:
    return Stage()


# ---- suspending


def test_no_task_has_a_resume_port_before_it_is_suspended(stage: Stage) -> None:
    assert PortObject.TASK_RESUME not in {port.object for port in stage.machine.snapshot().ports.values()}


def test_a_suspension_leaves_a_send_right(stage: Stage) -> None:
    name = stage.suspend(stage.root)
    assert stage.root.names[name] == send(stage.number, urefs=1)
    port = stage.resume_port
    assert (port.task, port.send_rights, port.make_send_count) == (stage.target.number, 1, 1)


def test_further_suspensions_are_references_of_the_same_name(stage: Stage) -> None:
    name = stage.suspend(stage.root, OFTEN)
    assert stage.tokens(stage.root) == {name: send(stage.number, urefs=OFTEN)}
    port = stage.resume_port
    assert (stage.count, port.send_rights, port.make_send_count) == (OFTEN, 1, OFTEN)


def test_each_suspender_has_a_right_of_its_own(stage: Stage) -> None:
    for actor in (stage.root, stage.other):
        stage.suspend(actor)
    assert [len(stage.tokens(actor)) for actor in (stage.root, stage.other, stage.target)] == [1, 1, 0]
    assert (stage.count, stage.resume_port.send_rights) == (2, 2)


def test_the_right_is_the_callers_wherever_the_request_went(stage: Stage) -> None:
    """A read port suspends, too; the right leads to the same resume port."""
    name = stage.suspend(stage.root)
    read = stage.root.does("task_get_special_port", task=stage.target.seen_as, which=6)
    stage.root.does(SUSPEND, task=read)
    assert stage.tokens(stage.root) == {name: send(stage.number, urefs=2)}
    stage.root.does(RESUME, task=read)
    assert stage.tokens(stage.root) == {name: send(stage.number, urefs=1)}


def test_each_task_has_its_own_resume_port(stage: Stage) -> None:
    for task in (stage.other.seen_as, stage.target.seen_as):
        stage.root.does(SUSPEND, task=task)
    found = [port.task for port in stage.machine.snapshot().ports.values() if port.object is PortObject.TASK_RESUME]
    assert found == [stage.other.number, stage.target.number]


def test_without_a_task_nothing_is_left(stage: Stage) -> None:
    name = stage.suspend(stage.root)
    host = stage.root.does("mach_host_self")
    for call in (SUSPEND, RESUME):
        assert stage.root.refused(call, task=host) == "KERN_INVALID_ARGUMENT"
        assert stage.root.refused(call, task=NOTHING) == "MACH_SEND_INVALID_DEST"
    assert stage.root.names[name].urefs == 1


@pytest.mark.parametrize("profile", [MANUAL, OSF, GNUMACH, XNU_792], ids=lambda profile: profile.name)
def test_other_kernels_leave_nothing(profile: Profile) -> None:
    root = Machine(profile).root
    child = root.child()
    names = root.names
    root.does(SUSPEND, task=child.seen_as)
    assert (root.names, child.shown.suspend_count) == (names, 1)
    assert PortObject.TASK_RESUME not in {port.object for port in root.machine.snapshot().ports.values()}
    root.does(RESUME, task=child.seen_as)
    assert (root.names, child.shown.suspend_count) == (names, 0)


def test_a_pegged_name_takes_no_further_reference(stage: Stage) -> None:
    name = stage.suspend(stage.root)
    stage.root.add_send_references(name, XNU.urefs_max - 1)
    pegged = {name: send(stage.number, urefs=XNU.urefs_max)}
    stage.suspend(stage.root)
    assert (stage.tokens(stage.root), stage.count, stage.resume_port.send_rights) == (pegged, 2, 1)
    assert [stage.resume(stage.root) for _ in range(2)] == ["KERN_SUCCESS"] * 2
    assert (stage.tokens(stage.root), stage.count) == (pegged, 0)


# ---- no room for the right


def short(actor: Actor, task: int) -> None:
    """Suspend where the table of names can't grow."""
    assert actor.fails(SUSPEND, task=task, shortage=1) == "KERN_RESOURCE_SHORTAGE"


def test_a_suspension_whose_right_has_no_room_is_over_at_once(stage: Stage) -> None:
    names = stage.root.names
    short(stage.root, stage.target.seen_as)
    assert (stage.count, stage.root.names) == (0, names)
    port = stage.resume_port
    assert (port.send_rights, port.make_send_count) == (0, 1)


@pytest.mark.parametrize("holder", ["root", "other"])
def test_it_stays_if_there_is_another_right(stage: Stage, holder: str) -> None:
    """Also the caller's own: the kernel wants a free entry before it looks for the name."""
    actor: Actor = getattr(stage, holder)
    name = stage.suspend(actor)
    short(stage.root, stage.target.seen_as)
    assert (stage.count, stage.tokens(actor)) == (2, {name: send(stage.number, urefs=1)})
    actor.does("mach_port_deallocate", name=name)
    assert stage.count == 0


def test_a_suspension_of_oneself_may_fail_so_too(stage: Stage) -> None:
    short(stage.root, stage.root.me)
    stage.root.does("mach_task_self")


def test_a_suspension_allocates_once(stage: Stage) -> None:
    assert stage.root.does(SUSPEND, task=stage.target.seen_as, shortage=2) == {}


def test_nothing_is_allocated_without_a_resume_port() -> None:
    root = Machine().root
    root.does(SUSPEND, task=root.child().seen_as, shortage=1)


# ---- resuming


def test_each_resumption_takes_one_reference(stage: Stage) -> None:
    name = stage.suspend(stage.root, OFTEN)
    for left in reversed(range(1, OFTEN)):
        assert stage.resume(stage.root) == "KERN_SUCCESS"
        assert (stage.count, stage.root.names[name]) == (left, send(stage.number, urefs=left))
    assert stage.resume(stage.root) == "KERN_SUCCESS"
    assert (stage.count, name in stage.root.names, stage.resume_port.send_rights) == (0, False, 0)


def test_the_resume_port_stays_for_the_next_suspension(stage: Stage) -> None:
    stage.suspend(stage.root)
    number = stage.number
    stage.resume(stage.root)
    name = stage.suspend(stage.root)
    assert (stage.root.number_of(name), stage.resume_port.make_send_count) == (number, 2)
    stage.root.does("mach_port_deallocate", name=name)
    assert stage.count == 0


def test_the_last_reference_resumes_wholly(stage: Stage) -> None:
    """It doesn't matter how often the task is suspended."""
    name = stage.suspend(stage.root, OFTEN)
    stage.root.add_send_references(name, 1 - OFTEN)
    assert (stage.count, stage.resume(stage.root), stage.count) == (OFTEN, "KERN_SUCCESS", 0)
    assert name not in stage.root.names


def test_references_added_by_hand_are_taken_one_by_one(stage: Stage) -> None:
    name = stage.suspend(stage.root)
    stage.root.add_send_references(name, 1)
    assert (stage.resume(stage.root), stage.count) == ("KERN_SUCCESS", 0)
    assert stage.root.names[name].urefs == 1


def test_a_resumption_by_another_leaves_the_right(stage: Stage) -> None:
    name = stage.suspend(stage.root, OFTEN)
    assert stage.resume(stage.other) == "KERN_SUCCESS"
    assert (stage.count, stage.root.names[name].urefs, stage.tokens(stage.other)) == (OFTEN - 1, OFTEN, {})


def test_the_suspenders_own_then_fails_and_loses_the_right(stage: Stage) -> None:
    name = stage.suspend(stage.root, 2)
    for _ in range(2):
        stage.resume(stage.other)
    assert (stage.resume(stage.root), stage.count) == ("KERN_FAILURE", 0)
    assert (name in stage.root.names, stage.resume_port.send_rights) == (False, 0)


def test_a_failure_does_not_touch_the_rights_of_others(stage: Stage) -> None:
    name = stage.suspend(stage.root)
    stage.resume(stage.other)
    assert stage.other.refused(RESUME, task=stage.port[stage.other]) == "KERN_FAILURE"
    assert stage.root.names[name].urefs == 1


def test_resuming_a_task_that_was_never_suspended(stage: Stage) -> None:
    assert stage.root.refused(RESUME, task=stage.target.seen_as) == "KERN_FAILURE"


def test_another_holder_counts_on(stage: Stage) -> None:
    """One suspender's last reference ends nothing while the other has a right."""
    for actor in (stage.root, stage.other):
        stage.suspend(actor)
    assert (stage.resume(stage.root), stage.count) == ("KERN_SUCCESS", 1)
    assert (stage.resume(stage.other), stage.count) == ("KERN_SUCCESS", 0)


def test_a_left_over_right_of_one_keeps_the_suspension_of_another(stage: Stage) -> None:
    left = stage.suspend(stage.root)
    stage.resume(stage.other)
    name = stage.suspend(stage.other)
    stage.other.does("mach_port_deallocate", name=name)
    assert stage.count == 1
    stage.root.does("mach_port_deallocate", name=left)
    assert stage.count == 0


@pytest.mark.parametrize(("suspensions", "code"), [(1, "KERN_SUCCESS"), (0, "KERN_FAILURE")], ids=["the last reference", "a failure"])
def test_the_end_of_the_name_tells_its_dead_name_request(stage: Stage, suspensions: int, code: str) -> None:
    name, notify = stage.suspend(stage.root), stage.root.port()
    stage.root.asks(name, Notification.DEAD_NAME, notify)
    if not suspensions:
        stage.resume(stage.other)
    assert stage.resume(stage.root) == code
    assert stage.root.mail(notify) == [(Notification.PORT_DELETED, name)]


# ---- the last right, wherever it is


def deallocates(stage: Stage, name: int) -> None:
    stage.root.does("mach_port_deallocate", name=name)


def destroys(stage: Stage, name: int) -> None:
    stage.root.does("mach_port_destroy", name=name)


def gives_up_references(stage: Stage, name: int) -> None:
    stage.root.does("mach_port_mod_refs", name=name, right=Right.SEND, delta=-1)


def has_it_taken(stage: Stage, name: int) -> None:
    """By a task that has the holder's port."""
    me = stage.root.gives(stage.other, stage.root.me, D.COPY_SEND, name=60)
    stage.other.does("mach_port_deallocate", task=me, name=name)


def sends_it_to_a_port_that_dies(stage: Stage, name: int) -> None:
    port = stage.root.port_with_send()
    stage.root.sends(port, descriptors=((name, D.MOVE_SEND),))
    stage.root.does("mach_port_mod_refs", name=port, right=Right.RECEIVE, delta=-1)


def sends_it_as_the_reply_to_a_port_that_dies(stage: Stage, name: int) -> None:
    port = stage.root.port_with_send()
    stage.root.sends(port, reply=name, reply_disposition=D.MOVE_SEND)
    stage.root.does("mach_port_mod_refs", name=port, right=Right.RECEIVE, delta=-1)


def sends_it_to_a_dead_port(stage: Stage, name: int) -> None:
    port = stage.other.port()
    watched = stage.root.does("mach_port_extract_right", task=stage.other.seen_as, name=port, disposition=D.MAKE_SEND_ONCE)["poly"]
    stage.other.does("mach_port_mod_refs", name=port, right=Right.RECEIVE, delta=-1)
    stage.root.sends(watched, D.MOVE_SEND_ONCE, descriptors=((name, D.MOVE_SEND),))


def sends_it_to_the_kernel(stage: Stage, name: int) -> None:
    stage.root.sends(stage.root.me, descriptors=((name, D.MOVE_SEND),))


def sends_over_it(stage: Stage, name: int) -> None:
    stage.root.sends(name, D.MOVE_SEND)


def loses_it_with_a_body(stage: Stage, name: int) -> None:
    """The next descriptor is wrong."""
    port = stage.root.port_with_send()
    sent = {"dest": port, "dest_disposition": D.COPY_SEND, "descriptors": ((name, D.MOVE_SEND), (NOTHING, D.COPY_SEND))}
    assert stage.root.fails("mach_msg_send", **sent) == "MACH_SEND_INVALID_RIGHT"


def fails_to_insert_it(stage: Stage, name: int) -> None:
    given = {"task": stage.other.seen_as, "name": 0, "poly": name, "disposition": D.MOVE_SEND}
    assert stage.root.fails("mach_port_insert_right", **given) == "KERN_INVALID_VALUE"


def registers_it_for_a_time(stage: Stage, name: int) -> None:
    stage.root.does("mach_ports_register", ports=(name,))
    stage.root.does("mach_port_destroy", name=name)
    assert stage.count > 0
    stage.root.does("mach_ports_register", ports=())


def keeps_it_as_bootstrap_port_for_a_time(stage: Stage, name: int) -> None:
    stage.root.does("task_set_special_port", which=4, port=name)
    stage.root.does("mach_port_destroy", name=name)
    assert stage.count > 0
    stage.root.does("task_set_special_port", which=4, port=0)


def hands_it_as_an_exception_port(stage: Stage, name: int) -> None:
    """The kernel keeps null, so the name is the last right after this."""
    stage.root.does("task_set_exception_ports", exception_mask=2, new_port=name, behavior=1, new_flavor=1)
    stage.root.does("mach_port_destroy", name=name)


ENDS: list[Callable[[Stage, int], None]] = [
    *(deallocates, destroys, gives_up_references, has_it_taken),
    *(sends_it_to_a_port_that_dies, sends_it_as_the_reply_to_a_port_that_dies, sends_it_to_a_dead_port),
    *(sends_it_to_the_kernel, sends_over_it, loses_it_with_a_body, fails_to_insert_it),
    *(registers_it_for_a_time, keeps_it_as_bootstrap_port_for_a_time, hands_it_as_an_exception_port),
]
ends = pytest.mark.parametrize("end", ENDS, ids=lambda end: end.__name__)


@ends
def test_the_end_of_the_last_right_resumes(stage: Stage, end: Callable[[Stage, int], None]) -> None:
    name = stage.suspend(stage.root)
    end(stage, name)
    assert (stage.count, stage.resume_port.send_rights, name in stage.root.names) == (0, 0, False)
    stage.target.does("mach_task_self")


@ends
def test_it_takes_back_all_suspensions(stage: Stage, end: Callable[[Stage, int], None]) -> None:
    """Also those whose references were given up before, and those of others who gave up theirs."""
    name = stage.suspend(stage.root, OFTEN)
    stage.other.does("mach_port_deallocate", name=stage.suspend(stage.other))
    stage.root.add_send_references(name, 1 - OFTEN)
    assert stage.count == OFTEN + 1
    end(stage, name)
    assert stage.count == 0


@ends
def test_the_end_of_another_right_does_not(stage: Stage, end: Callable[[Stage, int], None]) -> None:
    stage.suspend(stage.other)
    end(stage, stage.suspend(stage.root))
    assert (stage.count, stage.resume_port.send_rights) == (2, 1)


def test_a_right_in_a_message_keeps_the_task_suspended(stage: Stage) -> None:
    name, port = stage.suspend(stage.root), stage.root.port_with_send()
    stage.root.sends(port, descriptors=((name, D.COPY_SEND),))
    stage.root.does("mach_port_deallocate", name=name)
    assert (stage.count, stage.resume_port.send_rights) == (1, 1)
    stage.root.receives(port)
    stage.root.does("mach_port_deallocate", name=stage.token(stage.root))
    assert stage.count == 0


def test_whoever_has_the_right_is_asked_for_it(stage: Stage) -> None:
    """A resumption takes the right of its caller, who need not have suspended."""
    name = stage.suspend(stage.root)
    given = stage.root.gives(stage.other, name, D.MOVE_SEND, name=60)
    assert stage.other.names[given] == send(stage.number, urefs=1)
    assert (stage.resume(stage.other), stage.count, given in stage.other.names) == ("KERN_SUCCESS", 0, False)


def test_who_gave_the_right_away_resumes_without_it(stage: Stage) -> None:
    given = stage.root.gives(stage.other, stage.suspend(stage.root), D.MOVE_SEND, name=60)
    assert (stage.resume(stage.root), stage.count) == ("KERN_SUCCESS", 0)
    assert stage.other.names[given].urefs == 1


# ---- the end of a suspender


def test_a_suspender_that_ends_alone_leaves_none_suspended(stage: Stage) -> None:
    stage.target.does(SUSPEND, task=stage.root.gives(stage.target, stage.other.seen_as, D.COPY_SEND))
    assert stage.other.shown.suspend_count == 1
    stage.root.does("task_terminate", task=stage.target.seen_as)
    assert (stage.other.shown.suspend_count, stage.resume_port.send_rights) == (0, 0)


def test_a_suspender_that_ends_before_others_leaves_the_count(stage: Stage) -> None:
    for _ in range(2):
        stage.target.does(SUSPEND, task=stage.root.gives(stage.target, stage.other.seen_as, D.COPY_SEND))
    stage.root.does(SUSPEND, task=stage.other.seen_as)
    stage.root.does("task_terminate", task=stage.target.seen_as)
    assert (stage.other.shown.suspend_count, stage.resume_port.send_rights) == (3, 1)
    stage.root.does(RESUME, task=stage.other.seen_as)
    assert stage.other.shown.suspend_count == 0


def test_a_right_that_a_task_only_registered_ends_with_it(stage: Stage) -> None:
    stage.root.does(SUSPEND, task=stage.other.seen_as)
    name = stage.token(stage.root)
    stage.root.does("mach_ports_register", task=stage.target.seen_as, ports=(name,))
    stage.root.does("mach_port_destroy", name=name)
    assert stage.other.shown.suspend_count == 1
    stage.root.does("task_terminate", task=stage.target.seen_as)
    assert stage.other.shown.suspend_count == 0


def test_a_right_in_a_call_that_waits_ends_with_its_task(stage: Stage) -> None:
    port = stage.root.port_with_send()
    stage.root.does("mach_port_set_attributes", name=port, flavor=1, info=(0,))
    stage.root.does(SUSPEND, task=stage.other.seen_as)
    name = stage.root.gives(stage.target, stage.token(stage.root), D.MOVE_SEND, name=60)
    dest = stage.root.gives(stage.target, port, D.COPY_SEND, name=61)
    stage.target.waits("mach_msg_send", dest=dest, dest_disposition=D.COPY_SEND, descriptors=((name, D.MOVE_SEND),), wait=True)
    assert stage.other.shown.suspend_count == 1
    stage.root.does("task_terminate", task=stage.target.seen_as)
    assert stage.other.shown.suspend_count == 0


# ---- suspending oneself


def test_a_task_that_suspends_itself_has_the_right_itself(stage: Stage) -> None:
    stage.target.does(SUSPEND)
    assert (stage.count, stage.tokens(stage.target)) == (1, {stage.token(stage.target): send(stage.number, urefs=1)})


def test_another_who_resumes_it_leaves_it_the_right(stage: Stage) -> None:
    stage.target.does(SUSPEND)
    assert (stage.resume(stage.root), stage.count) == ("KERN_SUCCESS", 0)
    name = stage.token(stage.target)
    assert stage.target.fails(RESUME) == "KERN_FAILURE"
    assert name not in stage.target.names


def test_another_who_takes_the_right_resumes_it(stage: Stage) -> None:
    stage.target.does(SUSPEND)
    stage.root.does("mach_port_deallocate", task=stage.target.seen_as, name=stage.token(stage.target))
    assert stage.count == 0


# ---- the end of the suspended task


def test_the_resume_port_dies_with_its_task(stage: Stage) -> None:
    name, number = stage.suspend(stage.root, 2), stage.number
    stage.root.does("task_terminate", task=stage.target.seen_as)
    assert number not in stage.machine.snapshot().ports
    assert stage.root.names[name].is_unlooked
    assert stage.root.does("mach_port_get_refs", name=name, right=Right.DEAD_NAME) == 2
    assert stage.root.names[name] == dead(urefs=2)
    assert stage.root.fails(RESUME, task=stage.target.seen_as) == "MACH_SEND_INVALID_DEST"
    assert stage.root.names[name] == dead(urefs=2)


def test_it_is_the_last_of_the_tasks_ports_to_die(stage: Stage) -> None:
    notify, task = stage.root.port(), stage.target.seen_as
    watched = [stage.suspend(stage.root), *(stage.root.does("task_get_special_port", task=task, which=which) for which in (3, 5, 6)), task]
    for name in watched:
        stage.root.asks(name, Notification.DEAD_NAME, notify)
    token, name_port, inspect, read, task = watched
    stage.root.does("task_terminate", task=task)
    assert stage.root.mail(notify) == [(Notification.DEAD_NAME, name) for name in (read, task, name_port, inspect, token)]


def test_a_task_that_has_its_own_last_right_ends(stage: Stage) -> None:
    stage.target.does(SUSPEND)
    number = stage.number
    stage.root.does("task_terminate", task=stage.target.seen_as)
    state = stage.machine.snapshot()
    assert (stage.target.number in state.tasks, number in state.ports) == (False, False)


def test_no_suspension_of_a_later_task_is_touched(stage: Stage) -> None:
    """A dead right to one task's resume port ends; another task stays suspended."""
    name = stage.suspend(stage.root)
    stage.root.does("task_terminate", task=stage.target.seen_as)
    stage.root.does(SUSPEND, task=stage.other.seen_as)
    stage.root.does("mach_port_deallocate", name=name)
    assert stage.other.shown.suspend_count == 1


# ---- whatever tasks do


class SuspendingCaller(RandomCaller):
    """Draws calls that suspend, resume, and move or end the rights that stand for it. First the bootstrap task gives
    the others all tasks' ports. The last task that can make calls is never suspended.
    """

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self.seen: set[str] = set()
        """The calls after which a task ran again."""
        self.before: tuple[str, Snapshot] | None = None
        ports = [len(XNU.bootstrap_names) + number for number in range(1, XNU.boot_tasks + 1)]  # the last is its own
        self.gifts = iter(
            [
                Call("mach_port_insert_right", {"task": task, "name": XNU.chosen_name(20 + poly), "poly": poly, "disposition": D.COPY_SEND})
                for task in ports
                for poly in ports
            ]
        )

    def draw(self, state: Snapshot) -> tuple[int, Call]:
        if self.before is not None:
            self._note(*self.before, state)
        awake = runnable(state)
        gift = next(self.gifts, None)
        if gift is not None:
            return BOOTSTRAP_TASK, gift
        number = self.random.choice(awake)
        call = self._call(number, state, last=len(awake) == 1)
        self.before = call.name, state
        return number, call

    def _note(self, name: str, before: Snapshot, after: Snapshot) -> None:
        for number in before.tasks.keys() & after.tasks.keys():
            if before.tasks[number].suspend_count and not after.tasks[number].suspend_count:
                self.seen.add(name)

    def _call(self, number: int, state: Snapshot, last: bool) -> Call:
        names = state.tasks[number].names
        kinds = {name: state.ports[entry.port].object for name, entry in names.items() if entry.port in state.ports}
        me = next(name for name, entry in names.items() if entry.port == state.tasks[number].port)
        tasks = [name for name, object in kinds.items() if object is PortObject.TASK]
        task, short = self.random.choice(tasks), self.random.choice((0, 0, 0, 1))
        own = [name for name, object in kinds.items() if object is PortObject.NONE]
        if not own:
            return Call("mach_port_construct", {"task": me, "insert_send": True})
        tokens = [name for name, object in kinds.items() if object is PortObject.TASK_RESUME]
        given = self.random.choice([*tasks, *tokens])
        name = self.random.choice([*tokens, NOTHING])
        sent = {"dest": own[0], "dest_disposition": D.COPY_SEND, "descriptors": ((given, D.MOVE_SEND if given in tokens else D.COPY_SEND),)}
        insert = {"task": task, "name": XNU.chosen_name(self.random.randrange(40, 99)), "poly": given, "disposition": D.COPY_SEND}
        delta = {"right": Right.SEND, "delta": self.random.choice((-2, -1, 1))}
        return self.random.choice(
            (
                Call(RESUME, {"task": task}),
                Call(RESUME if last else SUSPEND, {"task": task}, short),
                *[Call(RESUME if last else SUSPEND, {"task": task})] * 2,
                Call("mach_port_insert_right", insert),
                Call("mach_msg_send", sent),
                Call("mach_msg_receive", {"port": own[0]}),
                Call("mach_port_deallocate", {"task": me, "name": name}),
                Call("mach_port_destroy", {"task": me, "name": name}),
                Call("mach_port_mod_refs", {"task": me, "name": name, **delta}),
            )
        )


def test_a_suspended_task_always_has_a_right_that_stands_for_it() -> None:
    """The runs check that after each call. Each way out is taken."""
    seen: set[str] = set()
    for seed in range(12):
        caller = SuspendingCaller(seed)
        run(XNU, caller, 400)
        seen |= caller.seen
    assert seen >= {RESUME, "mach_port_deallocate", "mach_port_destroy", "mach_port_mod_refs"}


# ---- the port in other calls


ON_TASK = sorted(name for name, signature in SIGNATURES.items() if signature.target == "task" and XNU.serves(name))


ASKS_FOR_A_TASK = {
    *("mach_port_get_attributes", "mach_port_get_context", "mach_port_get_set_status", "mach_port_kernel_object", "mach_port_kobject"),
    *("mach_port_space_info", "mach_ports_lookup", "mach_ports_register"),
}
"""Calls on ports that turn the port into a task, or answer for a space as those do."""


def test_many_calls_take_a_task() -> None:
    assert len(ON_TASK) > 20
    assert set(ON_TASK) > ASKS_FOR_A_TASK


@pytest.mark.parametrize("call", ON_TASK)
def test_it_is_no_task_to_any_call(stage: Stage, call: str) -> None:
    """Calls on a space answer KERN_INVALID_TASK, calls on a task or its memory KERN_INVALID_ARGUMENT."""
    name = stage.suspend(stage.root)
    given = {each.name: XNU.chosen_name(60) if each.name == "name" else 0 for each in SIGNATURES[call].arguments if each.required}
    of_space = call.startswith("mach_port") and call not in ASKS_FOR_A_TASK
    assert stage.root.refused(call, **given | {"task": name}) == ("KERN_INVALID_TASK" if of_space else "KERN_INVALID_ARGUMENT")


def test_its_type_is_told(stage: Stage) -> None:
    name = stage.suspend(stage.root)
    for call in ("mach_port_kobject", "mach_port_kernel_object"):
        assert stage.root.does(call, name=name) == 36
    assert stage.root.does("mach_port_type", name=name) == Right.SEND.type_bit


def test_a_message_to_it_is_a_request_that_it_does_not_know(stage: Stage) -> None:
    name, reply = stage.suspend(stage.root), stage.root.port()
    stage.root.sends(name, reply=reply, reply_disposition=D.MAKE_SEND_ONCE, id=1)
    assert stage.root.mail(reply) == [(101, ReturnCode.MIG_BAD_ID)]
    assert (stage.count, stage.root.names[name].urefs) == (1, 1)


def test_its_rights_go_where_any_go(stage: Stage) -> None:
    """They aren't immovable: into a message, a reply, another space, and out of it."""
    name, port = stage.suspend(stage.root), stage.root.port_with_send()
    stage.root.sends(port, reply=name, reply_disposition=D.COPY_SEND, descriptors=((name, D.COPY_SEND),))
    given = stage.root.gives(stage.other, name, D.COPY_SEND, name=60)
    stage.root.does("mach_port_extract_right", task=stage.other.seen_as, name=given, disposition=D.COPY_SEND)
    assert (stage.root.names[name].urefs, stage.resume_port.send_rights) == (2, 4)


def test_registered_it_is_looked_up(stage: Stage) -> None:
    name = stage.suspend(stage.root)
    stage.root.does("mach_ports_register", ports=(name,))
    assert stage.root.does("mach_ports_lookup")[0] == name


def test_as_a_special_port_it_comes_back_as_null(stage: Stage) -> None:
    name = stage.suspend(stage.root)
    stage.root.does("task_set_special_port", which=4, port=name)
    assert stage.root.does("task_get_special_port", which=4) == 0
    assert stage.resume_port.send_rights == 2


def test_no_request_for_its_last_right_can_be_made(stage: Stage) -> None:
    """That takes the receive right, which the kernel has."""
    name, notify = stage.suspend(stage.root), stage.root.port()
    given = {"variant": Notification.NO_SENDERS, "notify": notify, "notify_disposition": D.MAKE_SEND_ONCE}
    assert stage.root.fails("mach_port_request_notification", name=name, **given) == "KERN_INVALID_RIGHT"
