"""The oracle sees every kind of wrong answer and wrong state."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import pytest
from support.beside_oracle import Judged

from sendright.impl.reference import ReferenceKernel
from sendright.mach.abi.codes import ReturnCode
from sendright.mach.abi.rights import Disposition, Right, SlotKind
from sendright.mach.kernel.call import Call, Result
from sendright.mach.kernel.profiles import GNUMACH, MANUAL, PROFILES, Profile
from sendright.mach.state.snapshot import Entry, Snapshot, differences
from sendright.model.execution.compiler import CompiledRule
from sendright.model.execution.oracle import Oracle, broken_invariants
from sendright.model.language.rule import FINISH, RULES, Context
from sendright.model.language.sorts import UNBOUNDED
from sendright.model.language.state import State


@pytest.fixture
def judged() -> Judged:
    return Judged()


@pytest.fixture
def own(judged: Judged) -> int:
    return judged.me


@pytest.mark.parametrize("profile", PROFILES.values(), ids=PROFILES)
def test_boot_states_agree(profile: Profile) -> None:
    kernel, oracle = ReferenceKernel(), Oracle(profile)
    kernel.boot(profile)
    assert differences(oracle.snapshot(), kernel.snapshot()) == ()
    assert broken_invariants(kernel.snapshot(), profile) == ()


def test_a_wrong_code(judged: Judged, own: int) -> None:
    judgement = judged.oracle.judge(0, Call("mach_port_deallocate", {"task": own, "name": 77}), Result(ReturnCode.KERN_SUCCESS))
    assert not judgement.agreed
    assert judgement.clause == "mach_port_deallocate/KERN_INVALID_NAME/the name denotes nothing"
    assert judgement.words == "return code: expected KERN_INVALID_NAME, seen KERN_SUCCESS"


def test_a_new_name_that_is_in_use(judged: Judged, own: int) -> None:
    call = Call("mach_port_allocate", {"task": own, "right": int(Right.RECEIVE)})
    judgement = judged.oracle.judge(0, call, Result(ReturnCode.KERN_SUCCESS, {"name": own}))
    assert not judgement.agreed
    assert "isn't allowed" in judgement.clause


@pytest.mark.parametrize("reserved", [0, 0xFFFFFFFF])
def test_a_new_name_that_is_reserved(judged: Judged, own: int, reserved: int) -> None:
    call = Call("mach_port_allocate", {"task": own, "right": int(Right.DEAD_NAME)})
    assert not judged.oracle.judge(0, call, Result(ReturnCode.KERN_SUCCESS, {"name": reserved})).agreed


def test_a_second_name_for_a_known_port(judged: Judged, own: int) -> None:
    judgement = judged.oracle.judge(0, Call("mach_task_self", {}), Result(ReturnCode.KERN_SUCCESS, {"port": 40}))
    assert not judgement.agreed
    assert judgement.words == f"port: expected {own}, seen 40"


def test_any_free_name_will_do() -> None:
    assert Oracle(MANUAL).judge(0, Call("mach_task_self", {}), Result(ReturnCode.KERN_SUCCESS, {"port": 4711})).agreed


def test_a_wrong_token(judged: Judged, own: int) -> None:
    call = Call("task_info", {"task": own, "flavor": 13, "count": 2})
    judgement = judged.oracle.judge(0, call, Result(ReturnCode.KERN_SUCCESS, {"value": (0, 1)}))
    assert judgement.words == "result value: expected (0, 0), seen (0, 1)"


def test_a_result_that_nobody_promised(judged: Judged, own: int) -> None:
    call = Call("mach_port_type", {"task": own, "name": own})
    bits = SlotKind.SEND.type_bits
    assert not judged.oracle.judge(0, call, Result(ReturnCode.KERN_SUCCESS, {"type": bits, "more": 1})).agreed


def test_a_result_that_no_rule_says(judged: Judged, own: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A rule that forgets a result would let a kernel answer anything."""
    original = RULES["mach_port_type"]
    silent = replace(original, cases=lambda k: (replace(case, outputs={}) for case in original.cases(k)))
    compiled = CompiledRule(Context(silent, State.arbitrary(UNBOUNDED), MANUAL))
    monkeypatch.setitem(judged.oracle.system.rules, original.name, compiled)
    call = Call(original.name, {"task": own, "name": own})
    with pytest.raises(AssertionError, match="no rule says what the result is: type"):
        judged.oracle.judge(0, call, Result(ReturnCode.KERN_SUCCESS, {"type": SlotKind.SEND.type_bits}))


def test_a_sequence_that_leaves_its_message(judged: Judged, own: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The caller would never see it, and no other call would free it."""
    original = RULES[FINISH]
    idle = replace(original, cases=lambda k: (replace(case, effect=lambda after: None) for case in original.cases(k)))
    monkeypatch.setitem(judged.oracle.system.rules, FINISH, CompiledRule(Context(idle, State.arbitrary(UNBOUNDED), MANUAL)))
    with pytest.raises(AssertionError, match="the call leaves a message in the kernel"):
        judged.oracle.judge(0, Call("mach_task_self", {}), Result(ReturnCode.KERN_SUCCESS, {"port": own}))


def test_memory_shortage_must_have_been_injected(judged: Judged, own: int) -> None:
    call = Call("task_create", {"parent_task": own})
    assert not judged.oracle.judge(0, call, Result(ReturnCode.KERN_RESOURCE_SHORTAGE)).agreed
    assert judged.oracle.judge(0, msgspec.structs.replace(call, shortage=1), Result(ReturnCode.KERN_RESOURCE_SHORTAGE)).agreed


def test_a_wrong_number_of_rights(judged: Judged, own: int) -> None:
    call = Call("mach_ports_lookup", {"task": own})
    assert not judged.oracle.judge(0, call, Result(ReturnCode.KERN_SUCCESS, {"ports": (0, 0)})).agreed


def test_a_call_that_the_profile_lacks() -> None:
    oracle = Oracle(GNUMACH)
    call = Call("host_security_create_task_token", {"host_security": 1, "parent_task": 1})
    assert oracle.judge(0, call, Result(ReturnCode.MIG_BAD_ID)).agreed
    assert not oracle.judge(0, call, Result(ReturnCode.KERN_SUCCESS)).agreed


def test_a_message_with_another_token(judged: Judged, own: int) -> None:
    port = judged.port()
    kernel, oracle = judged.kernel, judged.oracle
    send = Call("mach_msg_send", {"dest": port, "dest_disposition": int(Disposition.MAKE_SEND)})
    assert oracle.judge(0, send, kernel.call(0, send)).agreed
    receive = Call("mach_msg_receive", {"port": port})
    result = kernel.call(0, receive)
    forged = msgspec.structs.replace(result, outputs={**result.outputs, "security_token": (501, 20)})
    judgement = oracle.judge(0, receive, forged)
    assert judgement.words == "result security_token: expected (0, 0), seen (501, 20)"


def with_entry(snapshot: Snapshot, name: int, entry: Entry) -> Snapshot:
    task = snapshot.tasks[0]
    return msgspec.structs.replace(snapshot, tasks={**snapshot.tasks, 0: msgspec.structs.replace(task, names={**task.names, name: entry})})


@pytest.mark.parametrize(
    ("entry", "numbers"),
    [
        (Entry(SlotKind.SEND, 6, 1), {8}),
        (Entry(SlotKind.SEND, 99, 1), {10}),
        (Entry(SlotKind.RECEIVE, 6, 0), {1, 102}),
        (Entry(SlotKind.DEAD_NAME, None, 0), {7}),
        (Entry(SlotKind.SEND_ONCE, 6, 2), {5, 9}),
        (Entry(SlotKind.SEND, 0, 70000), {7}),
    ],
    ids=["uncounted", "to a dead port", "second receive right", "dead name without references", "send-once twice", "too many references"],
)
def test_broken_invariants_are_named(judged: Judged, entry: Entry, numbers: set[int]) -> None:
    broken = {int(found.name.split()[1].rstrip(":")) for found in broken_invariants(with_entry(judged.kernel.snapshot(), 50, entry), MANUAL)}
    assert numbers <= broken


def test_a_wrong_rule_is_a_difference_and_no_crash() -> None:
    """Rights of a task that is gone, and a message that nobody stamped, are shown as they are: no implementation shows
    the same.
    """
    judged = Judged()
    state = judged.oracle.system.state
    state.write("kind", {(1, 7, 0): int(SlotKind.SEND)})
    state.write("port", {(1, 7, 0): 0})
    state.write("stage", {3: 2})
    state.write("queue", {3: 0})
    wheres = [difference.where for difference in differences(judged.oracle.snapshot(), judged.kernel.snapshot())]
    assert "task 7" in wheres


def test_the_last_sender_is_missed_before_a_rescue_that_fails() -> None:
    """A name with SEND and RECEIVE is destroyed; the port would be rescued over itself, and so dies: no-senders (70) is
    told all the same.
    """
    rights = Judged(MANUAL)
    watcher = rights.does("mach_port_allocate", right=int(Right.RECEIVE))
    name = rights.does("mach_port_allocate", right=int(Right.RECEIVE))
    rights.does("mach_port_insert_right", name=name, poly=name, disposition=int(Disposition.MAKE_SEND))
    for variant, notify, sync in ((70, watcher, 2), (69, name, 0)):
        rights.does(
            "mach_port_request_notification", name=name, variant=variant, sync=sync, notify=notify, notify_disposition=int(Disposition.MAKE_SEND_ONCE)
        )
    rights.does("mach_port_destroy", name=name)
    assert rights.does("mach_msg_receive", port=watcher)["id"] == 70
