"""Servers in Python: MIG's rule, and what the judgement says of servers that break it."""

from typing import Any, ClassVar

import pytest

from sendright.impl.reference import ReferenceKernel
from sendright.mach.abi.codes import ReturnCode
from sendright.mach.abi.rights import Disposition, Notification, Right
from sendright.mach.kernel.call import Call
from sendright.mach.kernel.profiles import PROFILES
from sendright.mach.state.trace import Violation
from sendright.model.execution.oracle import Oracle
from sendright.properties.runs.judged_run import JudgedRun
from sendright.properties.servers.discipline import DOUBLE_DROP, FORGED, LEAK
from sendright.properties.servers.server import ARRAY, MEMORY, Request, Server, routine
from sendright.properties.servers.service import Served, Service
from sendright.properties.servers.stage import Stage, stand_up

SEND, RECEIVE, ONCE = (int(each) for each in (Disposition.MOVE_SEND, Disposition.MOVE_RECEIVE, Disposition.MOVE_SEND_ONCE))
KERNELS = ["osf", "xnu"]


class Clerk(Server):
    """It has a right of its own, and does with a request's rights what a test says."""

    name: ClassVar[str] = "clerk"
    gives_up: ClassVar[int] = 1
    """How often the routine gives up each right."""
    returns: ClassVar[int] = ReturnCode.KERN_SUCCESS
    says_kept: ClassVar[bool] = False

    def begin(self, service: Service) -> None:
        self.own: int = service.call("mach_port_allocate", right=int(Right.RECEIVE)).outputs["name"]
        service.call("mach_port_insert_right", name=self.own, poly=self.own, disposition=int(Disposition.MAKE_SEND))
        service.share(self.own)

    @routine(1, takes=(SEND,))
    def takes_one(self, service: Service, request: Request) -> int:
        for name, _ in request.rights * self.gives_up:
            service.call("mach_port_deallocate", name=name)
        if self.says_kept:
            service.keeps(request.rights[0][0])
        return self.returns

    @routine(2, takes=(RECEIVE, (ARRAY, SEND), MEMORY))
    def takes_many(self, service: Service, request: Request) -> int:
        service.destroy(request.message)
        return ReturnCode.MIG_NO_REPLY

    @routine(3)
    def takes_anything(self, service: Service, request: Request) -> int:
        return ReturnCode.KERN_FAILURE


def on_stage(server: type[Server], profile: str = "osf", **limits: Any) -> Stage:
    import msgspec

    kernel = msgspec.structs.replace(PROFILES[profile], **limits)
    run = JudgedRun(ReferenceKernel(), Oracle(kernel), kernel, 5.0)
    run.boot()
    return stand_up(server)(run)


def call(stage: Stage, name: str, /, **arguments: Any) -> dict[str, Any]:
    """A call of the client's, which succeeds."""
    step = stage.service.run.call(stage.client, Call(name, arguments))
    assert step.code == ReturnCode.KERN_SUCCESS, step
    return step.outputs


def port(stage: Stage) -> int:
    name: int = call(stage, "mach_port_allocate", task=stage.own, right=int(Right.RECEIVE))["name"]
    return name


def shared(stage: Stage) -> int:
    """The client's name for the right that the server shares."""
    service = stage.service
    number = service.names[service.shared[0]].port
    names = service.snapshot.tasks[stage.client].names
    return next(name for name, entry in names.items() if entry.port == number)


def request(stage: Stage, id: int, *descriptors: Any, **more: Any) -> Served:
    call(stage, "mach_msg_send", dest=stage.port, id=id, descriptors=descriptors, **more)
    return stage.service.serve_once()


def clerk(**settings: Any) -> type[Clerk]:
    return type("Clerk", (Clerk,), settings)


def only(served: Served) -> Violation:
    [found] = served.faults
    assert found.kind == "discipline"
    return found


@pytest.mark.parametrize("profile", KERNELS)
def test_a_server_that_follows_the_rule_holds_what_it_held(profile: str) -> None:
    stage = on_stage(Clerk, profile)
    own = shared(stage)
    for served, answer in (
        (request(stage, 1, (own, Disposition.COPY_SEND)), ReturnCode.KERN_SUCCESS),
        (request(stage, 1, (port(stage), Disposition.MAKE_SEND)), ReturnCode.KERN_SUCCESS),
        (request(stage, 1), ReturnCode.MIG_BAD_ARGUMENTS),
        (request(stage, 1, (port(stage), Disposition.MOVE_RECEIVE)), ReturnCode.MIG_BAD_ARGUMENTS),
        (request(stage, 3, (own, Disposition.COPY_SEND), (port(stage), Disposition.MAKE_SEND_ONCE)), ReturnCode.KERN_FAILURE),
        (request(stage, 99, ((own, own), Disposition.COPY_SEND)), ReturnCode.MIG_BAD_ID),
    ):
        assert (served.code, served.answer, served.faults) == (ReturnCode.MACH_MSG_SUCCESS, answer, ())


def test_a_routine_may_destroy_its_request() -> None:
    stage = on_stage(Clerk)
    page = call(stage, "vm_allocate", task=stage.own, anywhere=True)["address"]
    body = ((port(stage), Disposition.MOVE_RECEIVE), ((shared(stage),) * 2, Disposition.COPY_SEND), (page, 0, False))
    assert request(stage, 2, *body).faults == ()


@pytest.mark.parametrize("profile", KERNELS)
def test_success_without_taking_is_a_leak(profile: str) -> None:
    stage = on_stage(clerk(gives_up=0), profile)
    found = only(request(stage, 1, (shared(stage), Disposition.COPY_SEND)))
    assert found.clause == LEAK
    assert found.differences[0].expected == "send and receive right to port 10, 1 user reference".replace("10", _port_of(stage))
    assert found.differences[0].seen.endswith("2 user references")
    assert "takes_one, which returned KERN_SUCCESS" in found.words
    assert "it came with message" in found.words


def _port_of(stage: Stage) -> str:
    return str(stage.service.names[stage.service.shared[0]].port)


def test_what_a_routine_says_that_it_keeps_is_no_leak() -> None:
    stage = on_stage(clerk(gives_up=0, says_kept=True))
    assert request(stage, 1, (shared(stage), Disposition.COPY_SEND)).faults == ()


def test_a_right_that_a_routine_says_it_keeps_has_to_be_there() -> None:
    stage = on_stage(clerk(says_kept=True))
    assert only(request(stage, 1, (port(stage), Disposition.MAKE_SEND))).clause == DOUBLE_DROP


@pytest.mark.parametrize("right", [Right.RECEIVE, Right.PORT_SET])
def test_what_a_routine_makes_is_kept_and_given_up_whatever_it_is(right: Right) -> None:
    class Maker(Clerk):
        @routine(5)
        def makes(self, service: Service, request: Request) -> int:
            self.made: int = service.call("mach_port_allocate", right=int(right)).outputs["name"]
            service.keeps(self.made)
            return ReturnCode.KERN_SUCCESS

        @routine(6)
        def unmakes(self, service: Service, request: Request) -> int:
            service.call("mach_port_mod_refs", name=self.made, right=int(right), delta=-1)
            service.gives_up(self.made)
            return ReturnCode.KERN_SUCCESS

    stage = on_stage(Maker)
    assert [request(stage, id).faults for id in (5, 6)] == [(), ()]


@pytest.mark.parametrize("profile", KERNELS)
def test_to_take_and_to_fail_is_a_double_drop(profile: str) -> None:
    stage = on_stage(clerk(returns=ReturnCode.KERN_FAILURE), profile)
    found = only(request(stage, 1, (shared(stage), Disposition.COPY_SEND)))
    assert found.clause == DOUBLE_DROP
    assert found.differences[0].seen == f"receive right of port {_port_of(stage)}"
    assert "(the routine) and mach_port_deallocate in step" in found.words
    assert "(mach_msg_destroy of the request)" in found.words
    assert stage.service.run.violations == [found]


def test_a_double_drop_of_a_right_of_the_client_alone_is_found_too() -> None:
    """Nothing of the server's is lost yet: mach_msg_destroy finds the name gone."""
    stage = on_stage(clerk(returns=ReturnCode.KERN_FAILURE))
    found = only(request(stage, 1, (port(stage), Disposition.MAKE_SEND)))
    assert found.clause == DOUBLE_DROP
    assert "found nothing to give up" in found.words
    assert (found.differences[0].expected, found.differences[0].seen) == ("KERN_SUCCESS", "KERN_INVALID_NAME")
    assert stage.service.run.steps[found.step].call == "mach_port_deallocate"


def test_an_error_is_answered_and_success_carries_what_the_routine_says() -> None:
    class Giver(Clerk):
        @routine(5)
        def gives(self, service: Service, request: Request) -> int:
            service.reply((self.own, int(Disposition.COPY_SEND)))
            return request.data

    for code in (ReturnCode.KERN_SUCCESS, ReturnCode.KERN_FAILURE):
        stage = on_stage(Giver)
        mine = port(stage)
        served = request(stage, 5, reply=mine, reply_disposition=int(Disposition.MAKE_SEND_ONCE), data=int(code))
        assert served.faults == ()
        answer = call(stage, "mach_msg_receive", port=mine)
        assert (answer["id"], answer["data"], len(answer["descriptors"])) == (105, code, 1 - bool(code))


def test_a_reply_for_a_port_that_has_died_is_destroyed() -> None:
    class Maker(Clerk):
        @routine(5)
        def makes(self, service: Service, request: Request) -> int:
            service.reply((service.call("mach_port_allocate", right=int(Right.RECEIVE)).outputs["name"], RECEIVE))
            return ReturnCode.KERN_SUCCESS

    stage = on_stage(Maker)
    mine = port(stage)
    call(stage, "mach_msg_send", dest=stage.port, id=5, reply=mine, reply_disposition=int(Disposition.MAKE_SEND_ONCE))
    call(stage, "mach_port_destroy", task=stage.own, name=mine)
    served = stage.service.serve_once()
    assert (served.code, served.faults) == (ReturnCode.MACH_MSG_SUCCESS, ())
    assert request(stage, 5).faults == (), "no reply port at all"


def test_a_spoofed_dead_name_notification_brings_nothing() -> None:
    class Watcher(Clerk):
        @routine(Notification.DEAD_NAME, takes=())
        def dead_name(self, service: Service, request: Request) -> int:
            service.call("mach_port_deallocate", name=request.data)
            return ReturnCode.KERN_SUCCESS

        @routine(6, takes=(SEND,))
        def watches(self, service: Service, request: Request) -> int:
            [(name, _)] = request.rights
            once = int(Disposition.MAKE_SEND_ONCE)
            variant = int(Notification.DEAD_NAME)
            service.call("mach_port_request_notification", name=name, variant=variant, sync=1, notify=service.port, notify_disposition=once)
            service.keeps(name)
            return ReturnCode.KERN_SUCCESS

    for profile in KERNELS:
        stage = on_stage(Watcher, profile)
        mine = port(stage)
        assert request(stage, 6, (mine, Disposition.MAKE_SEND)).faults == ()
        call(stage, "mach_port_destroy", task=stage.own, name=mine)
        told = stage.service.serve_once()
        assert (told.request is not None and told.request.id, told.faults) == (Notification.DEAD_NAME, ())
        spoofed = request(stage, Notification.DEAD_NAME, data=stage.service.shared[0])
        found = only(spoofed)
        assert found.clause == DOUBLE_DROP
        assert "it came by mach_port_insert_right" in found.words


@pytest.mark.parametrize("dies", [True, False])
def test_a_forged_notification_may_only_make_a_server_give_up_what_is_dead(dies: bool) -> None:
    class Believer(Clerk):
        @routine(6, takes=(SEND,))
        def keeps_one(self, service: Service, request: Request) -> int:
            [(self.client, _)] = request.rights
            service.keeps(self.client)
            return ReturnCode.KERN_SUCCESS

        @routine(Notification.DEAD_NAME, takes=())
        def dead_name(self, service: Service, request: Request) -> int:
            service.call("mach_port_deallocate", name=self.client)
            service.gives_up(self.client)
            return ReturnCode.KERN_SUCCESS

    stage = on_stage(Believer)
    mine = port(stage)
    assert request(stage, 6, (mine, Disposition.MAKE_SEND)).faults == ()
    if dies:
        call(stage, "mach_port_destroy", task=stage.own, name=mine)
    served = request(stage, Notification.DEAD_NAME)
    if dies:
        assert served.faults == ()
    else:
        found = only(served)
        assert found.clause == FORGED
        assert "a task sent that request, not the kernel" in found.words


def test_a_name_that_dies_while_the_server_works_gets_the_reference_of_its_notification() -> None:
    class Destroyer(Clerk):
        @routine(6, takes=(RECEIVE,))
        def destroys(self, service: Service, request: Request) -> int:
            service.destroy(request.message)
            return ReturnCode.KERN_SUCCESS

        @routine(7, takes=(SEND,))
        def watches(self, service: Service, request: Request) -> int:
            [(name, _)] = request.rights
            once, variant = int(Disposition.MAKE_SEND_ONCE), int(Notification.DEAD_NAME)
            service.call("mach_port_request_notification", name=name, variant=variant, sync=1, notify=service.port, notify_disposition=once)
            service.keeps(name)
            return ReturnCode.KERN_SUCCESS

    for profile in KERNELS:
        stage = on_stage(Destroyer, profile)
        mine = port(stage)
        assert request(stage, 7, (mine, Disposition.MAKE_SEND)).faults == ()
        assert request(stage, 6, (mine, Disposition.MOVE_RECEIVE)).faults == ()


def test_a_kernel_that_stops_counting_makes_a_good_server_lose_a_right() -> None:
    """CVE-2016-7637. Later kernels peg the count."""
    copies = ((0,) * 5, Disposition.COPY_SEND)
    for profile, clauses in (("osf", [DOUBLE_DROP]), ("xnu", [])):
        stage = on_stage(Clerk, profile, urefs_max=4)
        served = request(stage, 99, ((shared(stage),) * len(copies[0]), Disposition.COPY_SEND))
        assert [found.clause for found in served.faults] == clauses


def test_a_server_serves_until_it_would_wait() -> None:
    stage = on_stage(Clerk)
    for _ in range(3):
        call(stage, "mach_msg_send", dest=stage.port, id=99)
    assert [served.code for served in stage.service.serve()] == [ReturnCode.KERN_SUCCESS] * 3 + [ReturnCode.MACH_RCV_TIMED_OUT]
