"""Calls that haven't ended, and bodies with arrays and memory, in all that surrounds the two sides: on traces and
states made by hand.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from sendright.cli.main import main
from sendright.impl.reference import ReferenceKernel
from sendright.mach.abi.codes import ReturnCode
from sendright.mach.abi.descriptors import MEMORY, PORT
from sendright.mach.abi.rights import DEAD_NAME, Disposition, Place, PortObject, SlotKind
from sendright.mach.kernel.call import Call, Result
from sendright.mach.kernel.profiles import MANUAL, XNU_792, Profile
from sendright.mach.state.boot import BOOTSTRAP_TASK_PORT, HOST_PORT, HOST_PRIV_PORT
from sendright.mach.state.snapshot import EMPTY, Change, Descriptor, Entry, Message, PendingCall, Port, Slot, Snapshot, Task, changes, differences
from sendright.mach.state.trace import Step, Trace
from sendright.properties.generation.calls import Calls, near_limits
from sendright.properties.minimization.simplify import simpler
from sendright.properties.minimization.symbolic_calls import ResultRef, Results, SymbolicCall, names_in, to_symbolic
from sendright.properties.provenance.authority import authority
from sendright.properties.provenance.derivation import derive, unexplained
from sendright.properties.provenance.revocation import revoked_by_end
from sendright.properties.runs.answer_form import answer_error
from sendright.properties.runs.judged_run import callers, can_make, waiters
from sendright.properties.scripts.export import script_of
from sendright.properties.scripts.load import parse_script
from sendright.properties.scripts.steps import PlannedStep, UnmodelledStep
from sendright.reports.call_text import arguments_in_words, call_line, outputs_in_words
from sendright.reports.history import moments
from sendright.reports.rights_graph import description, picture

SEND_WAITS, RCV_WAITS = ReturnCode.MACH_SEND_IN_PROGRESS, ReturnCode.MACH_RCV_IN_PROGRESS
USER, OTHER = 7, 8
"""Ports that tests add to the boot state."""
OWN = 10
"""The bootstrap task's name for its own port."""


def send(port: int, urefs: int = 0) -> Entry:
    return Entry(SlotKind.SEND, port, urefs)


def booted(profile: Profile = MANUAL) -> Snapshot:
    """The boot state, with two ports of the bootstrap task's, which knows its own port too."""
    kernel = ReferenceKernel()
    kernel.boot(profile)
    state = kernel.snapshot()
    names = {USER: Entry(SlotKind.SEND_RECEIVE, USER, 1), OTHER: Entry(SlotKind.SEND_RECEIVE, OTHER, 1), OWN: send(BOOTSTRAP_TASK_PORT, 1)}
    root = msgspec.structs.replace(state.tasks[0], names={**state.tasks[0].names, **names})
    ports = {number: Port(PortObject.NONE, None, 1, 0, 1, 0, 2, ()) for number in (USER, OTHER)}
    return msgspec.structs.replace(state, tasks={**state.tasks, 0: root}, ports={**state.ports, **ports})


def with_task(state: Snapshot, number: int = 0, **changed: Any) -> Snapshot:
    return msgspec.structs.replace(state, tasks={**state.tasks, number: msgspec.structs.replace(state.tasks[number], **changed)})


def with_child(state: Snapshot, number: int = 1, port: int = 20, **changed: Any) -> Snapshot:
    child = Task(port, (0, 0), (0,) * 8, {}, {}, None, {})
    made = Port(PortObject.TASK, number, 1, 0, 0, 0, 5, ())
    return msgspec.structs.replace(state, tasks={**state.tasks, number: msgspec.structs.replace(child, **changed)}, ports={**state.ports, port: made})


def traced(profile: Profile, initial: Snapshot, *made: tuple[Step, Snapshot]) -> Trace:
    """A trace of the steps, each with the state after it."""
    steps, before = [], initial
    for index, (step, after) in enumerate(made):
        steps.append(msgspec.structs.replace(step, index=index, changes=changes(before, after)))
        before = after
    limits = {"urefs_max": profile.urefs_max, "queue_limit": profile.queue_limit}
    return Trace(implementation="made by hand", profile=profile.name, **limits, initial=initial, steps=tuple(steps), final=before)


def step(call: str, code: int = 0, task: int = 0, **more: Any) -> Step:
    return Step(index=0, task=task, call=call, arguments=more.pop("arguments", {}), code=code, **more)


BODY = (((USER, 1), Disposition.COPY_SEND), (0, 1, True), (OTHER, Disposition.MAKE_SEND))
"""An array of two, memory, a port."""


def waiting_send(state: Snapshot, serial: int = 1) -> Message:
    body = (Descriptor(send(USER), 17), Descriptor(send(HOST_PRIV_PORT), 17), Descriptor(send(OTHER), 17))
    tokens = state.tasks[0].security_token, state.tasks[0].audit_token
    return Message(serial, 42, send(USER), Descriptor(EMPTY, 0), body, *tokens, layout=(2, MEMORY, PORT), memory=(5,), size=68)


def a_send_that_waits(serial_when_queued: int = 1) -> Trace:
    """It waits, goes on without success, and is queued in the end."""
    start = booted()
    waits = with_task(start, waiting=PendingCall(call="mach_msg_send", message=waiting_send(start)))
    port = msgspec.structs.replace(start.ports[USER], queue=(waiting_send(start, serial_when_queued),))
    queued = msgspec.structs.replace(start, ports={**start.ports, USER: port})
    arguments = {"dest": USER, "dest_disposition": Disposition.COPY_SEND, "id": 42, "descriptors": BODY, "wait": True}
    again = step("mach_msg_send", SEND_WAITS, resume=True)
    return traced(
        MANUAL, start, (step("mach_msg_send", SEND_WAITS, arguments=arguments), waits), (again, waits), (step("mach_msg_send", resume=True), queued)
    )


@pytest.mark.parametrize("serial", [1, 9])
def test_the_rights_of_a_send_that_waits_come_from_its_senders_names(serial: int) -> None:
    trace = a_send_that_waits(serial)
    assert unexplained(trace) == ()
    derivation = derive(trace)
    edges = {(source, target): data["how"] for source, target, data in derivation.graph.edges(data=True)}
    array = next(node for node in derivation.current.values() if node.slot == Slot("message", serial, 1))
    ((how, source),) = [(how, source) for (source, target), how in edges.items() if target == array]
    expected = ("copied", Slot("name", 0, 1)) if serial == 1 else ("moved", Slot("message", 1, 1))
    assert (how, source.slot) == expected


def test_a_right_that_a_waiting_message_has_from_nowhere() -> None:
    trace = a_send_that_waits()
    wrong = Change(Slot("message", 1, 0), EMPTY, send(HOST_PORT))
    first = trace.steps[0]
    kept = tuple(wrong if change.slot == wrong.slot else change for change in first.changes)
    found = unexplained(msgspec.structs.replace(trace, steps=(msgspec.structs.replace(first, changes=kept), *trace.steps[1:])))
    assert [violation.step for violation in found] == [0]
    assert "send right to port 0" in found[0].words


def test_a_waiting_message_has_its_senders_tokens() -> None:
    trace = a_send_that_waits()
    waits = msgspec.structs.replace(
        trace, steps=trace.steps[:1], final=with_task(trace.initial, waiting=PendingCall(call="mach_msg_send", message=None))
    )
    assert unexplained(waits) == ()
    forged = msgspec.structs.replace(waiting_send(trace.initial), security_token=(7, 7))
    final = with_task(trace.initial, waiting=PendingCall(call="mach_msg_send", message=forged))
    (found,) = unexplained(msgspec.structs.replace(waits, final=final))
    assert "message 1 carries security token (7, 7)" in found.words


SPECIAL = {"task": OWN, "which": 4, "port": USER}


def a_stopped_special_port() -> Trace:
    start = with_task(booted(), places={**booted().tasks[0].places, Place.BOOTSTRAP: send(OTHER)})
    places = {**start.tasks[0].places, Place.BOOTSTRAP: send(USER)}
    stopped = with_task(start, places=places, waiting=PendingCall(call="task_set_special_port", held=send(OTHER)))
    done = with_task(start, places=places)
    begun = step("task_set_special_port", RCV_WAITS, stop=True, arguments=SPECIAL)
    return traced(MANUAL, start, (begun, stopped), (step("task_set_special_port", resume=True), done))


def test_what_a_call_holds_was_moved_there() -> None:
    trace = a_stopped_special_port()
    assert unexplained(trace) == ()
    held = Change(Slot("held", 0, 0), EMPTY, send(HOST_PRIV_PORT))
    changed = tuple(held if change.slot == held.slot else change for change in trace.steps[0].changes)
    wrong = msgspec.structs.replace(trace, steps=(msgspec.structs.replace(trace.steps[0], changes=changed),))
    assert ["right held by its pending call" in violation.words for violation in unexplained(wrong)] == [True]


TOKEN, AUDIT = (501, 20), (1, 2, 3, 4, 5, 6, 7, 8)
CREATION = {"host_security": 3, "parent_task": OWN, "security_token": TOKEN, "audit_token": AUDIT, "host": 1}


def a_stopped_creation(security: tuple[int, int] = TOKEN, privileged: int = HOST_PRIV_PORT, late: bool = True) -> Trace:
    start = booted(XNU_792)
    root = start.tasks[0]
    inherited = {place: entry for place, entry in root.places.items() if place is not Place.KERNEL}
    plain = {"places": {**inherited, Place.KERNEL: send(20)}, "ledgers": root.ledgers}
    tokens = {"security_token": root.security_token, "audit_token": root.audit_token}
    waiting = PendingCall(call="host_security_create_task_token", child=1, security_token=TOKEN, audit_token=AUDIT, privileged=True)
    stopped = with_task(with_child(start, **plain, **tokens), waiting=waiting)
    places = {**plain["places"], Place.HOST: send(privileged)}
    done = with_child(start, **{**plain, "places": places}, security_token=security, audit_token=AUDIT)
    done = with_task(done, names={**root.names, 11: send(20, 1)})
    begun = step("host_security_create_task_token", RCV_WAITS, stop=True, arguments=CREATION, created_task=1)
    ended = step("host_security_create_task_token", resume=True, outputs={"child_task": 11})
    return traced(XNU_792, start, (begun, stopped), *([(ended, done)] if late else []))


def test_a_stopped_creation_gives_the_tokens_when_it_goes_on() -> None:
    assert unexplained(a_stopped_creation()) == ()
    assert unexplained(a_stopped_creation(late=False)) == ()
    derivation = derive(a_stopped_creation())
    assert derivation.violations == []
    assert derivation.tokens.current[1].step == 1
    (wrong,) = unexplained(a_stopped_creation(security=(0, 5)))
    assert "task 1 has tokens that no call set" in wrong.words


def test_the_host_port_of_a_stopped_creation_is_the_one_that_was_presented() -> None:
    (found,) = unexplained(a_stopped_creation(privileged=5))
    assert "task 1, host port" in found.words


def test_who_waits_only_goes_on() -> None:
    state = with_child(with_task(booted(), waiting=PendingCall(call="mach_msg_receive", name=USER, port=USER)), suspend_count=1)
    assert (callers(state), waiters(state)) == ([], [0])
    assert can_make(state, 0, Call("mach_msg_receive", {}, resume=True))
    assert not can_make(state, 0, Call("mach_msg_send", {}, resume=True))
    assert not can_make(state, 0, Call("mach_task_self", {}))
    assert not can_make(state, 1, Call("mach_task_self", {}))
    assert not can_make(booted(), 0, Call("mach_msg_receive", {}, resume=True))


def test_a_run_goes_on_by_those_who_wait_until_all_did_so_in_vain() -> None:
    waiting = PendingCall(call="mach_msg_receive", name=USER, port=USER)
    state = with_child(with_task(booted(), waiting=waiting), waiting=PendingCall(call="mach_msg_send"))
    calls = Calls(near_limits(MANUAL), bytes(range(256)))
    asked = []
    while not calls.over(state):
        task, call = calls.next(state)
        assert call.resume
        asked.append(task)
        calls.made(step(call.name, RCV_WAITS, task, resume=True))
    assert sorted(asked) == [0, 1]
    calls.made(step("task_resume"))
    assert not calls.over(state)


def test_results_come_with_the_codes_that_the_signature_says() -> None:
    received = {"id": 1, "local": 7, "reply": 0, "reply_disposition": 0, "data": 0, "size": 40, "trailer_size": 8, "sequence_number": -1}
    body = ((7, 17), ((1, 2), 17), ((), 0), (3,), (-1,))
    whole = {**received, "descriptors": body, "security_token": (), "audit_token": ()}
    receive, sent = Call("mach_msg_receive", {"port": 7}), Call("mach_msg_send", {"dest": 7})
    assert answer_error(receive, Result(0, whole)) is None
    assert answer_error(receive, Result(ReturnCode.MACH_RCV_BODY_ERROR_VM_SPACE, whole)) is None
    assert answer_error(receive, Result(ReturnCode.MACH_RCV_TOO_LARGE, {"size": 40})) is None
    assert answer_error(receive, Result(ReturnCode.MACH_RCV_TOO_LARGE, {})) is not None
    assert answer_error(receive, Result(RCV_WAITS)) is None
    assert answer_error(receive, Result(RCV_WAITS, whole)) is not None
    assert answer_error(sent, Result(0)) is None
    for code in (ReturnCode.MACH_SEND_TIMED_OUT, ReturnCode.MACH_SEND_TIMED_OUT_VM_SPACE):
        assert answer_error(sent, Result(code, {"dest": 7, "reply": 0, "descriptors": body})) is None
    for wrong in ((7,), ((7, 17, 3),), (((1, "x"), 17),), (("p",),), ((),), (((1,), None),)):
        assert answer_error(receive, Result(0, {**whole, "descriptors": wrong})) is not None


def test_calls_come_back_from_a_trace_as_they_were_made() -> None:
    trace = a_send_that_waits()
    read = msgspec.json.decode(msgspec.json.encode(trace), type=Trace)
    assert [(each.stop, each.resume) for each in read.steps] == [(False, False), (False, True), (False, True)]
    assert unexplained(read) == (), "arrays are lists there"
    calls = to_symbolic(a_stopped_creation().steps, booted(XNU_792))
    assert [(call.stop, call.resume, call.creates) for call in calls] == [(True, False, 1), (False, True, None)]
    assert Results([0]).real(calls[1]) == Call("host_security_create_task_token", {}, resume=True)
    assert Results([0]).real(to_symbolic(trace.steps, trace.initial)[0]) == trace.steps[0].made


def test_names_in_arrays_are_names() -> None:
    given = ResultRef(0, "name", 0, 5)
    call = SymbolicCall(1, 0, "mach_msg_send", {"dest": 1, "descriptors": (((given, 2), 19), (0, 1, True), (3, 20))})
    assert names_in(call) == [1, given, 2, 3]


def test_the_way_down_ends_at_a_plain_call() -> None:
    descriptors = (((5, 6), 19), (3, 1, True))
    arguments = {"dest": 5, "dest_disposition": 19, "descriptors": descriptors, "size": 24, "wait": True}
    call, passed = SymbolicCall(0, 0, "mach_msg_send", arguments, stop=True), 0
    first = list(simpler(call, ()))
    assert any(not form.stop for form in first)
    assert any(form.arguments["wait"] is False for form in first)
    assert any(form.arguments["size"] == -1 for form in first)
    assert any(form.arguments["descriptors"][0] == (5, 19) for form in first), "a port is plainer than an array"
    assert any(form.arguments["descriptors"] == (((5, 6), 19),) for form in first), "and no memory plainer than some"
    while plainer := next(simpler(call, ()), None):
        call, passed = plainer, passed + 1
        assert passed < 100
    assert call.arguments["descriptors"] == ()
    assert list(simpler(SymbolicCall(0, 0, "mach_msg_receive", {}, resume=True), ())) == []


def test_the_end_of_a_task_that_waits() -> None:
    trace = a_send_that_waits()
    state = with_task(trace.initial, waiting=PendingCall(call="mach_msg_send", message=waiting_send(trace.initial)))
    assert set(revoked_by_end(state, 0).queued) == {Slot("message", 1, place) for place in (-2, 0, 1, 2)}
    held = with_task(booted(), waiting=PendingCall(call="task_set_special_port", held=send(OTHER)))
    assert revoked_by_end(held, 0).own[Slot("held", 0, 0)] == send(OTHER)


def test_what_waits_is_part_of_who_can_get_what() -> None:
    base = with_child(booted(), names={5: Entry(SlotKind.RECEIVE, USER)})
    base = with_task(base, names={name: entry for name, entry in base.tasks[0].names.items() if name != USER})
    state = with_task(base, waiting=PendingCall(call="mach_msg_send", message=waiting_send(base)))
    reach = {one.task: one.calls for one in authority(state, HOST_PRIV_PORT, MANUAL).tasks}
    assert reach == {0: 0, 1: 2}, "the sender goes on, and task 1 receives"
    assert authority(with_task(base, waiting=None), HOST_PRIV_PORT, MANUAL).tasks[1].calls is None
    stopped = with_task(with_child(booted(XNU_792)), waiting=PendingCall(call="host_security_create_task_token", child=1, privileged=True))
    assert {one.task: one.calls for one in authority(stopped, 20, XNU_792).tasks}[0] == 1
    held = with_task(booted(), waiting=PendingCall(call="task_set_special_port", held=send(OTHER)))
    assert authority(held, OTHER, MANUAL).kept == ("send right to port 8 at task 0, right held by its pending call",)


# ---- scripts


def last_step(*steps: dict[str, Any]) -> PlannedStep | UnmodelledStep:
    (case,) = parse_script(
        msgspec.json.encode({"format": "mach-cases/1", "profile": "manual", "cases": [{"id": "x", "steps": list(steps)}]}), Path("x.json")
    ).cases
    return case.steps[-1]


def script(*steps: dict[str, Any]) -> PlannedStep:
    last = last_step(*steps)
    assert isinstance(last, PlannedStep), last
    return last


@pytest.mark.parametrize(
    ("call", "written", "read"),
    [
        ("mach_msg_send", {"body": [{"names": [5, 6], "disposition": "COPY_SEND"}]}, {"descriptors": (((5, 6), 19),)}),
        ("mach_msg_send", {"body": [[[5, 6], "MOVE_SEND"], [7, "MAKE_SEND"]]}, {"descriptors": (((5, 6), 17), (7, 20))}),
        (
            "mach_msg_send",
            {"body": [{"page": 3, "copy": "VIRTUAL", "deallocate": True}, {"page": 1}]},
            {"descriptors": ((3, 1, True), (1, 0, False))},
        ),
        ("mach_msg_send", {"ool_ports": [5, 6], "disp": "MOVE_SEND"}, {"descriptors": (((5, 6), 17),)}),
        ("mach_msg_send", {"timeout": None, "send_size": 28}, {"wait": True, "size": 28}),
        ("mach_msg_send", {"timeout": 100}, {"wait": False}),
        ("mach_msg_receive", {"options": ["MACH_RCV_MSG", "MACH_RCV_LARGE"], "rcv_size": 40}, {"large": True, "limit": 40}),
        ("mach_msg_receive", {"options": "MACH_RCV_TRAILER_SEQNO|MACH_RCV_TRAILER_SENDER"}, {"trailer": 2}),
        ("mach_msg_receive", {"trailer": "MACH_RCV_TRAILER_AUDIT", "limit": 100, "wait": True}, {"trailer": 3, "limit": 100, "wait": True}),
    ],
)
def test_how_scripts_spell_messages(call: str, written: dict[str, Any], read: dict[str, Any]) -> None:
    given = {"dest": 5} if call == "mach_msg_send" else {"port": 5}
    assert script({"as": "A", "call": call, "args": {**given, **written}}).arguments == {**given, **read}


def test_steps_that_stop_and_go_on() -> None:
    begun = {
        "as": "A",
        "call": "task_set_special_port",
        "args": {"which": 4, "port": "NULL"},
        "stop": True,
        "expect": {"ret": "MACH_RCV_IN_PROGRESS"},
    }
    assert script(begun).stop
    going_on = script(begun, {"as": "A", "call": "task_set_special_port", "resume": True, "expect": {"ret": "KERN_SUCCESS"}})
    assert going_on.resume
    assert going_on.arguments == {}
    refused = last_step({"as": "A", "call": "mach_msg_receive", "resume": True, "args": {"port": 5}})
    assert isinstance(refused, UnmodelledStep)
    assert "steps[0].args: a resumed call keeps what it was made with" in refused.reason


def test_a_run_is_written_and_read_again() -> None:
    written = script_of(a_send_that_waits())
    steps = written["cases"][0]["steps"]
    assert steps[0]["args"]["descriptors"] == [
        {"names": [USER, "host_priv"], "disposition": "COPY_SEND"},
        {"page": 0, "copy": "VIRTUAL", "deallocate": True},
        [OTHER, "MAKE_SEND"],
    ]
    assert [each.get("resume") for each in steps] == [None, True, True]
    assert "args" not in steps[1]
    (case,) = parse_script(msgspec.json.encode(written), Path("x.json")).cases
    assert [each.resume for each in case.steps if isinstance(each, PlannedStep)] == [False, True, True]
    creation = script_of(a_stopped_creation())["cases"][0]["steps"]
    assert [(each.get("stop"), each.get("resume")) for each in creation] == [(True, None), (None, True)]


# ---- reports


def test_calls_in_progress_in_words() -> None:
    history = moments(a_send_that_waits())
    first, again, _ = (moment.step for moment in history[1:])
    assert first is not None
    assert again is not None
    assert call_line(again, "manual") == "t0: resumes mach_msg_send → MACH_SEND_IN_PROGRESS, and waits"
    told = {each.name: each.value for each in arguments_in_words(history[1], "manual")}
    assert told["descriptors"] == "[array [name 7, name 1] as COPY_SEND, memory at page 0 (VIRTUAL copy, then deallocated), name 8 as MAKE_SEND]"
    assert [dict(moment.waiting) for moment in history] == [{}, {0: "mach_msg_send"}, {0: "mach_msg_send"}, {}]
    assert "task t0 waits in mach_msg_send" in picture(history[1], "")
    assert "message 1 waits for room" in picture(history[2], "")
    assert "waits" not in picture(history[3], "")
    assert "task 0 waits in mach_msg_send" in description(history[1])
    stopped = moments(a_stopped_special_port())[1]
    assert stopped.step is not None
    assert "stopped between its steps" in call_line(stopped.step, "manual")
    assert "right held by its pending call" in picture(stopped, "")


def test_what_was_received_in_words() -> None:
    outputs = {"descriptors": (((7, 8), 17), ((), 0), (3,), (-1,)), "size": 68, "sequence_number": -1, "security_token": ()}
    trace = traced(MANUAL, booted(), (step("mach_msg_receive", arguments={"port": 7, "limit": -1, "trailer": 0}, outputs=outputs), booted()))
    moment = moments(trace)[1]
    told = {each.name: each.value for each in outputs_in_words(moment)}
    assert told["descriptors"] == "[array [name 7, name 8] as MOVE_SEND, empty array, memory at page 3, memory that the receiver had no room for]"
    assert (told["size"], told["sequence_number"], told["security_token"]) == ("68 bytes", "not requested", "absent")
    asked = {each.name: each.value for each in arguments_in_words(moment, "manual")}
    assert (asked["limit"], asked["trailer"]) == ("no limit", "0 (up to its size)")


def test_states_that_differ_in_who_waits() -> None:
    waits = with_task(booted(), waiting=PendingCall(call="mach_msg_receive", name=USER, port=USER))
    assert [str(one) for one in differences(booted(), waits)] == ["task 0, call that hasn't ended: expected none, seen blocked in mach_msg_receive"]


def test_a_stopped_child_that_has_ended_gives_a_dead_name() -> None:
    trace = a_stopped_creation(late=False)
    gone = with_task(trace.initial)
    ended = step("host_security_create_task_token", resume=True, outputs={"child_task": DEAD_NAME}, arguments={})
    whole = traced(XNU_792, trace.initial, (trace.steps[0], trace.final), (ended, gone))
    assert unexplained(whole) == ()


def test_a_trace_of_an_older_version_says_so(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Also one that couldn't be read as a trace of this version."""
    (tmp_path / "old.json").write_text('{"format": "sendright-trace/2", "steps": 3}')
    assert main(["graph", str(tmp_path / "old.json")]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "'sendright-trace/2' is of another version of sendright (this one reads sendright-trace/3" in line
