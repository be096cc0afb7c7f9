"""Recorded runs and states compared with a policy."""

from pathlib import Path

import msgspec
import pytest
from support.policies import EXAMPLES, policy
from support.report_runs import MOVE_TO_CHILD, run

from sendright.impl.reference import ReferenceKernel
from sendright.mach.abi.rights import Disposition, SlotKind
from sendright.mach.kernel.profiles import PROFILES
from sendright.mach.state.snapshot import Entry, Page
from sendright.mach.state.trace import Trace
from sendright.model.policy.policy import Policy
from sendright.properties.policy.boot import check_boot
from sendright.properties.policy.check import NoLabel, check_state, check_trace
from sendright.properties.policy.load import load_policy

CLIENTS = load_policy(EXAMPLES / "clients.toml")


def clients(port: str = "desk", child: str = "one") -> Policy:
    """The example, with labels for the child and for the port that ``MOVE_TO_CHILD`` makes."""
    return msgspec.structs.replace(CLIENTS, named_tasks={1: child}, named_ports={8: port})


def moved(*more: tuple[int, str, dict[str, object], int]) -> Trace:
    return run(ReferenceKernel(), (*MOVE_TO_CHILD, *more))


def test_the_first_right_that_is_not_allowed_is_shown_with_its_way() -> None:
    checked = check_trace(clients("server"), moved(), "run.json")
    assert checked.broken is not None
    assert (checked.broken.step, checked.broken.task, checked.broken.call) == (5, 0, "mach_port_insert_right")
    assert checked.broken.words == "task 1, name 3 (one): send right to port 8 (server)"
    assert checked.broken.missing.words == "one may send to server"
    assert checked.broken.missing.entry == '[[allow]] who = "one"  may = ["send"]  to = ["server"]'
    assert [(hop.how, hop.call) for hop in checked.broken.path][-2:] == [("made", "mach_port_insert_right"), ("moved", "mach_port_insert_right")]
    assert checked.broken.path[0].step is None


def test_a_run_that_keeps_the_policy() -> None:
    checked = check_trace(clients(), moved(), "run.json")
    assert checked.broken is None
    assert checked.states == len(MOVE_TO_CHILD) + 1


def test_what_a_message_carries_counts_for_its_port() -> None:
    sends = (0, "mach_msg_send", {"dest": 8, "descriptors": ((3, Disposition.COPY_SEND),)}, 0)
    trace = run(ReferenceKernel(), (*MOVE_TO_CHILD[:4], sends))
    assert check_trace(clients("desk"), trace, "").broken is None, "the server may hold what a desk's messages carry"
    narrow = policy("a hold host", "carry: a send a")
    broken = check_trace(narrow, run(ReferenceKernel(), (MOVE_TO_CHILD[0], *_port_with_send(), _to_itself())), "").broken
    assert broken is not None
    assert "descriptor 0 (a): send right to port 2 (host)" in broken.words
    assert broken.missing.words == "messages to a may carry a right to hold a port of host"


def _port_with_send() -> tuple[tuple[int, str, dict[str, object], int], ...]:
    allocate, insert = MOVE_TO_CHILD[2:4]
    return (allocate, (insert[0], insert[1], {**insert[2], "name": 7, "poly": 7}, 0))


def _to_itself() -> tuple[int, str, dict[str, object], int]:
    return (0, "mach_msg_send", {"dest": 7, "descriptors": ((3, Disposition.COPY_SEND),)}, 0)


def test_tokens_are_given_only_by_those_that_may() -> None:
    without = {edge for edge in CLIENTS.edges if edge.authority != "give_tokens"}
    broken = check_trace(msgspec.structs.replace(clients(), edges=frozenset(without)), moved(), "").broken
    assert broken is not None
    assert (broken.step, broken.words) == (1, "task 0 (server) gave task 1 (one) its tokens")


def test_labels_that_do_not_follow_are_required() -> None:
    for under, words in (
        (CLIENTS, "task 1 can have more than one label: a child of server is one or rest (write [tasks] 1 = …)"),
        (msgspec.structs.replace(clients(), named_ports={}), "port 8 can have more than one label: a port of server is server or desk"),
        (clients(child="server"), "task 1 is named server, but a child of server is one or rest (change [tasks] 1)"),
    ):
        with pytest.raises(NoLabel) as error:
            check_trace(under, moved(), "")
        assert words in str(error.value)


def test_a_state_is_compared_without_its_history() -> None:
    final = moved().final
    assert check_state(clients(), final, "manual", "").broken is None
    broken = check_state(clients("server"), final, "manual", "").broken
    assert broken is not None
    assert (broken.step, broken.path) == (None, ())
    memory = {0: {0: Page(1, 0, (0, 0))}, 1: {3: Page(1, 0, (0, 0))}}
    tasks = {number: msgspec.structs.replace(task, memory=memory[number]) for number, task in final.tasks.items()}
    broken = check_state(clients(), msgspec.structs.replace(final, tasks=tasks), "manual", "").broken
    assert broken is not None
    assert broken.words == "task 0 (server) shares memory with task 1 (one)"


def test_a_port_destroyed_request_counts_for_where_the_right_will_go() -> None:
    final = moved().final
    ports = {**final.ports, 8: msgspec.structs.replace(final.ports[8], port_destroyed=Entry(SlotKind.SEND_ONCE, 8))}
    under = policy("a control b")
    named = msgspec.structs.replace(under, edges=frozenset(edge for edge in under.edges if (edge.where, edge.authority) != ("carry", "receive")))
    tasks = {0: msgspec.structs.replace(final.tasks[0], names={8: Entry(SlotKind.SEND_RECEIVE, 8, 1)}, places={})}
    ports[8] = msgspec.structs.replace(ports[8], queue=())
    broken = check_state(named, msgspec.structs.replace(final, tasks=tasks, ports=ports, host_ports={}), "manual", "").broken
    assert broken is not None
    assert broken.words == "port 8 (a): its receive right will go to port 8 (a)"


@pytest.mark.parametrize("profile", PROFILES)
def test_the_boot_state_keeps_the_examples(profile: str) -> None:
    for path in sorted(Path(EXAMPLES).glob("*.toml")):
        if (path.stem, profile) != ("clients", "xnu"):
            assert check_boot(load_policy(path), PROFILES[profile]).broken is None


def test_the_first_process_of_xnu_has_the_privileged_host_port(tmp_path: Path) -> None:
    """It is root's, so its host port is that one (set_security_token_task_internal in bsd/kern/kern_prot.c)."""
    clients = Path(EXAMPLES) / "clients.toml"
    broken = check_boot(load_policy(clients), PROFILES["xnu"]).broken
    assert broken is not None
    assert broken.words == "task 0, host port (server): send right to port 1 (privileged)"
    fitting = tmp_path / "clients.toml"
    fitting.write_text(f'{clients.read_text("utf-8")}\n[[keep]]\nwho = "server"\nmay = "hold"\nto = "privileged"\n', "utf-8")
    assert check_boot(load_policy(fitting), PROFILES["xnu"]).broken is None


def test_a_boot_state_may_break_a_policy() -> None:
    broken = check_boot(policy("b hold host"), PROFILES["manual"]).broken
    assert broken is not None
    assert broken.missing.words == "a may hold a port of host"
