"""Authority: who can come to hold a right, checked against what kernels do; where rights came from; what a task's end
revokes.
"""

from itertools import combinations
from random import Random

import msgspec
import pytest
from support.kernel import Actor, Machine
from support.profiles import manual_first

from sendright.impl.reference import ReferenceKernel
from sendright.mach.abi.rights import Disposition, Place, PortObject, SlotKind
from sendright.mach.kernel.call import Call
from sendright.mach.kernel.profiles import GNUMACH, MANUAL, OSF, XNU, Profile
from sendright.mach.kernel.unmodelled import why_unmodelled_there
from sendright.mach.state.boot import BOOTSTRAP_TASK_PORT, HOST_PORT, HOST_SECURITY_PORT, ROOT_WIRED_LEDGER_PORT, task_port
from sendright.mach.state.snapshot import EMPTY, Entry, Slot, Snapshot, changes, entry_in_words, slots
from sendright.mach.state.trace import Step
from sendright.properties.generation.calls import Calls, near_limits
from sendright.properties.provenance.authority import Authority, NoSuchPort, Reach, authority, find_port, prevention
from sendright.properties.provenance.authority_graph import Container, FlowGraph
from sendright.properties.provenance.revocation import revoked_by_end
from sendright.properties.runs.judged_run import callers


def reach(asked: Authority, task: int) -> Reach:
    return next(one for one in asked.tasks if one.task == task)


def without(state: Snapshot, gone: set[str]) -> Snapshot:
    """``state`` with the rights taken away that ``gone`` describes."""

    def kept(slot: Slot, entry: Entry) -> bool:
        return f"{entry_in_words(entry)} at {slot}" not in gone

    tasks = {
        number: msgspec.structs.replace(
            task,
            names={name: entry for name, entry in task.names.items() if kept(Slot("name", number, name), entry)},
            places={place: entry for place, entry in task.places.items() if kept(Slot("place", number, place), entry)},
            requests={name: entry for name, entry in task.requests.items() if kept(Slot("request", number, name), entry)},
        )
        for number, task in state.tasks.items()
    }
    ports = {}
    for number, port in state.ports.items():
        queue = []
        for message in port.queue:
            body = tuple(
                each if kept(Slot("message", message.serial, index), each.entry) else msgspec.structs.replace(each, entry=Entry(SlotKind.NONE))
                for index, each in enumerate(message.body)
            )
            there = kept(Slot("message", message.serial, -1), message.reply.entry)
            reply = message.reply if there else msgspec.structs.replace(message.reply, entry=Entry(SlotKind.NONE))
            queue.append(msgspec.structs.replace(message, body=body, reply=reply))
        ports[number] = msgspec.structs.replace(
            port,
            queue=tuple(queue),
            no_senders=port.no_senders if kept(Slot("no-senders", number, 0), port.no_senders) else EMPTY,
            port_destroyed=port.port_destroyed if kept(Slot("port-destroyed", number, 0), port.port_destroyed) else EMPTY,
        )
    host_ports = {special: entry for special, entry in state.host_ports.items() if kept(Slot("host", 0, special), entry)}
    return Snapshot(tasks, ports, host_ports)


@pytest.fixture
def two() -> tuple[Machine, Actor, Actor]:
    """The bootstrap task, and a child whose port it holds."""
    machine = Machine()
    return machine, machine.root, machine.root.child()


def test_a_task_port_gives_what_its_holder_has(two: tuple[Machine, Actor, Actor]) -> None:
    machine, _, child = two
    asked = authority(machine.snapshot(), HOST_SECURITY_PORT, MANUAL)
    assert asked.stands_for == "host_security"
    assert reach(asked, 0).calls == 0
    got = reach(asked, child.number)
    assert got.calls == 1
    assert [leg.words for leg in got.way] == ["task 0 has it", f"task 0 puts it into the space of task {child.number}"]
    assert len(got.prevented_by or ()) == 1


def test_what_is_said_to_take_so_many_calls_does(two: tuple[Machine, Actor, Actor]) -> None:
    machine, root, child = two
    port = root.port()
    name = root.gives(child, port, Disposition.MAKE_SEND)
    root.does("mach_port_destroy", task=root.me, name=child.seen_as)
    before = machine.snapshot()
    got = reach(authority(before, HOST_SECURITY_PORT, MANUAL), child.number)
    # The child's only way is to ask: allocate, send, and receive the answer.
    assert got.calls == 5
    assert got.way[-1].words == f"task 0 replies to task {child.number} with it"
    answers = child.port()
    child.sends(name, reply=answers, reply_disposition=Disposition.MAKE_SEND_ONCE)
    reply = root.receives(port)["reply"]
    root.sends(reply, Disposition.MOVE_SEND_ONCE, descriptors=((machine.named("host_security"), Disposition.COPY_SEND),))
    ((held, _),) = child.receives(answers)["descriptors"]
    assert child.number_of(held) == HOST_SECURITY_PORT


def test_a_waiting_message_is_used_by_its_receiver_only(two: tuple[Machine, Actor, Actor]) -> None:
    machine, root, child = two
    port = root.port()
    body = ((machine.named("host_security"), Disposition.COPY_SEND), (child.seen_as, Disposition.COPY_SEND))
    root.sends(port, Disposition.MAKE_SEND, descriptors=body)
    for name in (machine.named("host_security"), child.seen_as):
        root.does("mach_port_destroy", task=root.me, name=name)
    state = machine.snapshot()
    asked = authority(state, HOST_SECURITY_PORT, MANUAL)
    assert (reach(asked, 0).calls, reach(asked, 0).holds) == (1, ())
    assert len(asked.kept) == 1
    assert reach(asked, child.number).calls is not None
    # Without the receive right nobody can; and if the receiver is trusted, nobody does.
    deaf = without(state, {f"receive right of port 8 at task 0, name {port}"})
    assert reach(authority(deaf, HOST_SECURITY_PORT, MANUAL), child.number).calls is None
    trusting = authority(state, HOST_SECURITY_PORT, MANUAL, trusted=(0,))
    assert [(one.task, one.takes_part, one.calls) for one in trusting.tasks] == [(0, False, None), (child.number, True, None)]


def test_who_is_controlled_cannot_be_trusted(two: tuple[Machine, Actor, Actor]) -> None:
    machine, root, child = two
    assert reach(authority(machine.snapshot(), BOOTSTRAP_TASK_PORT, MANUAL, trusted=(0,)), child.number).calls is None
    root.gives(child, root.me, Disposition.COPY_SEND)
    asked = authority(machine.snapshot(), HOST_SECURITY_PORT, MANUAL, trusted=(0,))
    assert reach(asked, 0).takes_part
    assert reach(asked, child.number).calls == 1
    assert reach(asked, child.number).way[-1].words == f"task {child.number} extracts it from task 0"


def test_a_task_port_that_stays_is_not_sent() -> None:
    """Task 1 can send to the bootstrap task, but not its own port; put there by who has both it can be."""
    staying = msgspec.structs.replace(XNU, task_ports_stay=True, processes=0)
    root = Machine(staying).root
    theirs, port = 1 + len(XNU.bootstrap_names), root.port()
    assert root.does("mach_port_insert_right", task=theirs, name=XNU.chosen_name(9), poly=port, disposition=Disposition.MAKE_SEND) == {}
    assert reach(authority(root.machine.snapshot(), task_port(1), staying), 2).calls == 1
    root.does("mach_port_deallocate", name=theirs)
    state = root.machine.snapshot()
    assert [reach(authority(state, task_port(1), staying), task).calls for task in (0, 2)] == [None, None]
    assert reach(authority(state, task_port(1)), 0).calls is not None


def test_rights_that_the_kernel_makes() -> None:
    for profile in (OSF, GNUMACH):
        machine = Machine(profile)
        child = machine.root.child()
        got = reach(authority(machine.snapshot(), HOST_PORT, profile), child.number)
        assert (got.calls, got.prevented_by, got.way[0].words) == (1, None, f"task {child.number} requests it")
    machine = Machine()
    child = machine.root.child()
    slot = Slot("place", child.number, Place.HOST)
    nowhere = without(machine.snapshot(), {f"{entry_in_words(slots(machine.snapshot())[slot])} at {slot}"})
    assert reach(authority(nowhere, HOST_PORT, MANUAL), child.number).calls is not None
    ledger = reach(authority(machine.snapshot(), ROOT_WIRED_LEDGER_PORT, MANUAL), child.number)
    assert ledger.calls is not None
    assert ledger.prevented_by


@pytest.mark.parametrize(
    ("wanted", "words"), [("x", "names no port"), ("task:", "names no port"), ("task:9", "choose one of 0"), ("port:²", "names no port")]
)
def test_what_is_not_there_is_said(wanted: str, words: str) -> None:
    with pytest.raises(NoSuchPort, match=words):
        find_port(Machine().snapshot(), wanted)


def test_ports_by_what_they_are_called() -> None:
    state = Machine().snapshot()
    assert find_port(state, "host_security") == HOST_SECURITY_PORT
    assert find_port(state, "task:0") == BOOTSTRAP_TASK_PORT
    assert find_port(state, "port:5") == 5
    with pytest.raises(NoSuchPort, match="no live port 99"):
        authority(state, 99)


class RandomRun:
    """Random calls on the reference kernel."""

    def __init__(self, profile: Profile, random: Random) -> None:
        self.kernel = ReferenceKernel()
        self.profile = near_limits(profile)
        self.kernel.boot(self.profile)
        self.state = self.kernel.snapshot()
        self.source = Calls(self.profile, random.randbytes(4096))

    def go_on(self, calls: int, aside: frozenset[int] = frozenset()) -> None:
        """Make that many calls more, but none as a task that stands aside."""
        for index in range(calls):
            if self.source.over(self.state):
                return
            task, call = self.source.next(self.state)
            if task in aside:
                continue
            if why_unmodelled_there(task, call, self.state, self.profile) is not None:
                return  # as when the kernel panics
            result = self.kernel.call(task, call)
            after = self.kernel.snapshot()
            caused = changes(self.state, after)
            self.source.made(Step.of(index, task, call, result, caused))
            self.state = after


@pytest.mark.parametrize(("profile", "runs"), manual_first(20, 60))
def test_nobody_gets_what_is_said_to_be_out_of_reach(profile: Profile, runs: int) -> None:
    """From random states on, with some tasks standing aside, no calls of the others bring them a right that the graph
    says they can't get.
    """
    random = Random(6)
    refused = got = 0
    for _ in range(runs):
        run = RandomRun(profile, random)
        run.go_on(random.randrange(10, 50))
        before = run.state
        trusted = frozenset(task for task in before.tasks if random.random() < 0.5)
        graphs = {port: FlowGraph(before, port, trusted, run.profile) for port in before.ports}
        can = {port: {one.task for one in authority(before, port, run.profile, trusted).tasks if one.calls is not None} for port in before.ports}
        aside = next(iter(graphs.values())).passive if graphs else set()
        active = before.tasks.keys() - aside
        refused += sum(len(active - can[port]) for port in before.ports)
        run.go_on(60, frozenset(aside))
        for task in active & run.state.tasks.keys():
            for entry in run.state.tasks[task].names.values():
                if entry.port in before.ports and entry.port in run.state.ports:
                    assert task in can[entry.port], f"task {task} got {entry_in_words(entry)}"
                    got += entry.port not in {held.port for held in before.tasks[task].names.values()}
    assert refused > runs / 3, "the graph must refuse something, or this says nothing"
    assert got > runs / 3


@pytest.mark.heavy
def test_a_prevention_prevents_and_is_smallest() -> None:
    random = Random(7)
    looked_at = 0
    for _ in range(25):
        run = RandomRun(MANUAL, random)
        run.go_on(random.randrange(10, 40))
        for port, shown in run.state.ports.items():
            if shown.object not in (PortObject.HOST_SECURITY, PortObject.TASK):
                continue
            for got in authority(run.state, port, MANUAL).tasks:
                if got.calls is None or got.prevented_by is None or len(got.prevented_by) > 2:
                    continue
                looked_at += 1
                assert reach(authority(without(run.state, set(got.prevented_by)), port, MANUAL), got.task).calls is None
                graph = FlowGraph(run.state, port, (), MANUAL)
                every = [f"{entry_in_words(entry)} at {slot}" for slot, entry in graph.entries.items()]
                for fewer in combinations(every, len(got.prevented_by) - 1):
                    left = authority_of(without(run.state, set(fewer)), port, got.task)
                    assert left, f"{fewer} would be enough"
    assert looked_at > 20


def authority_of(state: Snapshot, port: int, task: int) -> bool:
    """Whether the task can come to hold a right to the port."""
    graph = FlowGraph(state, port, (), MANUAL)
    return prevention(graph, [task]) != ()


def test_the_end_of_a_task_revokes_what_is_said() -> None:
    random = Random(11)
    died = fired = rescued = 0
    for _ in range(150):
        run = RandomRun(MANUAL, random)
        run.go_on(random.randrange(20, 200))
        before = run.state
        for caller in callers(before):
            names = {entry.port: name for name, entry in before.tasks[caller].names.items() if entry.kind is SlotKind.SEND}
            ends = [task for task, other in before.tasks.items() if other.port in names]
            if not ends:
                continue
            task = random.choice(ends)
            said = revoked_by_end(before, task)
            assert run.kernel.call(caller, Call("task_terminate", {"task": names[before.tasks[task].port]})).code == 0
            after = run.kernel.snapshot()
            assert before.ports.keys() - after.ports.keys() == set(said.ports)
            now = slots(after)
            for slot in said.others:
                assert slot not in now or now[slot].kind is SlotKind.DEAD_NAME or now[slot].port not in said.ports
            ended = (change.slot for change in changes(before, after) if change.before.kind)
            unsent = said.queued.keys() | said.others.keys()
            changed = {slot for slot in ended if slot.index != -2 or slot in unsent}  # the destination of a message that wasn't queued yet
            assert changed == said.own.keys() | said.queued.keys() | said.fired.keys() | said.others.keys()
            died += len(said.others)
            fired += len(said.fired)
            rescued += len(said.redirected)
            break
    assert died > 80
    assert fired > 10
    assert rescued > 0


def test_flow_nodes_are_what_they_are() -> None:
    assert Container("task", 0) in FlowGraph(Machine().snapshot(), HOST_SECURITY_PORT).graph
    assert str(Container("message", 4)) == "message 4"
