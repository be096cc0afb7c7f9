"""Servers in scripts: the historic faults are found, mended servers pass, and a wrong declaration says where."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from support.places import ROOT

from sendright.impl.reference import ReferenceKernel
from sendright.mach.results.checks import CaseResult
from sendright.mach.results.verdicts import Verdict
from sendright.model.execution.oracle import Oracle
from sendright.properties.scripts.load import BadScript, load_script, parse_script
from sendright.properties.scripts.replay import replay
from sendright.properties.servers.discipline import DOUBLE_DROP, FORGED, LEAK

EXAMPLES = sorted((ROOT / "docs" / "examples" / "servers").glob("*.json"))
BROKEN = {
    "more-copies-than-the-count-holds": DOUBLE_DROP,
    "a-spoofed-dead-name": DOUBLE_DROP,
    "the-same-port-twice": DOUBLE_DROP,
    "a-service-port-as-thread": DOUBLE_DROP,
    "a-forged-no-senders": FORGED,
    "a-forgotten-right": LEAK,
    "a-receive-right-and-mach_port_deallocate": LEAK,
    "forgotten-memory": LEAK,
    "an-error-for-a-dead-reply-port": DOUBLE_DROP,
    "a-success-for-a-dead-reply-port": DOUBLE_DROP,
    "a-simple-reply-for-a-full-port": LEAK,
    "rights-for-no-reply-port": LEAK,
}
"""Case of an example -> the rule that its server, or its library, breaks. All other cases pass."""


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_each_example_shows_its_fault(path: Path) -> None:
    result = replay([load_script(path)], ReferenceKernel, Oracle)
    assert result.not_modelled == result.crashed == 0
    for case in result.cases:
        rule = BROKEN.get(case.id)
        assert case.verdict == ("failed" if rule else "passed"), case
        if rule is not None:
            assert case.violation is not None
            assert (case.violation.kind, case.violation.clause) == ("discipline", rule)
            assert case.step == len(json.loads(path.read_text())["cases"][[each.id for each in result.cases].index(case.id)]["steps"]) - 1


def test_the_examples_have_all_historic_faults() -> None:
    named = {path.stem for path in EXAMPLES if path.stem.startswith("cve-")}
    assert named == {"cve-2016-7637", "cve-2016-7661", "cve-2017-13861", "cve-2018-4280", "cve-2021-43412"}


def test_the_examples_of_the_page_are_what_it_says() -> None:
    page = (ROOT / "docs" / "servers.md").read_text("utf-8")
    servers, steps = re.findall(r"```json\n(.*?)```", page, re.DOTALL)
    text = f'{{"format": "mach-cases/1", "profile": "xnu", {servers}, "cases": [{{"id": "clock", "steps": [{steps}]}}]}}'
    [case] = replay([parse_script(text.encode(), "page.json")], ReferenceKernel, Oracle).cases
    assert case.violation is not None
    assert (case.violation.clause, case.step) == (DOUBLE_DROP, 1)
    [python] = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    found: dict[str, Any] = {}
    exec(python.replace("examples=50", "examples=3"), found)
    assert (found["result"].verdict, found["result"].passed) == (Verdict.PASSED, 1)


SEND = [
    {"as": "A", "call": "mach_port_allocate", "args": {"right": "RECEIVE"}, "bind": {"name": "p"}},
    {"as": "A", "call": "mach_msg_send", "args": {"dest": "server", "id": 1, "descriptors": [["p", "MAKE_SEND"]]}},
]
TYPE = {"as": "A", "call": "mach_port_type", "args": {"name": "p"}}
TAKES = {"takes": {"port": "MOVE_SEND"}, "calls": [{"call": "mach_port_deallocate", "args": {"name": "port"}}]}


def script(steps: list[dict[str, Any]], routine: dict[str, Any] = TAKES, **server: Any) -> bytes:
    declared = {"as": "L", "routines": {"1": routine}} | server
    return json.dumps(
        {"format": "mach-cases/1", "profile": "manual", "servers": {"server": declared}, "cases": [{"id": "case", "steps": steps}]}
    ).encode()


def result(steps: list[dict[str, Any]], routine: dict[str, Any] = TAKES, **server: Any) -> CaseResult:
    [case] = replay([parse_script(script(steps, routine, **server), "s.json")], ReferenceKernel, Oracle).cases
    return case


def serve(**expect: Any) -> dict[str, Any]:
    return {"as": "L", "call": "mach_msg_server_once", "expect": expect}


def test_a_step_that_serves_expects_codes_and_the_request() -> None:
    good = {"ret": "MACH_MSG_SUCCESS", "msg_id": 1, "RetCode": "KERN_SUCCESS"}
    assert result([*SEND, serve(**good)]).verdict == "passed"
    for wrong, seen in (({"ret": "KERN_FAILURE"}, "KERN_SUCCESS"), ({"msg_id": 2}, "message id 1"), ({"RetCode": "KERN_FAILURE"}, "KERN_SUCCESS")):
        case = result([*SEND, serve(**(good | wrong))])
        assert (case.verdict, case.seen) == ("failed", seen)
    assert result([serve(RetCode=0)]).seen == "no request"


def test_the_first_case_applies_whose_conditions_hold() -> None:
    routine = {
        "takes": {"port": "MOVE_SEND"},
        "cases": [
            {"when": {"data": 7}, "returns": "KERN_DENIED"},
            {"when": {"sender": "B"}, "returns": "KERN_NO_ACCESS"},
            {"when": {"kept": "one", "not_kept": "two"}, "keeps": {"two": "port"}, "returns": "KERN_SUCCESS"},
            {"when": {"not_kept": "one"}, "keeps": {"one": "port"}},
        ],
    }
    steps = list(SEND[:1])
    for caller, data, code in (("A", 7, "KERN_DENIED"), ("A", 0, "KERN_SUCCESS"), ("A", 0, "KERN_SUCCESS"), ("A", 0, "KERN_FAILURE")):
        send = {"dest": "server", "id": 1, "data": data, "descriptors": [["p", "MAKE_SEND"]]}
        steps += [{"as": caller, "call": "mach_msg_send", "args": send}, serve(RetCode=code)]
    send = {"dest": "server", "id": 1, "descriptors": [["a user port", "COPY_SEND"]]}
    steps += [{"as": "B", "call": "mach_msg_send", "args": send}, serve(RetCode="KERN_NO_ACCESS")]
    case = result(steps, routine)
    assert case.verdict == "passed", case


def test_steps_may_have_the_words_of_the_libraries_headers() -> None:
    words = {"demux": "server", "rcv_name": "server", "options": "MACH_MSG_OPTION_NONE"}
    for most, verdict in ((4096, "passed"), (30, "not_modelled")):
        assert result([*SEND, serve(RetCode=0) | {"args": {**words, "max_size": most}}]).verdict == verdict
    receive: list[dict[str, Any]] = [
        {"as": "A", "call": "mach_msg_send", "args": {"msgh_remote_port": "p", "dest_disp": "MAKE_SEND", "descriptors": [["p", "MAKE_SEND"]]}},
        {"as": "A", "call": "mach_msg_receive", "args": {"name": "p"}, "bind": {"msg": "m"}},
    ]
    for destroyed in ({"msg": "m"}, {"message": "m"}, {"descriptors": [["p", "PORT_SEND"]]}):
        case = result([SEND[0], *receive, {"as": "A", "call": "mach_msg_destroy", "args": destroyed}, {**TYPE, "expect": {"type": ["RECEIVE"]}}])
        assert case.verdict == "passed", case


def test_a_routines_symbols_are_its_own() -> None:
    """The client's symbols port, reply and p stay what they are, and so does a server's p."""
    own = [
        {"as": "L", "call": "mach_port_allocate", "args": {"right": "RECEIVE"}, "bind": {"name": "padding"}},
        {"as": "L", "call": "mach_port_allocate", "args": {"right": "RECEIVE"}, "bind": {"name": "p"}},
    ]
    routine = {**TAKES, "calls": [*TAKES["calls"], {"call": "mach_port_get_refs", "args": {"name": "p", "right": "RECEIVE"}, "bind": {"refs": "q"}}]}
    steps: list[dict[str, Any]] = [{**SEND[0], "bind": {"name": symbol}} for symbol in ("p", "port", "q")]
    send = {"dest": "server", "id": 1, "reply": "port", "reply_disposition": "MAKE_SEND_ONCE", "descriptors": [["p", "MAKE_SEND"]]}
    steps += [{"as": "A", "call": "mach_msg_send", "args": send}, serve(RetCode=0)]
    steps += [{"as": "A", "call": "mach_msg_receive", "args": {"port": "port"}, "expect": {"ret": 0, "msg_id": 101}}]
    steps += [{"as": "A", "call": "mach_port_type", "args": {"name": symbol}, "expect": {"type": ["RECEIVE"]}} for symbol in ("p", "q")]
    case = result(steps, routine, begin=own)
    assert case.verdict == "passed", case


def test_a_server_may_answer_later() -> None:
    later = {"keeps": {"answer": "reply"}, "returns": "MIG_NO_REPLY"}
    answer = {
        "gives_up": ["answer"],
        "calls": [{"call": "mach_msg_send", "args": {"dest": "answer", "dest_disposition": "MOVE_SEND_ONCE", "id": 101}}],
    }
    steps: list[dict[str, Any]] = [SEND[0]]
    send = {"dest": "server", "id": 1, "reply": "p", "reply_disposition": "MAKE_SEND_ONCE"}
    steps += [{"as": "A", "call": "mach_msg_send", "args": send}, serve(RetCode="MIG_NO_REPLY")]
    steps += [{"as": "A", "call": "mach_msg_send", "args": {"dest": "server", "id": 2}}, serve(RetCode=0)]
    steps += [{"as": "A", "call": "mach_msg_receive", "args": {"port": "p"}, "expect": {"ret": 0, "msg_id": 101}}]
    assert result(steps, later, routines={"1": later, "2": answer}).verdict == "passed"
    forgets = result(steps, later, routines={"1": {"returns": "MIG_NO_REPLY"}, "2": {}})
    assert (forgets.verdict, forgets.violation and forgets.violation.clause) == ("failed", LEAK)


@pytest.mark.parametrize("gives_it_up", [True, False])
@pytest.mark.parametrize(
    ("form", "descriptor", "calls"),
    [
        ("MOVE_SEND", ["p", "MAKE_SEND"], [{"call": "mach_port_deallocate", "args": {"name": "mine"}}]),
        ("MOVE_RECEIVE", ["p", "MOVE_RECEIVE"], [{"call": "mach_port_mod_refs", "args": {"name": "mine", "right": "RECEIVE", "delta": -1}}]),
        ("memory", {"page": "page"}, [{"call": "vm_deallocate", "args": {"address": "mine"}}]),
    ],
)
def test_what_a_server_keeps_it_gives_up_later(form: str, descriptor: Any, calls: list[dict[str, Any]], gives_it_up: bool) -> None:
    keep = {"takes": {"what": form}, "keeps": {"mine": "what"}}
    give = {"gives_up": ["mine"], "calls": calls if gives_it_up else []}
    steps: list[dict[str, Any]] = [SEND[0], {"as": "A", "call": "vm_allocate", "args": {"anywhere": True}, "bind": {"address": "page"}}]
    steps += [{"as": "A", "call": "mach_msg_send", "args": {"dest": "server", "id": 1, "descriptors": [descriptor]}}, serve(RetCode=0)]
    steps += [{"as": "A", "call": "mach_msg_send", "args": {"dest": "server", "id": 2}}, serve(RetCode=0)]
    case = result(steps, keep, routines={"1": keep, "2": give})
    assert case.verdict == ("passed" if gives_it_up else "failed"), case
    if not gives_it_up:
        assert case.violation is not None
        assert case.violation.clause == LEAK


def test_a_server_of_the_only_name_needs_no_name() -> None:
    assert result([{"as": "L", "call": "mach_msg_server", "expect": {"ret": "MACH_RCV_TIMED_OUT"}}]).verdict == "passed"
    case = result([{"as": "A", "call": "mach_msg_server", "args": {"server": "server"}}])
    assert case.verdict == "not_modelled"
    assert case.reason == 'can\'t be read: steps[0].args.server: task A has no server "server"'


def test_a_call_that_is_no_word_is_refused_with_its_place() -> None:
    case = result([{"as": "L", "call": ["mach_msg_server"]}])
    assert case.verdict == "not_modelled"
    assert "steps[0].call" in (case.reason or "")


@pytest.mark.parametrize(
    ("step", "reason"),
    [
        ({"as": "A", "call": "mach_msg_destroy", "args": {"message": "m"}}, 'expected a message that an earlier step binds, got "m"'),
        ({"as": "A", "call": "mach_msg_destroy", "args": {"dest": "NULL"}, "expect": {"ret": 0}}, "returns nothing that a step can expect"),
        ({"as": "A", "call": "mach_msg_destroy", "args": {"dest": "NULL"}, "stop": True}, "it takes args and expect only"),
        ({"as": "L", "call": "mach_msg_server_once", "args": {"timeout": 5}}, 'argument "timeout" of mach_msg_server_once is not modelled'),
        ({"as": "L", "call": "mach_msg_server_once", "args": {"options": "MACH_RCV_LARGE"}}, "options of mach_msg_server_once are not modelled"),
        ({"as": "L", "call": "mach_msg_server_once", "args": {"options": "MACH_NONSENSE"}}, 'args.options: "MACH_NONSENSE"'),
        ({"as": "L", "call": "mach_msg_server_once", "args": {"max_size": "large"}}, "args.max_size: expected a number"),
        ({"as": "L", "call": "mach_msg_server_once", "args": {"demux": "server", "rcv_name": "p"}}, 'args.rcv_name: task L has no server "p"'),
        ({"as": "L", "call": "mach_msg_server_once", "expect": {"refs": 1}}, "expectation"),
        ({"as": "L", "call": "mach_msg_destroy", "args": {"message": "server"}}, "server is not a message"),
        ({"as": "A", "call": "mach_port_destroy", "args": {"name": "unknown"}}, 'unknown symbol "unknown"'),
    ],
)
def test_a_step_that_is_not_modelled_says_why(step: dict[str, Any], reason: str) -> None:
    case = result([*SEND, serve(), step])
    assert case.verdict == "not_modelled"
    assert case.step == 3
    assert reason in (case.reason or "") or "not modelled" in (case.reason or "")


@pytest.mark.parametrize(
    ("routine", "server", "message"),
    [
        ({"takes": {"port": "COPY_SEND"}}, {}, 'servers.server.routines.1.takes.port: "COPY_SEND" is not a form in which a right arrives'),
        (
            {"calls": [{"call": "mach_port_deallocate", "args": {"name": "port"}}]},
            {},
            'servers.server.routines.1.calls[0].args.name: unknown symbol "port": nothing binds it',
        ),
        ({"calls": [{"as": "A", "call": "mach_task_self"}]}, {}, "servers.server.routines.1.calls[0]: the server itself makes the call"),
        ({"keeps": {"a": "b"}}, {}, 'servers.server.routines.1.keeps: unknown symbol "b"'),
        ({"when": {"colour": 1}}, {}, 'servers.server.routines.1.when: "colour" is not a condition: use data, sender, kept or not_kept'),
        ({"when": {"sender": 4}}, {}, "servers.server.routines.1.when.sender: expected a symbol, got 4"),
        ({"cases": [{}], "returns": "KERN_FAILURE"}, {}, "servers.server.routines.1.cases: what a routine does stands either in it or in its cases"),
        ({"return": 5}, {}, "s.json: servers.server.routines.1: Object contains unknown field return: correct it (see docs/servers.md)"),
        ({"cases": [{"calls": 5}]}, {}, "servers.server.routines.1.cases[0].calls: expected array, got int"),
        ({}, {"task": "B"}, "s.json: servers.server: Object contains unknown field task"),
        ({}, {"shares": ["q"]}, 'servers.server.shares: no step of begin binds "q"'),
        ({}, {"begin": [{"call": "mach_task_self"}]}, "servers.server.begin[0].as: is missing: add it"),
        ({"calls": [{"call": 4}]}, {}, "servers.server.routines.1.calls[0].call: expected str, got int: correct it (see docs/servers.md)"),
        ({}, {"routines": {"one": {}}}, "servers.server.routines.one"),
        ({}, {"routines": {"1": {}, "01": {}}}, "or there are two of it"),
        ({}, {"as": "two words"}, "can't be a symbol"),
    ],
)
def test_a_wrong_server_refuses_the_file_with_its_place(routine: dict[str, Any], server: dict[str, Any], message: str) -> None:
    with pytest.raises(BadScript) as caught:
        parse_script(script([serve()], routine, **server), "s.json")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_server_that_is_not_modelled_refuses_only_the_cases_that_use_it() -> None:
    data = json.loads(script([serve()], {"calls": [{"call": "thread_create"}]}))
    data["cases"].append({"id": "other", "steps": [{"as": "A", "call": "mach_task_self"}]})
    cases = replay([parse_script(json.dumps(data).encode(), "s.json")], ReferenceKernel, Oracle).cases
    assert [case.verdict for case in cases] == ["not_modelled", "passed"]
    assert cases[0].reason == 'server server: routines.1.calls[0]: call "thread_create" is not modelled'


def test_a_client_gets_what_a_server_shares() -> None:
    begin = [
        {"as": "L", "call": "mach_port_allocate", "args": {"right": "RECEIVE"}, "bind": {"name": "clock"}},
        {"as": "L", "call": "mach_port_insert_right", "args": {"name": "clock", "poly": "clock", "disposition": "MAKE_SEND"}},
    ]
    steps = [
        {"as": "A", "call": "mach_port_get_refs", "args": {"name": "clock", "right": "SEND"}, "expect": {"refs": 1}},
        {"as": "A", "call": "mach_msg_send", "args": {"dest": "server", "id": 1, "descriptors": [["clock", "COPY_SEND"]]}},
        serve(RetCode=0),
        {"as": "L", "call": "mach_port_get_refs", "args": {"name": "clock", "right": "SEND"}, "expect": {"refs": 1}},
    ]
    assert result(steps, begin=begin, shares=["clock"]).verdict == "passed"


def test_the_kernel_is_judged_while_a_server_works() -> None:
    class Wrong(ReferenceKernel):
        def call(self, task: int, call: Any) -> Any:
            made = super().call(task, call)
            return type(made)(5) if call.name == "mach_port_deallocate" else made

    [case] = replay([parse_script(script([*SEND, serve()]), "s.json")], Wrong, Oracle).cases
    assert (case.verdict, case.expected, case.seen) == ("failed", "KERN_SUCCESS", "KERN_FAILURE")
