"""Reading scripts: what is accepted, what is refused and how, and the published schema."""

from __future__ import annotations

import copy
import json
import os
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from support.places import ROOT, SHARED

from sendright.impl.reference import ReferenceKernel
from sendright.mach.kernel.profiles import MANUAL, PROFILES
from sendright.model.execution.oracle import Oracle
from sendright.properties.scripts.load import BadScript, Script, load_script, parse_script
from sendright.properties.scripts.replay import replay
from sendright.properties.scripts.schema import script_schema
from sendright.properties.scripts.steps import PlannedStep, UnmodelledStep
from sendright.properties.scripts.values import Limit, Symbol, TaskPort, TokenOf, WellKnown
from sendright.reports.findings import summary

OWN_SCRIPTS = sorted((ROOT / "tests" / "scripts").glob("*.json"))
SHARED_SCRIPTS = SHARED / "cases"

STEP = {"as": "A", "call": "mach_port_allocate", "args": {"right": "RECEIVE"}, "bind": {"name": "p"}, "expect": {"ret": "KERN_SUCCESS"}}
SCRIPT = {"format": "mach-cases/1", "profile": "manual", "cases": [{"id": "one", "steps": [STEP]}]}


def script(*steps: dict[str, Any], **case: Any) -> dict[str, Any]:
    return {**SCRIPT, "cases": [{"id": "one", "steps": list(steps), **case}]}


def step(call: str, args: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    return {"as": "A", "call": call, "args": args or {}, **more}


def parse(data: Any) -> Script:
    return parse_script(data if isinstance(data, bytes) else json.dumps(data).encode(), "suite.json")


def only_step(*steps: dict[str, Any], **case: Any) -> PlannedStep | UnmodelledStep:
    return parse(script(*steps, **case)).cases[0].steps[-1]


def refusal(data: Any) -> str:
    with pytest.raises(BadScript) as error:
        parse(data)
    text = str(error.value)
    assert "\n" not in text
    assert text.startswith("suite.json:")
    assert text.isascii() or "…" in text
    return text


def unreadable(data: Any) -> str:
    """Why the last case can't be read."""
    last = parse(data).cases[-1].steps[-1]
    assert isinstance(last, UnmodelledStep)
    assert "\n" not in last.reason
    assert last.reason.startswith("can't be read: ")
    return last.reason.removeprefix("can't be read: ")


def changed(path: list[str | int], value: Any) -> dict[str, Any]:
    data: Any = copy.deepcopy(SCRIPT)
    place = data
    for part in path[:-1]:
        place = place[part]
    place[path[-1]] = value
    return data  # type: ignore[no-any-return]


def test_a_step_is_read_into_the_signatures_words() -> None:
    read = only_step(
        STEP,
        step("mach_port_insert_right", {"task": "mach_task_self(B)", "name": 5, "right": "p", "disp": "MACH_MSG_TYPE_MAKE_SEND"}, shortage=2),
    )
    assert isinstance(read, PlannedStep)
    assert read.arguments == {"task": TaskPort("B"), "name": 5, "poly": Symbol("p"), "disposition": 20}
    assert read.shortage == 2


@pytest.mark.parametrize(
    ("args", "name", "value"),
    [
        ({"right": "SEND", "delta": "MACH_PORT_UREFS_MAX - 2", "name": "host_priv"}, "delta", Limit(-2)),
        ({"right": "SEND", "delta": "pid(B)", "name": -1}, "delta", TokenOf("audit_token", "B", 5)),
        ({"right": "SEND", "delta": 0, "name": -1}, "name", 0xFFFFFFFF),
        ({"right": "SEND", "delta": 0, "name": "0x103"}, "name", 0x103),
        ({"right": "SEND", "delta": 0, "name": "MACH_PORT_NAME_DEAD"}, "name", 0xFFFFFFFF),
        ({"right": "SEND", "delta": 0, "name": None}, "name", WellKnown("NULL")),
        ({"right": "SEND", "delta": 0, "name": "host priv port"}, "name", WellKnown("host_priv")),
    ],
)
def test_spellings_of_values(args: dict[str, Any], name: str, value: object) -> None:
    read = only_step(step("mach_port_mod_refs", args))
    assert isinstance(read, PlannedStep)
    assert read.arguments[name] == value


@pytest.mark.parametrize(
    ("call", "spelled", "read"),
    [
        ("mach_port_rename", {"old": "host_priv", "new": 111}, {"old_name": WellKnown("host_priv"), "new_name": 111}),
        ("mach_port_set_mscount", {"name": 5, "mscount": 3}, {"name": 5, "mscount": 3}),
        ("mach_port_set_seqno", {"name": 5, "seqno": -1}, {"name": 5, "seqno": -1}),
        ("mach_port_get_attributes", {"name": 5, "flavor": "RECEIVE_STATUS", "count": "MACH_PORT_RECEIVE_STATUS_COUNT-1"}, {"flavor": 2, "count": 9}),
        ("mach_port_set_attributes", {"name": 5, "flavor": "MACH_PORT_LIMITS_INFO", "qlimit": 3}, {"flavor": 1, "info": (3,)}),
        ("mach_port_set_attributes", {"name": 5, "flavor": 1, "info": {"mpl_qlimit": 3}}, {"info": (3,)}),
        ("mach_port_set_attributes", {"name": 5, "flavor": 1, "info": "MACH_PORT_QLIMIT_MAX+1"}, {"info": (Limit(1, "queue_limit_max"),)}),
        ("mach_port_set_attributes", {"name": 5, "flavor": 1, "info": []}, {"info": ()}),
        ("mach_port_move_member", {"name": 5, "set": "NULL"}, {"member": 5, "after": WellKnown("NULL")}),
        ("mach_port_insert_member", {"name": 5, "set": 6}, {"name": 5, "pset": 6}),
        ("mach_port_get_set_status", {"pset": 6}, {"name": 6}),
        (
            "mach_port_request_notification",
            {"name": 5, "msgid": "MACH_NOTIFY_NO_SENDERS", "sync": 1, "notify": 5, "disp": "MAKE_SEND_ONCE"},
            {"variant": 70, "sync": 1, "notify": 5, "notify_disposition": 21},
        ),
        ("mach_port_request_notification", {"name": 5, "notification": "dead-name"}, {"variant": 72}),
        ("task_set_exception_ports", {"mask": "EXC_MASK_ALL", "port": 5, "behavior": "EXCEPTION_STATE"}, {"exception_mask": 0x3FE, "behavior": 2}),
        ("task_get_exception_ports", {"mask": ["EXC_MASK_BAD_ACCESS", "BREAKPOINT"]}, {"exception_mask": 1 << 1 | 1 << 6}),
        ("task_get_exception_ports", {"exception_mask": "EXC_MASK_SYSCALL | EXC_MASK_RPC_ALERT"}, {"exception_mask": 1 << 7 | 1 << 9}),
        ("host_get_special_port", {"host": "host_priv", "which": "HOST_PRIV_PORT"}, {"host_priv": WellKnown("host_priv"), "which": 2}),
        ("host_set_special_port", {"host_priv": "valid", "which": 9, "port": 5}, {"host_priv": WellKnown("valid"), "which": 9}),
        ("ledger_create", {"parent": "valid", "ledger_ledger": "valid", "transfer": "LEDGER_ITEM_INFINITY"}, {"transfer": -1}),
        ("ledger_transfer", {"parent": "valid", "child": 5, "amount": -2}, {"child_ledger": 5, "transfer": -2}),
        ("vm_copy", {"source": 0, "dest": 1}, {"source_address": 0, "dest_address": 1}),
        ("mach_msg_receive", {"name": 5}, {"port": 5}),
    ],
)
def test_natural_spellings(call: str, spelled: dict[str, Any], read: dict[str, Any]) -> None:
    planned = only_step(step(call, spelled))
    assert isinstance(planned, PlannedStep)
    assert {name: planned.arguments[name] for name in read} == read


@pytest.mark.parametrize(
    ("args", "what"),
    [
        ({"name": 1, "flavor": 1, "info": [True]}, "args.info[0]: expected a number"),
        ({"name": 1, "flavor": 1.5, "info": 1}, "args.flavor: expected a set of attributes"),
    ],
)
def test_wrong_attributes_can_not_be_read(args: dict[str, Any], what: str) -> None:
    assert what in unreadable(script(step("mach_port_set_attributes", args)))


def test_a_bound_symbol_hides_a_well_known_word() -> None:
    read = only_step(step("mach_host_self", bind={"port": "host"}), step("mach_port_deallocate", {"name": "host"}))
    assert isinstance(read, PlannedStep)
    assert read.arguments["name"] == Symbol("host")


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (step("mach_port_get_service_port_info", {"name": 1}), 'call "mach_port_get_service_port_info"'),
        (step("mach_port_request_notification", {"name": 1, "variant": "SEND_POSSIBLE"}), "argument variant"),
        (step("mach_port_get_attributes", {"name": 1, "flavor": "MACH_PORT_DNREQUESTS_SIZE"}), "argument flavor"),
        (step("mach_port_set_attributes", {"name": 1, "flavor": 1, "info": {"qlimit": 1, "guard": 2}}), "argument info"),
        (step("task_set_exception_ports", {"mask": "EXC_MASK_CRASH"}), "argument mask"),
        (step("task_set_exception_ports", {"mask": 2, "flavor": "PPC_THREAD_STATE"}), "argument flavor"),
        (step("host_get_special_port", {"host_priv": "valid", "which": "HOST_SEATBELT_PORT"}), "argument which"),
        (step("mach_port_get_attributes", {"name": 1, "flavor": 1}, expect={"fields": {"mps_guard": 1}}), "expectation fields"),
        ({**step("mach_task_self"), "as": "kernel"}, 'caller "kernel"'),
        ({**step("mach_task_self"), "as": "A:t2"}, 'caller "A:t2"'),
        (step("mach_task_self", {"guard": 1}), 'argument "guard"'),
        (step("mach_port_allocate", {"right": "LABELH"}), "argument right"),
        (step("mach_port_type", {"name": "some old name"}), "argument name"),
        (step("mach_port_type", {"name": "mach_thread_self"}), '"mach_thread_self"'),
        (step("mach_port_type"), "gives no value for name"),
        (step("task_info", {"flavor": "TASK_BASIC_INFO"}), "argument flavor"),
        (step("task_get_special_port", {"which": "TASK_NAME_PORT"}), "argument which"),
        (step("mach_task_self", expect={"errno": 1}), "expectation errno: not modelled for mach_task_self"),
        (step("mach_task_self", expect={"refs": 1}), "expectation refs: not modelled for mach_task_self"),
        (step("mach_task_self", expect={"ret": "KERN_NOT_RECEIVER"}), "expectation ret"),
        (step("mach_task_self", bind={"child_ledgers": "x"}), 'output "child_ledgers"'),
        (step("mach_task_self", repeat=3), 'key "repeat"'),
        (step("mach_msg_send", {"dest": 5, "options": "MACH_SEND_NOTIFY"}), 'option "MACH_SEND_NOTIFY"'),
        (step("mach_msg_send", {"dest": 5, "body": [{"name": 5, "disp": "COPY_SEND", "copy": 1}]}), "argument body"),
        (step("mach_msg_receive", {"port": 5}, expect={"trailer": {"msgh_context": 1}}), 'trailer element "msgh_context"'),
    ],
)
def test_what_is_not_modelled_ends_the_case(bad: dict[str, Any], reason: str) -> None:
    read = parse(script(STEP, bad, step("mach_port_type", {"name": "never_bound", "right": []}))).cases[0].steps
    assert isinstance(read[0], PlannedStep)
    assert isinstance(read[1], UnmodelledStep)
    assert reason in read[1].reason
    assert len(read) == 2, "what comes after isn't read"


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "suite.json:1: the file is empty"),
        (b"  \n ", "suite.json:1: the file is empty"),
        (b'{\n "format": 1,,\n}', "suite.json:2:14: not JSON"),
        (b'{"a": 1', "suite.json:1:8: not JSON"),
        (b'{"format":\n "\xff"}', "suite.json:2:3: not UTF-8 (byte 0xff)"),
        (b"[" * 100_000, "nested deeper than 64 levels"),
        (b'{"a":' * 80 + b"1" + b"}" * 80, "nested deeper than 64 levels"),
        (b'{"format": NaN}', "NaN is not a JSON number"),
        (b'{"format": ' + b"9" * 5000 + b"}", "a number is too long"),
        (b'{"format": "\\ud800"}', "suite.json: format: the string has half a surrogate pair"),
        (b"[]", "not a script"),
        (b'"mach-cases/1"', "not a script"),
        ({}, "suite.json: format: is missing"),
        (changed(["format"], "mach-cases/2"), 'suite.json: format: unknown format "mach-cases/2": expected "mach-cases/1"'),
        (changed(["format"], None), "suite.json: format: unknown format null"),
        (changed(["cases"], []), "suite.json: cases: the file has no cases"),
        (changed(["cases"], {}), "suite.json: cases: expected array, got object"),
        (changed(["profile"], "mach3"), 'suite.json: profile: unknown profile "mach3": choose one of ' + ", ".join(PROFILES)),
        (changed(["profile"], None), "suite.json: profile: is missing: add one of " + ", ".join(PROFILES)),
        (script(step("mach_port_type", {"name": "evil\n\u202e"}), step("x")) | {"profile": "a\nb"}, 'unknown profile "a\\nb"'),
    ],
)
def test_a_bad_file_is_refused_in_one_line(data: Any, message: str) -> None:
    assert message in refusal(data)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b'{"format": "mach-cases/1", "profile": "manual", "cases": [{"id": 1, "id": 2}]}', 'duplicate key "id"'),
        (changed(["cases", 0], 5), "expected object, got int"),
        (changed(["cases", 0, "id"], 5), "id: expected str, got int"),
        (changed(["cases", 0], {"id": "x"}), "steps: is missing"),
        (changed(["cases", 0, "steps", 0, "args"], []), "steps[0].args: expected object, got array"),
        (changed(["cases", 0, "steps", 0, "as"], 7), "steps[0].as: expected str, got int"),
        (changed(["cases", 0, "steps", 0, "bind"], {"name": 7}), "steps[0].bind"),
        (changed(["cases", 0, "steps", 0, "bind"], {"name": "a b"}), 'steps[0].bind.name: "a b" can\'t be a symbol'),
        (changed(["cases", 0, "steps", 0, "bind"], {"name": ["a"]}), "steps[0].bind.name: name is one value"),
        (changed(["cases", 0, "steps", 0, "shortage"], -1), "steps[0].shortage: expected int >= 0"),
        (changed(["cases", 0, "urefs_max"], 1), "urefs_max: expected int >= 2"),
        (changed(["cases"], [SCRIPT["cases"][0]] * 2), 'id: duplicate id "one"'),  # type: ignore[index]
        (
            changed(["cases", 0, "steps", 0, "args", "right"], [1]),
            "steps[0].args.right: expected a kind of right (RECEIVE, SEND, …), got an array",
        ),
        (changed(["cases", 0, "steps", 0, "args", "right"], 1.5), "steps[0].args.right: expected a kind of right"),
        (changed(["cases", 0, "steps", 0, "args", "right"], 2**40), "steps[0].args.right: 1099511627776 is not a number of 32 bits"),
        (script(step("mach_port_type", {"name": {"a": 1}})), "steps[0].args.name: expected a port name"),
        (script(step("mach_port_type", {"name": True})), "steps[0].args.name: expected a port name"),
        (script(step("mach_ports_register", {"ports": [1, [2]]})), "steps[0].args.ports[1]: expected a port name"),
        (script(step("mach_msg_send", {"dest": 1, "body": [[1, 2, 3]]})), "args.body[0]: expected a descriptor"),
        (script(step("task_create", {"parent": "A", "parent_task": "A"})), "args.parent_task: duplicate argument parent_task"),
        (script(step("task_create", {"parent": "A", "inherit_memory": 2})), "args.inherit_memory: expected true or false"),
        (script(step("host_security_set_task_token", {"host_security": 1, "task": "A", "token": [1]})), "expected a token of 2 numbers, got 1"),
        (script(step("mach_task_self", expect={"ret": []})), "steps[0].expect.ret: expected a return code"),
        (script(step("mach_task_self", expect={"ret_any_of": []})), "expect.ret_any_of: expected an array of return codes"),
        (script(step("mach_port_type", {"name": 1}, expect={"type": [1]})), "expect.type: expected an array of kinds of rights"),
        (script(step("mach_port_names", expect={"counts_equal": 1})), "expect.counts_equal: expected true or false"),
        (script(step("mach_msg_receive", {"port": 1}, expect={"trailer": {"sender": [1]}})), "expect.trailer.sender: expected a token of 2"),
        (
            script(step("mach_port_type", {"name": "ghost"})),
            'steps[0].args.name: unknown symbol "ghost": no earlier step binds it',
        ),
        (script(step("mach_port_type", {"task": "p", "name": 1}), STEP), 'steps[0].args.task: unknown symbol "p"'),
        (script(step("mach_task_self", expect={"name_ne": ["p"]})), 'steps[0].expect.name_ne: unknown symbol "p"'),
    ],
)
def test_a_case_that_can_not_be_read_is_not_modelled(data: Any, message: str) -> None:
    assert message in unreadable(data)


def test_a_case_that_can_not_be_read_does_not_refuse_its_file() -> None:
    cases = [5, {"id": "first", "steps": [step("mach_port_type", {"name": "ghost"})]}, *SCRIPT["cases"], {"id": "one", "steps": []}]
    read = parse(SCRIPT | {"cases": cases}).cases
    assert [case.id for case in read] == ["cases[0]", "first", "one", "cases[3]"]
    assert isinstance(read[2].steps[0], PlannedStep)
    result = replay([Script(path="suite.json", cases=read)], ReferenceKernel, Oracle)
    assert (result.passed, result.failed, result.not_modelled, result.unreadable) == (1, 0, 3, 3)
    assert "1 case passed, 0 failed, 3 not modelled (3 of them can't be read)" in summary(result)


def test_a_profile_from_outside_replaces_an_unknown_one() -> None:
    data = json.dumps(changed(["profile"], "mach3")).encode()
    assert parse_script(data, "suite.json", MANUAL).cases[0].profile == "mach3"


def test_a_symbol_that_an_unmodelled_step_binds_is_not_unknown() -> None:
    read = only_step(step("mach_port_allocate_qos", {"right": "RECEIVE"}, bind={"name": "q"}), step("mach_port_type", {"name": "q"}))
    assert isinstance(read, UnmodelledStep)


def test_a_symbol_that_only_preconditions_introduce_is_not_modelled() -> None:
    read = only_step(step("mach_port_type", {"name": "q"}), preconditions="q is a receive right of A")
    assert isinstance(read, UnmodelledStep)
    assert '"q"' in read.reason


def test_bad_paths(tmp_path: Path) -> None:
    with pytest.raises(BadScript, match="is a directory"):
        load_script(tmp_path)
    with pytest.raises(BadScript, match="no such file"):
        load_script(tmp_path / "none.json")
    with pytest.raises(BadScript, match=re.escape("a\\nb.json: no such file")):
        load_script(tmp_path / "a\nb.json")
    with pytest.raises(BadScript, match="can't be read"):
        load_script("a\0b")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root reads everything")
def test_an_unreadable_file(tmp_path: Path) -> None:
    path = tmp_path / "secret.json"
    path.write_text(json.dumps(SCRIPT))
    path.chmod(0)
    with pytest.raises(BadScript, match="can't be read"):
        load_script(path)


def test_a_file_with_a_byte_order_mark_is_read() -> None:
    assert parse(b"\xef\xbb\xbf" + json.dumps(SCRIPT).encode()).cases[0].id == "one"


def test_the_published_schema_is_the_codes() -> None:
    published = json.loads((ROOT / "docs" / "script.schema.json").read_text())
    assert published == script_schema(), "write script_schema() to docs/script.schema.json again"
    jsonschema.Draft202012Validator.check_schema(published)


@pytest.mark.parametrize("path", OWN_SCRIPTS, ids=lambda path: path.stem)
def test_own_scripts_are_of_the_schema(path: Path) -> None:
    jsonschema.Draft202012Validator(script_schema()).validate(json.loads(path.read_text()))
    assert load_script(path).cases


@pytest.mark.skipif(not SHARED_SCRIPTS.is_dir(), reason="the scripts read from other kernels' suites are not here")
@pytest.mark.parametrize("name", ["gnumach.json", "osf_mk.json"])
def test_other_suites_are_of_the_schema(name: str) -> None:
    jsonschema.Draft202012Validator(script_schema()).validate(json.loads((SHARED_SCRIPTS / name).read_text()))


@pytest.mark.parametrize("data", [{}, changed(["cases"], []), changed(["format"], "x"), changed(["cases", 0, "steps", 0, "args"], [])])
def test_the_schema_refuses(data: Any) -> None:
    assert not jsonschema.Draft202012Validator(script_schema()).is_valid(data)
