"""Calls in steps, judged: what a stopped call leaves behind, what others do meanwhile, and how it goes on."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from support.beside_oracle import Judged

from sendright.impl.faults import FAULTS
from sendright.mach.abi.codes import ReturnCode, code_name
from sendright.mach.abi.rights import DEAD_NAME, NULL_NAME, Disposition, Notification, Place, Right, SlotKind
from sendright.mach.abi.tokens import BOOTSTRAP_SECURITY_TOKEN
from sendright.mach.kernel.call import Call, Result
from sendright.mach.kernel.profiles import MANUAL, PROFILES, XNU_792, Profile
from sendright.mach.state.boot import HOST_PORT, HOST_PRIV_PORT
from sendright.mach.state.snapshot import Entry, PendingCall, Task
from sendright.model.execution.oracle import Judgement, Oracle, broken_by_step
from sendright.properties.runs.judged_run import Violated

CREATE, SET = "host_security_create_task_token", "task_set_special_port"
WAITS, SUCCESS = ReturnCode.MACH_RCV_IN_PROGRESS, ReturnCode.KERN_SUCCESS
USER, AUDIT = (501, 20), (5,) * 8
BOOTSTRAP_PORT = 4
"""The selector of the place that most tests set."""
profiles = pytest.mark.parametrize("profile", PROFILES.values(), ids=PROFILES)


class Steps(Judged):
    """A judged run in which calls in steps must keep the step properties of whole calls, too, and leave a state that is
    right as a whole.
    """

    def makes(self, task: int, name: str, /, stop: bool = False, resume: bool = False, **arguments: Any) -> Result:
        """``task`` makes a call, or goes on with one."""
        call, before = Call(name, arguments, stop=stop, resume=resume), self.run.snapshot
        step = self.run.step(task, call)
        if stop or resume:
            assert broken_by_step(before, self.run.snapshot, task, call, step.code, self.profile) == ()
            self.run.finish()
        return Result(step.code, step.outputs, step.created_task)

    def stops(self, task: int, name: str, /, **arguments: Any) -> Result:
        result = self.makes(task, name, stop=True, **arguments)
        assert code_name(result.code) == "MACH_RCV_IN_PROGRESS"
        return result

    def goes_on(self, task: int) -> Result:
        """The call that ``task`` waits in ends."""
        waiting = self.task(task).waiting
        assert waiting is not None
        result = self.makes(task, waiting.call, resume=True)
        assert code_name(result.code) == "KERN_SUCCESS"
        assert self.task(task).waiting is None
        return result

    def after(self, task: int, call: Call, result: Result) -> Judgement:
        """What the specification says if ``call`` is answered by ``result`` now."""
        oracle = Oracle(self.profile)
        for step in self.run.steps:
            assert oracle.judge(step.task, step.made, Result(step.code, step.outputs, step.created_task)).agreed
        return oracle.judge(task, call, result)

    def task(self, number: int) -> Task:
        return self.run.snapshot.tasks[number]

    def child(self) -> tuple[int, int, int]:
        """A child: its number, the bootstrap task's name for its port, and its own."""
        result = self.makes(0, "task_create", parent_task=self.me)
        assert result.created_task is not None
        return result.created_task, result.outputs["child_task"], self.makes(result.created_task, "mach_task_self").outputs["port"]

    def port_with_send(self) -> int:
        port = self.port()
        self.does("mach_port_insert_right", name=port, poly=port, disposition=Disposition.MAKE_SEND)
        return port

    def number(self, name: int, task: int = 0) -> int:
        """The number of the port that a name of the task's denotes."""
        port = self.task(task).names[name].port
        assert port is not None
        return port

    def sends(self, port: int) -> int:
        return self.run.snapshot.ports[port].send_rights


def send(port: int) -> Entry:
    return Entry(SlotKind.SEND, port)


# ---- setting a special port


@profiles
def test_a_setting_in_two_steps_is_judged(profile: Profile) -> None:
    run = Steps(profile)
    old, new = run.port_with_send(), run.port_with_send()
    run.does(SET, which=BOOTSTRAP_PORT, port=old)
    run.stops(0, SET, task=run.me, which=BOOTSTRAP_PORT, port=new)
    assert run.task(0).places[Place.BOOTSTRAP] == send(run.number(new))
    assert run.task(0).waiting == PendingCall(call=SET, held=send(run.number(old)))
    assert run.sends(run.number(old)) == 2
    run.goes_on(0)
    assert run.sends(run.number(old)) == 1


@pytest.mark.parametrize("profile", [profile for profile in PROFILES.values() if profile.serves("task_create")], ids=lambda profile: profile.name)
def test_others_see_and_set_the_place_between_the_steps(profile: Profile) -> None:
    run = Steps(profile)
    old, new, other = (run.port_with_send() for _ in range(3))
    run.does(SET, which=BOOTSTRAP_PORT, port=old)
    child, seen_as, _ = run.child()
    run.makes(0, "mach_port_insert_right", task=seen_as, name=70, poly=run.me, disposition=Disposition.COPY_SEND)
    run.makes(0, "mach_port_insert_right", task=seen_as, name=71, poly=other, disposition=Disposition.COPY_SEND)
    run.stops(0, SET, task=run.me, which=BOOTSTRAP_PORT, port=new)
    got = run.makes(child, "task_get_special_port", task=70, which=BOOTSTRAP_PORT).outputs["port"]
    assert run.number(got, child) == run.number(new)
    assert run.makes(child, SET, task=70, which=BOOTSTRAP_PORT, port=71).code == SUCCESS
    run.goes_on(0)
    assert run.task(0).places[Place.BOOTSTRAP] == send(run.number(other))
    assert [run.sends(run.number(port)) for port in (old, new)] == [2, 2], "the child's place has the old one, and its name the new one"


def test_two_calls_stop_at_one_place() -> None:
    """Each has in its hands what it found there."""
    run = Steps(MANUAL)
    first, second = run.port_with_send(), run.port_with_send()
    child, _, own = run.child()
    run.makes(0, "mach_port_insert_right", task=run.me, name=99, poly=run.me, disposition=Disposition.COPY_SEND)
    seen_as = next(step for step in run.run.steps if step.call == "task_create").outputs["child_task"]
    run.does(SET, task=seen_as, which=BOOTSTRAP_PORT, port=first)
    run.stops(0, SET, task=seen_as, which=BOOTSTRAP_PORT, port=second)
    run.stops(child, SET, task=own, which=BOOTSTRAP_PORT, port=NULL_NAME)
    assert run.task(0).waiting == PendingCall(call=SET, held=send(run.number(first)))
    assert run.task(child).waiting == PendingCall(call=SET, held=send(run.number(second)))
    run.goes_on(child)
    run.goes_on(0)
    assert [run.sends(run.number(port)) for port in (first, second)] == [1, 1]


def test_the_right_in_hand_dies_with_its_port() -> None:
    run = Steps(MANUAL)
    child, seen_as, own = run.child()
    port = run.port_with_send()
    run.does(SET, task=seen_as, which=BOOTSTRAP_PORT, port=port)
    run.stops(child, SET, task=own, which=BOOTSTRAP_PORT, port=NULL_NAME)
    run.does("mach_port_destroy", name=port)
    assert run.task(child).waiting == PendingCall(call=SET, held=Entry(SlotKind.DEAD_NAME, None))
    run.goes_on(child)


def asked_for_the_last_sender(run: Steps, port: int) -> int:
    """The port on which the bootstrap task will be told that ``port`` has no senders."""
    home = run.port()
    run.does(
        "mach_port_request_notification",
        name=port,
        variant=Notification.NO_SENDERS,
        sync=1,
        notify=home,
        notify_disposition=Disposition.MAKE_SEND_ONCE,
    )
    return run.number(home)


@pytest.mark.parametrize("ends", [False, True])
def test_the_last_send_right_is_the_one_in_hand(ends: bool) -> None:
    """No-senders is told when the second step releases it, or when the caller ends between the steps."""
    run = Steps(MANUAL)
    child, seen_as, own = run.child()
    port = run.port_with_send()
    run.does(SET, task=seen_as, which=BOOTSTRAP_PORT, port=port)
    home = asked_for_the_last_sender(run, port)
    run.does("mach_port_mod_refs", name=port, right=Right.SEND, delta=-1)
    run.stops(child, SET, task=own, which=BOOTSTRAP_PORT, port=NULL_NAME)
    assert run.run.snapshot.ports[home].queue == ()
    if ends:
        run.does("task_terminate", task=seen_as)
    else:
        run.goes_on(child)
    assert [message.id for message in run.run.snapshot.ports[home].queue] == [Notification.NO_SENDERS]
    assert run.sends(run.number(port)) == 0


def test_a_suspended_caller_stays_between_the_steps() -> None:
    run = Steps(MANUAL)
    child, seen_as, own = run.child()
    run.stops(child, SET, task=own, which=BOOTSTRAP_PORT, port=NULL_NAME)
    run.does("task_suspend", task=seen_as)
    run.does("task_suspend", task=seen_as)
    run.does("task_resume", task=seen_as)
    assert run.task(child).waiting == PendingCall(call=SET)
    run.does("task_resume", task=seen_as)
    run.goes_on(child)


def test_a_stop_means_nothing_to_a_call_that_fails_or_has_one_step() -> None:
    run = Steps(MANUAL)
    assert code_name(run.makes(0, SET, stop=True, task=run.me, which=99, port=NULL_NAME).code) == "KERN_INVALID_ARGUMENT"
    assert code_name(run.makes(0, "task_get_special_port", stop=True, task=run.me, which=BOOTSTRAP_PORT).code) == "KERN_SUCCESS"
    assert run.makes(0, CREATE, stop=True, host_security=named(run, "host_security"), parent_task=run.me).code == SUCCESS


def test_wrong_answers_about_a_setting_are_found_out() -> None:
    run = Steps(MANUAL)
    set_ = Call(SET, {"task": run.me, "which": BOOTSTRAP_PORT, "port": NULL_NAME}, stop=True)
    assert run.after(0, set_, Result(WAITS)).agreed
    wrong = run.after(0, set_, Result(SUCCESS))
    assert wrong.words == "return code: expected MACH_RCV_IN_PROGRESS, seen KERN_SUCCESS"
    assert not run.after(0, msgspec.structs.replace(set_, stop=False), Result(WAITS)).agreed
    run.makes(0, SET, stop=True, **set_.arguments)
    assert run.after(0, Call(SET, {}, resume=True), Result(SUCCESS)).agreed
    assert not run.after(0, Call(SET, {}, resume=True), Result(WAITS)).agreed
    assert not run.after(0, Call(SET, {}, resume=True), Result(SUCCESS, {"port": 3})).agreed


def test_a_right_that_is_released_twice_is_found_out() -> None:
    """The seeded fault leaves the old right in the place that it is to be taken from."""
    run = Steps(MANUAL)
    kernel = FAULTS["special-port-swap-in-two-steps"].kernel()
    run.run.implementation = kernel
    kernel.boot(MANUAL)
    kernel.call(0, Call("mach_task_self", {}))
    with pytest.raises(Violated) as broken:
        run.makes(0, SET, stop=True, task=run.me, which=BOOTSTRAP_PORT, port=run.me)
    assert broken.value.violation.kind == "state"
    assert "expected send right to port 6, seen none" in broken.value.violation.words


# ---- creation


def named(run: Judged, name: str) -> int:
    return run.profile.bootstrap_names.index(name) + 1


def creation(run: Steps, **more: Any) -> dict[str, Any]:
    given = {"host_security": named(run, "host_security"), "parent_task": run.me, "security_token": USER, "audit_token": AUDIT}
    return given | more


@pytest.mark.parametrize(("host", "granted"), [("host_priv", HOST_PRIV_PORT), (None, HOST_PORT)])
def test_a_creation_in_two_steps_is_judged(host: str | None, granted: int) -> None:
    run = Steps(XNU_792)
    result = run.stops(0, CREATE, **creation(run, host=NULL_NAME if host is None else named(run, host)))
    assert result.created_task == 1
    assert run.task(0).waiting == PendingCall(call=CREATE, child=1, security_token=USER, audit_token=AUDIT, privileged=granted == HOST_PRIV_PORT)
    child = run.task(1)
    assert (child.security_token, child.places[Place.HOST].port, run.sends(child.port)) == (BOOTSTRAP_SECURITY_TOKEN, HOST_PORT, 1)
    result = run.goes_on(0)
    child = run.task(1)
    assert (child.security_token, child.audit_token, child.places[Place.HOST].port) == (USER, AUDIT, granted)
    assert run.number(result.outputs["child_task"]) == child.port


def test_with_and_without_a_stop_the_end_is_the_same() -> None:
    ends = []
    for stop in (False, True):
        run = Steps(XNU_792)
        result = run.makes(0, CREATE, stop=stop, **creation(run, host=named(run, "host_priv")))
        if stop:
            result = run.goes_on(0)
        ends.append((result.outputs, run.run.snapshot))
    assert ends[0] == ends[1]


def test_a_child_acts_with_its_parents_tokens_between_the_steps() -> None:
    """Hazard H-2: what it sends then says that it is its parent."""
    run = Steps(XNU_792)
    port = run.port_with_send()
    run.does(SET, which=BOOTSTRAP_PORT, port=port)
    run.stops(0, CREATE, **creation(run))
    own = run.makes(1, "mach_task_self").outputs["port"]
    dest = run.makes(1, "task_get_special_port", task=own, which=BOOTSTRAP_PORT).outputs["port"]
    run.makes(1, "mach_msg_send", dest=dest, dest_disposition=Disposition.COPY_SEND)
    run.goes_on(0)
    run.makes(1, "mach_msg_send", dest=dest, dest_disposition=Disposition.COPY_SEND)
    tokens = [message.security_token for message in run.run.snapshot.ports[run.number(port)].queue]
    assert tokens == [BOOTSTRAP_SECURITY_TOKEN, USER]


def test_what_others_gave_the_child_between_the_steps_is_overwritten() -> None:
    run = Steps(XNU_792)
    run.stops(0, CREATE, **creation(run))
    own = run.makes(1, "mach_task_self").outputs["port"]
    run.makes(1, SET, task=own, which=2, port=own)
    assert run.task(1).places[Place.HOST].port == run.task(1).port
    run.goes_on(0)
    assert (run.task(1).places[Place.HOST].port, run.task(1).security_token) == (HOST_PORT, USER)
    assert run.sends(run.task(1).port) == 3, "the self place, the child's name, its creator's"


@pytest.mark.parametrize("suspended", [False, True])
def test_a_child_that_ends_between_the_steps_is_a_dead_name(suspended: bool) -> None:
    run = Steps(XNU_792)
    creator, seen_as, own = run.child()
    run.makes(0, "mach_port_insert_right", task=seen_as, name=70, poly=named(run, "host_security"), disposition=Disposition.COPY_SEND)
    run.stops(creator, CREATE, **creation(run, host_security=70, parent_task=own))
    if suspended:
        run.does("task_suspend", task=seen_as)
    child = run.makes(2, "mach_task_self").outputs["port"]
    run.makes(2, "task_terminate", task=child)
    assert run.task(creator).waiting == PendingCall(call=CREATE, security_token=USER, audit_token=AUDIT)
    if suspended:
        run.does("task_resume", task=seen_as)
    assert run.goes_on(creator).outputs == {"child_task": DEAD_NAME}


def test_a_child_outlives_who_was_to_name_it() -> None:
    run = Steps(XNU_792)
    creator, seen_as, own = run.child()
    run.makes(0, "mach_port_insert_right", task=seen_as, name=70, poly=named(run, "host_security"), disposition=Disposition.COPY_SEND)
    run.stops(creator, CREATE, **creation(run, host_security=70, parent_task=own))
    run.does("task_terminate", task=seen_as)
    assert set(run.run.snapshot.tasks) == {0, 2}
    assert run.task(2).security_token == BOOTSTRAP_SECURITY_TOKEN


def test_the_authority_is_looked_at_in_the_first_step() -> None:
    """Who has lost the security port meanwhile goes on all the same."""
    run = Steps(XNU_792)
    creator, seen_as, own = run.child()
    run.makes(0, "mach_port_insert_right", task=seen_as, name=70, poly=named(run, "host_security"), disposition=Disposition.COPY_SEND)
    run.stops(creator, CREATE, **creation(run, host_security=70, parent_task=own))
    run.does("mach_port_deallocate", task=seen_as, name=70)
    run.goes_on(creator)
    assert run.task(2).security_token == USER
    refused = run.makes(creator, CREATE, stop=True, **creation(run, host_security=own, parent_task=own))
    assert code_name(refused.code) == "KERN_INVALID_SECURITY"


@pytest.mark.parametrize("shortage", [1, 2])
def test_a_creation_for_which_there_is_no_memory_does_not_stop(shortage: int) -> None:
    run = Steps(XNU_792)
    step = run.run.step(0, Call(CREATE, creation(run), shortage, stop=True))
    assert (code_name(step.code), run.task(0).waiting, len(run.run.snapshot.tasks)) == ("KERN_RESOURCE_SHORTAGE", None, 1)


def test_wrong_answers_about_a_creation_are_found_out() -> None:
    run = Steps(XNU_792)
    create = Call(CREATE, creation(run), stop=True)
    assert run.after(0, create, Result(WAITS, {}, 1)).agreed
    assert not run.after(0, create, Result(SUCCESS, {"child_task": 50}, 1)).agreed
    assert not run.after(0, create, Result(WAITS, {"child_task": 50}, 1)).agreed
    wrong = run.after(0, create, Result(WAITS, {}, 2))
    assert wrong.words == "number of the new task: expected 1, seen 2"
    assert not run.after(0, create, Result(WAITS)).agreed
    run.stops(0, CREATE, **create.arguments)
    goes_on = Call(CREATE, {}, resume=True)
    assert run.after(0, goes_on, Result(SUCCESS, {"child_task": 50})).agreed
    for result in (Result(WAITS), Result(SUCCESS), Result(SUCCESS, {"child_task": DEAD_NAME}), Result(SUCCESS, {"child_task": run.me})):
        assert not run.after(0, goes_on, result).agreed
    own = run.makes(1, "mach_task_self").outputs["port"]
    run.makes(1, "task_terminate", task=own)
    assert run.after(0, goes_on, Result(SUCCESS, {"child_task": DEAD_NAME})).agreed
    assert not run.after(0, goes_on, Result(SUCCESS, {"child_task": 50})).agreed
    assert not run.after(0, goes_on, Result(ReturnCode.KERN_FAILURE)).agreed


def test_tokens_that_were_not_asked_for_are_found_out() -> None:
    """The step properties of whole calls, of a kernel that gives others in the second step, or changes them in
    between.
    """
    run = Steps(XNU_792)
    run.stops(0, CREATE, **creation(run))
    stopped = run.run.snapshot
    run.goes_on(0)
    done = run.run.snapshot
    other = msgspec.structs.replace(done, tasks={**done.tasks, 1: msgspec.structs.replace(done.tasks[1], security_token=(1, 1))})
    [found] = broken_by_step(stopped, other, 0, Call(CREATE, {}, resume=True), SUCCESS, XNU_792)
    assert found.name == "invariant 29: tokens change only by the token calls"
    waits = msgspec.structs.replace(stopped.tasks[0].waiting, security_token=(1, 1))
    changed = msgspec.structs.replace(stopped, tasks={**stopped.tasks, 0: msgspec.structs.replace(stopped.tasks[0], waiting=waits)})
    [found] = broken_by_step(stopped, changed, 1, Call("mach_task_self", {}), SUCCESS, XNU_792)
    assert "what a creation will set" in found.words


def test_hazard_2_is_known_of_a_stopped_creation_alone() -> None:
    run = Steps(XNU_792)
    before = run.run.snapshot
    run.stops(0, CREATE, **creation(run))
    create = Call(CREATE, creation(run))
    assert broken_by_step(before, run.run.snapshot, 0, msgspec.structs.replace(create, stop=True), WAITS, XNU_792) == ()
    found = {each.name.split(":")[0] for each in broken_by_step(before, run.run.snapshot, 0, create, SUCCESS, XNU_792)}
    assert {"invariant 30", "invariant 36"} <= found
