import random

import pytest
from support.agreed_runs import Recorded
from support.report_runs import MOVE_TO_CHILD, run

from sendright.impl.reference import ReferenceKernel
from sendright.mach.abi.rights import Right
from sendright.mach.kernel.profiles import XNU
from sendright.mach.signatures import SIGNATURES
from sendright.mach.state.snapshot import Slot, slots
from sendright.reports.call_text import arguments_in_words, call_line, outputs_in_words
from sendright.reports.history import moments


def test_changes_lead_from_the_first_state_to_the_last() -> None:
    trace = run(ReferenceKernel(), [*MOVE_TO_CHILD, (1, "task_terminate", {"task": 3}, 0), (0, "task_terminate", {"task": 7}, 0)])
    history = moments(trace)
    assert len(history) == len(trace.steps) + 1
    assert history[0].after == slots(trace.initial)
    assert history[-1].after == slots(trace.final)
    assert [moment.after for moment in history[:-1]] == [moment.before for moment in history[1:]]


def test_tasks_come_and_go() -> None:
    history = moments(run(ReferenceKernel(), [*MOVE_TO_CHILD[:2], (0, "task_terminate", {"task": 7}, 0)]))
    assert [moment.tasks for moment in history] == [(0,), (0,), (0, 1), (0, 1)], "a task is still shown at its end, with the rights that it lost"


@pytest.mark.parametrize("ends", [False, True])
def test_a_port_is_known_for_what_it_stands_for(ends: bool) -> None:
    """Even for a task that lives only in between."""
    calls = list(MOVE_TO_CHILD[:3]) + ([(0, "task_terminate", {"task": 7}, 0)] if ends else [])
    ports = moments(run(ReferenceKernel(), calls))[1].ports
    assert (ports[2], ports[6], ports[7], ports[8]) == ("HOST_SECURITY", "task t0", "task t1", "user port")


def test_calls_are_told_in_symbols() -> None:
    trace = run(ReferenceKernel(), MOVE_TO_CHILD)
    history = moments(trace)
    words = {named.name: (named.value, named.gloss) for named in arguments_in_words(history[2], "manual")}
    assert words["host_security"] == ("name 3", "send right to port 2, 1 user reference (HOST_SECURITY)")
    assert words["security_token"] == ("uid 501, gid 20", "")
    words = {named.name: (named.value, named.gloss) for named in arguments_in_words(history[6], "manual")}
    assert words["name"] == ("name 3", "denotes nothing in t1's space"), "a NAME is looked up in the target's space"
    assert words["poly"] == ("name 8", "send and receive right to port 8, 1 user reference (user port)"), "a right to carry, in the caller's"
    assert words["disposition"] == ("MOVE_SEND", "")
    assert [(named.name, named.value, named.gloss) for named in outputs_in_words(history[2])] == [
        ("child_task", "name 7", "send right to port 7, 1 user reference (task t1)")
    ]
    assert call_line(trace.steps[2], "manual") == "t0: mach_port_allocate(task = name 6, right = RECEIVE) → KERN_SUCCESS"


@pytest.mark.heavy
def test_any_argument_can_be_told() -> None:
    """Whatever a trace says, in a file that anybody may have written."""
    chance = random.Random(5)
    odd: list[object] = [-1, 2**70, None, "x", [], [[1, 2, 3]], [["a", "b"]], {"a": 1}, True, 1.5, [None], 0xFFFFFFFF]
    for signature in SIGNATURES.values():
        for _ in range(50):
            step = run(ReferenceKernel(), MOVE_TO_CHILD[:1])
            bad = step.steps[0].__class__(
                index=0,
                task=chance.choice([0, 99]),
                call=signature.name,
                arguments={argument.name: chance.choice(odd) for argument in signature.arguments},
                outputs={output.name: chance.choice(odd) for output in signature.outputs},
                code=chance.choice([0, 4, 10**30]),
            )
            trace = step.__class__(
                implementation="x", profile="nowhere", urefs_max=1, queue_limit=1, initial=step.initial, steps=(bad,), final=step.final
            )
            moment = moments(trace)[1]
            assert len(arguments_in_words(moment, trace.profile)) == len(signature.arguments)
            assert len(outputs_in_words(moment)) == len(signature.outputs)
            assert signature.name in call_line(bad, trace.profile)


def test_rights_have_names_in_the_headers_words() -> None:
    trace = run(ReferenceKernel(), [(0, "mach_task_self", {}, 0), (0, "mach_port_get_refs", {"task": 6, "name": 0, "right": Right.DEAD_NAME}, 0)])
    words = {named.name: named.value for named in arguments_in_words(moments(trace)[2], "manual")}
    assert words == {"task": "name 6", "name": "MACH_PORT_NULL", "right": "DEAD_NAME"}


@pytest.mark.parametrize("ends", [False, True])
def test_a_tasks_further_ports_are_known_for_what_they_stand_for(ends: bool) -> None:
    recorded = Recorded(XNU)
    task = XNU.boot_tasks - 1
    theirs = task + len(XNU.bootstrap_names)
    names = [recorded.does(0, "task_get_special_port", task=theirs, which=which) for which in XNU.flavour_ports]
    if ends:
        recorded.does(0, "task_terminate", task=theirs)
    trace = recorded.run.trace()
    moment = moments(trace)[len(names)]
    held = [moment.after[Slot("name", 0, name)].port for name in names]
    whose = "a task" if ends else f"task t{task}"
    assert [moment.ports[port] for port in held if port is not None] == [f"{kind} port of {whose}" for kind in ("name", "inspect", "read")]
    assert call_line(trace.steps[0], "xnu") == "t0: task_get_special_port(task = name 4, which = TASK_NAME (3)) → KERN_SUCCESS"
