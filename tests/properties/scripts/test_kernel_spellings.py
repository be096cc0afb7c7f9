"""What the kernels' own headers and programs write: flags, names, expressions, structures, words by name or
position.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from sendright.impl.reference import ReferenceKernel
from sendright.mach.abi.headers import headers_of
from sendright.mach.kernel.profiles import PROFILES
from sendright.mach.results.checks import CaseResult
from sendright.mach.signatures import SIGNATURES
from sendright.mach.signatures.guards import CONSTRUCT_FLAGS
from sendright.model.execution.oracle import Oracle
from sendright.properties.scripts import load
from sendright.properties.scripts.constants import _MACROS, NoExpression, UnknownConstant, constant, evaluate
from sendright.properties.scripts.load import parse_script
from sendright.properties.scripts.replay import replay
from sendright.properties.scripts.schema import StepForm
from sendright.properties.scripts.steps import PlannedStep, UnmodelledStep


def step(call: str, args: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    return {"as": "A", "call": call, "args": args or {}, **more}


PORT = step("mach_port_allocate", {"right": "RECEIVE"}, bind={"name": "p"})
SEND_RIGHT = step("mach_port_insert_right", {"name": "p", "right": ["p", "MACH_MSG_TYPE_MAKE_SEND"]})


def read(step_: dict[str, Any], profile: str = "xnu") -> PlannedStep | UnmodelledStep:
    data = {"format": "mach-cases/1", "profile": profile, "cases": [{"id": "one", "steps": [step_]}]}
    return parse_script(json.dumps(data).encode(), "suite.json").cases[0].steps[0]


def run(*steps: dict[str, Any], profile: str = "xnu") -> CaseResult:
    data = {"format": "mach-cases/1", "profile": profile, "cases": [{"id": "one", "steps": list(steps)}]}
    return replay([parse_script(json.dumps(data).encode(), "suite.json")], ReferenceKernel, Oracle).cases[0]


def verdict(*steps: dict[str, Any], profile: str = "xnu") -> tuple[str, str | None]:
    result = run(*steps, profile=profile)
    return result.verdict, result.reason or (f"{result.step}: expected {result.expected}, seen {result.seen}" if result.expected else None)


# Expressions


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("1<<10", 1024),
        ("0x1F", 31),
        ("0100", 64),
        ("~0", -1),
        ("0xffUL", 255),
        ("(MACH_NOTIFY_FIRST + 002)", 66),
        ("EXC_MASK_CRASH | EXC_MASK_GUARD", 0x1400),
        ("EXC_MASK_ALL & ~EXC_MASK_RESOURCE", 0x13FE),
        ("1 << EXC_CRASH", 0x400),
        ("MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND, MACH_MSG_TYPE_MAKE_SEND_ONCE)", 19 | 21 << 8),
        ("MACH_RCV_TRAILER_ELEMENTS(MACH_RCV_TRAILER_AUDIT)", 3 << 24),
        ("MACH_PORT_TYPE(MACH_PORT_RIGHT_DEAD_NAME)", 1 << 20),
        ("MPO_CONTEXT_AS_GUARD|MPO_STRICT", 0x21),
        ("017", 15),
        ("00", 0),
        ("1ull + 2LU", 3),
        (" ( 1|\t2 ) ", 3),
        ("1 - -1", 2),
        ("MACH_MSGH_BITS_SET(19, 0, 0, 0x80000013)", 0x80000013),
        ("MACH_PORT_MAKE(3, 0x02000000)", 0x302),
        ("MACH_RCV_TRAILER_ELEMENTS(0x13)", 3 << 24),
    ],
)
def test_expressions(text: str, number: int) -> None:
    words = headers_of("xnu")
    assert evaluate(text, lambda name: constant(name, words)) == number


@pytest.mark.parametrize(
    "text",
    [
        "1 << 64",
        "1 << -1",
        "2 ** 9",
        "a.b",
        "f(1)",
        "'x'",
        "1.5",
        "",
        "1 if 1 else 2",
        "(" * 300,
        "-" * 400 + "1",
        "1+" * 300 + "1",
        "MACH_PORT_TYPE(1, 2)",
        "9" * 30,
        "[1][0]",
        "True",
        "0b1",
        "0o17",
        "1_0",
        "08",
        "1uu",
        "1lL",
        "--1",
        "1--1",
        "1++1",
        "~ ++1",
        "MACH_PORT_TYPE(1,)",
        "(MACH_PORT_TYPE)(1)",
        "MACH_PORT_TYPE(right=1)",
        "MACH_NOTIFY_FIRST # oops | nonsense(",
        "1 # 2",
        "1 \\\n + 1",
        "1 // 2",
        "not 1",
        "1 or 2",
        "\uff2d\uff21\uff23\uff28_NOTIFY_FIRST",
        "\u0661",
        "1\u00a0",
        "1\0",
        "-(1 << 63) * 2",
        "~(0xffffffffffffffff)",
    ],
)
def test_no_expressions(text: str) -> None:
    words = headers_of("xnu")
    with pytest.raises(NoExpression):
        evaluate(text, lambda name: constant(name, words))


@pytest.mark.parametrize("macro", _MACROS)
@pytest.mark.parametrize("wrong", ["-1", "1 << 32", "0xffffffffffffffff", "1 << 63"])
def test_each_macro_refuses_an_argument_that_is_too_large_and_computes_nothing_of_it(macro: str, wrong: str, monkeypatch: pytest.MonkeyPatch) -> None:
    bits, _ = _MACROS[macro]

    def computes(*values: int) -> int:
        raise AssertionError(f"computes {macro}{values}")

    monkeypatch.setitem(_MACROS, macro, (bits, computes))
    for place in range(len(bits)):
        arguments = ["0"] * len(bits)
        arguments[place] = wrong
        with pytest.raises(NoExpression, match=f"does not fit into {macro}"):
            evaluate(f"{macro}({', '.join(arguments)})", lambda name: 0)


@pytest.mark.parametrize("macro", _MACROS)
def test_the_value_of_each_macro_has_32_bits(macro: str) -> None:
    bits, _ = _MACROS[macro]
    largest = ", ".join(str((1 << most) - 1) for most in bits)
    assert 0 <= evaluate(f"{macro}({largest})", lambda name: 0) < 1 << 32


def test_a_name_of_another_profile_is_said_so() -> None:
    with pytest.raises(UnknownConstant, match=r"is not in the headers of osf; MACH_NOTIFY_SEND_POSSIBLE is in those of xnu"):
        constant("SEND_POSSIBLE", headers_of("osf"), ("MACH_NOTIFY_",))
    with pytest.raises(UnknownConstant, match="no header"):
        constant("NONSENSE", headers_of("osf"), ("MACH_NOTIFY_",))


# Arguments


@pytest.mark.parametrize(
    ("call", "spelled", "expected"),
    [
        (
            "mach_port_construct",
            {"flags": "MPO_CONTEXT_AS_GUARD|MPO_STRICT", "context": "0x123456789abcdef0"},
            {"context_as_guard": True, "strict": True, "immovable": False, "insert_send": False, "context": 0x123456789ABCDEF0},
        ),
        ("mach_port_construct", {"flags": ["MPO_INSERT_SEND_RIGHT", "QLIMIT"], "mpl": {"mpl_qlimit": 3}}, {"insert_send": True, "qlimit": 3}),
        ("mach_port_construct", {"options": {"flags": 0x12, "mpl": {"mpl_qlimit": 3}}}, {"insert_send": True, "qlimit": 3}),
        ("mach_port_construct", {"options": "MPO_INSERT_SEND_RIGHT", "qlimit": 9}, {"insert_send": True}),
        ("mach_port_construct", {"flags": "MPO_QLIMIT"}, {"qlimit": 0}),
        ("mach_port_construct", {"flags": 0x1400}, {"service": True, "reply": True, "exception": False}),
        ("mach_port_construct", {"flags": "MPO_PROVISIONAL_REPLY_PORT"}, {"provisional_reply": True, "reply": False}),
        ("mach_port_construct", {"flags": "MPO_ENFORCE_REPLY_PORT_SEMANTICS|MPO_STRICT"}, {"enforce_reply": True, "strict": True}),
        ("mach_port_construct", {"flags": ["MPO_EXCEPTION_PORT"]}, {"exception": True, "enforce_reply": False}),
        ("mach_port_construct", {"insert_send": True, "qlimit": 9}, {"insert_send": True, "qlimit": 9}),
        ("mach_port_destruct", {"name": 259, "delta": -1, "context": "0xffffffffffffffff"}, {"srdelta": -1, "guard": 2**64 - 1}),
        (
            "mach_port_request_notification",
            {"name": 259, "notify": "MACH_NOTIFY_NO_SENDERS", "notify_port": 515, "notifyPoly": "MACH_MSG_TYPE_MAKE_SEND_ONCE"},
            {"variant": 70, "notify": 515, "notify_disposition": 21},
        ),
        (
            "mach_port_request_notification",
            {"name": 259, "msgid": "MACH_NOTIFY_DEAD_NAME", "notify": {"port": 515, "type": "MAKE_SEND_ONCE"}},
            {"variant": 72, "notify": 515, "notify_disposition": 21},
        ),
        ("mach_port_request_notification", {"name": 259, "variant": "0x46", "notify": [515, 21]}, {"variant": 70, "notify": 515}),
        ("mach_port_insert_right", {"name": 259, "poly": ["mach_task_self", "COPY_SEND"]}, {"disposition": 19}),
        ("mach_port_extract_right", {"name": 259, "msgt_name": "MACH_MSG_TYPE_COPY_SEND"}, {"disposition": 19}),
        ("task_set_exception_ports", {"mask": 2, "behavior": "EXCEPTION_DEFAULT|MACH_EXCEPTION_CODES"}, {"behavior": 0x80000001}),
        ("task_get_exception_ports", {"mask": "1 << EXC_BREAKPOINT"}, {"exception_mask": 64}),
        ("task_get_exception_ports", {"mask": "EXC_BREAKPOINT|EXC_SOFTWARE"}, {"exception_mask": 0x60}),
        ("task_get_exception_ports", {"mask": "EXC_BAD_ACCESS | (1 << EXC_BREAKPOINT)"}, {"exception_mask": 0x42}),
        ("task_get_exception_ports", {"mask": ["1 << EXC_BREAKPOINT", "EXC_SOFTWARE", "BAD_ACCESS"]}, {"exception_mask": 0x62}),
        ("host_get_special_port", {"host_priv": "host_priv", "which": "HOST_AMFID_PORT"}, {"which": 18}),
        ("mach_port_peek", {"name": 259, "trailer_type": "MACH_RCV_TRAILER_SENDER", "request_seqnop": 0}, {"trailer": 2, "seqno": 0}),
        (
            "mach_msg_receive",
            {"rcv_name": 259, "option": "MACH_RCV_MSG|MACH_RCV_LARGE|MACH_RCV_TRAILER_ELEMENTS(MACH_RCV_TRAILER_AUDIT)"},
            {"port": 259, "large": True, "trailer": 3},
        ),
        ("mach_msg_receive", {"port": 259, "options": 0x3000006}, {"large": True, "trailer": 3}),
        ("mach_msg_receive", {"port": 259, "trailer_elements": "MACH_RCV_TRAILER_ELEMENTS(MACH_RCV_TRAILER_CTX)"}, {"trailer": 4}),
        ("mach_msg_receive", {"port": 259, "trailer_elements": ["SENDER", "SEQNO"]}, {"trailer": 2}),
        ("mach_msg_receive", {"port": 259, "options": ["MACH_RCV_MSG", "MACH_RCV_TRAILER_SENDER"]}, {"trailer": 2}),
        (
            "mach_msg_receive",
            {"port": 259, "options": "MACH_RCV_TRAILER_ELEMENTS( MACH_RCV_TRAILER_AUDIT ) | MACH_RCV_TRAILER_SEQNO"},
            {"trailer": 3},
        ),
        (
            "mach_msg_send",
            {"msgh_remote_port": 259, "msgh_local_port": 515, "msgh_bits": "MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND, 21)", "msgh_id": "0x1234"},
            {"dest_disposition": 19, "reply_disposition": 21, "id": 0x1234, "dest": 259, "reply": 515},
        ),
        ("mach_msg_send", {"dest": [259, "MOVE_SEND"], "id": "0xdeadbeef"}, {"dest": 259, "dest_disposition": 17, "id": 0xDEADBEEF}),
        ("mach_port_set_attributes", {"name": 259, "flavor": "LIMITS_INFO", "port_info": "MACH_PORT_QLIMIT_LARGE"}, {"info": (1024,)}),
        ("mach_port_set_mscount", {"name": 259, "mscount": "0x10"}, {"mscount": 16}),
        ("task_set_exception_ports", {"mask": 2, "behavior": 1, "new_flavor": "x86_THREAD_STATE64"}, {"new_flavor": 4}),
    ],
)
def test_arguments(call: str, spelled: dict[str, Any], expected: dict[str, Any]) -> None:
    planned = read(step(call, spelled))
    assert isinstance(planned, PlannedStep), planned
    assert {name: planned.arguments.get(name) for name in expected} == expected


@pytest.mark.parametrize(
    ("spelled", "reason"),
    [
        ({"flags": "MPO_CONNECTION_PORT"}, "MPO_CONNECTION_PORT"),
        ({"flags": 0x800}, "MPO_CONNECTION_PORT"),
        ({"flags": "1<<11"}, "MPO_CONNECTION_PORT"),
        ({"flags": 0x20000000}, "flags 0x20000000"),
        ({"flags": "MPO_NONSENSE"}, "in no header"),
        ({"flags": [], "options": 1}, "can't be read: steps[0].args.options: duplicate argument flags"),
        ({"flags": 1, "strict": True}, "duplicate argument strict"),
        ({"flags": 1.5}, "args.flags: expected flags"),
        ({"mpl": {"mpl_qlimit": 1, "more": 2}}, "not just a qlimit"),
    ],
)
def test_flags_that_are_not_modelled_by_name_or_by_number(spelled: dict[str, Any], reason: str) -> None:
    found = read(step("mach_port_construct", spelled))
    assert isinstance(found, UnmodelledStep)
    assert reason in found.reason


@pytest.mark.parametrize(
    ("call", "by_name", "by_number"),
    [
        ("mach_port_construct", {"flags": "MPO_FILTER_MSG"}, {"flags": "0x100"}),
        ("task_info", {"flavor": "TASK_VM_INFO"}, {"flavor": 22}),
        ("mach_msg_send", {"dest": 259, "options": "MACH_SEND_OVERRIDE"}, {"dest": 259, "options": 0x21}),
        ("task_set_exception_ports", {"mask": 2, "new_flavor": "ARM_PAGEIN_STATE"}, {"mask": 2, "new_flavor": 27}),
    ],
)
def test_a_name_and_its_number_have_the_same_verdict(call: str, by_name: dict[str, Any], by_number: dict[str, Any]) -> None:
    expect = {"ret": "KERN_SUCCESS"}
    assert verdict(step(call, by_name, expect=expect))[0] == verdict(step(call, by_number, expect=expect))[0] == "not_modelled"


@pytest.mark.parametrize(
    ("call", "by_name", "by_number"),
    [
        ("task_get_special_port", {"which": "TASK_NAME_PORT"}, {"which": 3}),
        ("task_get_special_port", {"which": "TASK_ACCESS_PORT"}, {"which": 9}),
        ("task_get_exception_ports", {"mask": "EXC_MASK_CRASH"}, {"mask": 1 << 10}),
        ("task_get_exception_ports", {"mask": "EXC_CRASH"}, {"mask": "0x400"}),
    ],
)
def test_a_name_and_its_number_are_the_same(call: str, by_name: dict[str, Any], by_number: dict[str, Any]) -> None:
    expect = {"ret": "KERN_SUCCESS"}
    assert verdict(step(call, by_name, expect=expect))[0] == verdict(step(call, by_number, expect=expect))[0] == "passed"


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("spelled", [{"flags": 0}, {"flags": "0"}, {"options": 0}, {"options": {"flags": 0}}, {"options": {"flags": "0", "mpl": 3}}])
def test_no_flags_need_no_names_of_flags(profile: str, spelled: dict[str, Any]) -> None:
    """Only later kernels have ``MPO_…``; a structure without flags is the same in all of them."""
    found = read(step("mach_port_construct", spelled), profile)
    assert isinstance(found, PlannedStep), found
    assert found.arguments == dict.fromkeys(set(CONSTRUCT_FLAGS.values()) - {"qlimit"}, False)


_ODD = (0, -1, "0", "1<<31", "NONSENSE", "MPO_QLIMIT", "EXC_CRASH", [], ["SEND", "MACH_RCV_MSG"], {}, {"flags": 0}, None, True)


@pytest.mark.parametrize("profile", PROFILES)
def test_whatever_an_argument_is_reading_it_looks_up_no_name_that_the_profile_lacks(profile: str) -> None:
    kernels_own = ("options", "flags", "mpl", "timeout", "msgh_bits", "ool_ports", "notify", "right")
    steps = [
        step(call, {name: value})
        for call, signature in SIGNATURES.items()
        for name in {each.name for each in signature.arguments} | set(kernels_own)
        for value in _ODD
    ]
    cases = [{"id": f"{index}", "steps": [each]} for index, each in enumerate(steps)]
    data = {"format": "mach-cases/1", "profile": profile, "cases": cases}
    found = [case.steps[0] for case in parse_script(json.dumps(data).encode(), "suite.json").cases]
    assert [each.reason for each in found if isinstance(each, UnmodelledStep) and "report this fault" in each.reason] == []


def test_a_fault_in_reading_one_case_leaves_the_others_their_verdicts(monkeypatch: pytest.MonkeyPatch) -> None:
    real = load.read_step

    def lacks_a_name(form: StepForm, *more: Any) -> PlannedStep | UnmodelledStep:
        return {}["MPO_QLIMIT"] if form.call == "task_create" else real(form, *more)

    monkeypatch.setattr(load, "read_step", lacks_a_name)
    bad, good = {"id": "bad", "steps": [step("task_create")]}, {"id": "good", "steps": [PORT]}
    data = {"format": "mach-cases/1", "profile": "xnu", "cases": [bad, good]}
    result = replay([parse_script(json.dumps(data).encode(), "suite.json")], ReferenceKernel, Oracle)
    assert [case.verdict for case in result.cases] == ["not_modelled", "passed"]
    assert "steps[0]: sendright has no entry for what it needs (KeyError: 'MPO_QLIMIT'): report this fault" in (result.cases[0].reason or "")
    assert result.unreadable == 1


def test_a_name_that_only_another_profile_has_is_not_modelled() -> None:
    found = read(step("mach_port_request_notification", {"name": 1, "variant": "SEND_POSSIBLE"}), "osf")
    assert isinstance(found, UnmodelledStep)
    assert "not in the headers of osf; MACH_NOTIFY_SEND_POSSIBLE is in those of xnu" in found.reason


# Expectations


def attributes(**expect: Any) -> tuple[str, str | None]:
    asked = step("mach_port_get_attributes", {"name": "p", "flavor": "MACH_PORT_RECEIVE_STATUS"}, expect=expect)
    return verdict(PORT, SEND_RIGHT, asked)


@pytest.mark.parametrize(
    "expect",
    [
        {"info": [0, 0, 1, "MACH_PORT_QLIMIT_BASIC", 0, 0, 1, 0, 0, 0]},
        {"info": [None, None, 1]},
        {"info": {"mps_srights": True, "2": 1}},
        {"fields": {"mps_qlimit": 5, "mscount": 1}},
        {"mps_mscount": 1, "qlimit": 5},
        {"flags": 0},
    ],
)
def test_words_of_attributes(expect: dict[str, Any]) -> None:
    assert attributes(**expect) == ("passed", None)


@pytest.mark.parametrize(
    ("expect", "why"),
    [
        ({"info": [None, None, 2]}, "2: expected word 2 2, seen word 2 1"),
        ({"mps_mscount": 2}, "2: expected mscount 2, seen mscount 1"),
        ({"info": {"11": 0}}, "2: expected word 11 0"),
    ],
)
def test_wrong_words_of_attributes(expect: dict[str, Any], why: str) -> None:
    found, reason = attributes(**expect)
    assert found == "failed"
    assert (reason or "").startswith(why)


SENT = (
    step("mach_port_allocate", {"right": "RECEIVE"}, bind={"name": "p"}),
    step("mach_msg_send", {"dest": ["p", "MAKE_SEND"], "id": "0xdeadbeef"}),
)


@pytest.mark.parametrize(
    "expect",
    [
        {"trailer": {"audit": {"pid": "pid(A)"}}},
        {"trailer": {"pid": "audit_token(A)[5]", "euid": "audit_token(A).euid"}},
        {"trailer": {"msgh_audit": [None, None, None, None, None, "audit_token_to_pid(audit_token(A))", None, None]}},
        {"pid": "pid(A)"},
        {"sender_pid": "audit_token(A).val[5]", "security_token": "security_token(A)"},
        {"trailer": {"audit": {"5": "pid(A)"}, "sender": {"uid": "security_token(A)[0]"}, "msgh_seqno": 0, "msgh_trailer_size": 52}},
        {"msgh_id": "0xdeadbeef", "trailer_elements": "MACH_RCV_TRAILER_AUDIT"},
        {"msg_id": 0xDEADBEEF - (1 << 32)},
    ],
)
@pytest.mark.parametrize("profile", ["manual", "xnu"])
def test_words_of_a_trailer(expect: dict[str, Any], profile: str) -> None:
    assert verdict(*SENT, step("mach_msg_receive", {"port": "p"}, expect=expect), profile=profile) == ("passed", None)


@pytest.mark.parametrize(
    ("args", "reason"),
    [
        ({"notify": ["p", "p", 1]}, 'args.notify: expected a right: a name, or [name, disposition], got an array: ["p","p",1]'),
        ({"name": "p", "notify": {"port": "p"}}, 'args.notify: expected a right: a name, or [name, disposition], got an object: {"port":"p"}'),
    ],
)
def test_a_message_shows_what_the_script_has(args: dict[str, Any], reason: str) -> None:
    read, why = verdict(PORT, step("mach_port_request_notification", args))
    assert read == "not_modelled"
    assert reason in (why or "")


@pytest.mark.parametrize(
    ("call", "args", "place"),
    [
        ("mach_msg_send", {"dest": 259, "msgh_bits": 1 << 40}, "args.msgh_bits"),
        ("mach_msg_receive", {"port": 259, "options": [1]}, "args.options"),
        ("mach_msg_receive", {"port": 259, "option": 1 << 40}, "args.option"),
        ("mach_msg_receive", {"port": 259, "options": True}, "args.options"),
        ("mach_msg_receive", {"port": 259, "timeout": -1}, "args.timeout"),
    ],
)
def test_a_word_of_mach_msg_that_is_wrong_is_named(call: str, args: dict[str, Any], place: str) -> None:
    read, why = verdict(step(call, args))
    assert read == "not_modelled"
    assert f"steps[0].{place}: " in (why or "")


def test_what_a_notification_has() -> None:
    asked = step("mach_port_request_notification", {"name": "p", "notify": "MACH_NOTIFY_NO_SENDERS", "notify_port": "n", "sync": 0})
    gone = step("mach_port_deallocate", {"name": "p"})
    received = step("mach_msg_receive", {"port": "n"}, expect={"notification": "MACH_NOTIFY_NO_SENDERS", "not_count": 1})
    other = step("mach_port_allocate", {"right": "RECEIVE"}, bind={"name": "n"})
    assert verdict(PORT, SEND_RIGHT, other, asked, gone, received) == ("passed", None)


def test_a_wrong_pid_fails() -> None:
    asked = step("mach_msg_receive", {"port": "p"}, expect={"trailer": {"audit": {"pid": 77}}})
    assert verdict(*SENT, asked, profile="manual") == ("failed", "2: expected audit token[5] 77, seen audit token[5] 101")


def test_words_of_a_token_that_is_read() -> None:
    asked = step("task_info", {"flavor": "TASK_AUDIT_TOKEN"}, expect={"pid": "pid(A)"})
    assert verdict(asked) == ("passed", None)
    asked = step("task_info", {"flavor": "TASK_AUDIT_TOKEN"}, expect={"value": {"pid": 7}})
    assert verdict(asked)[0] == "failed"
    asked = step("task_info", {"flavor": "TASK_AUDIT_TOKEN"}, expect={"value": [None, None, None, None, None, "pid(A)"]})
    assert verdict(asked) == ("passed", None)


KINDS = ["MACH_PORT_TYPE_SEND|MACH_PORT_TYPE_RECEIVE", 0x30000, "0x80030000", ["SEND", "RECEIVE", "DNREQUEST"], "SEND_RECEIVE"]


@pytest.mark.parametrize("kinds", KINDS, ids=str)
def test_kinds_of_rights(kinds: Any) -> None:
    assert verdict(PORT, SEND_RIGHT, step("mach_port_type", {"name": "p"}, expect={"type": kinds})) == ("passed", None)


@pytest.mark.parametrize("code", ["KERN_INVALID_NAME", 15, "0xf", "0x0F"])
def test_return_codes(code: Any) -> None:
    assert verdict(step("mach_port_type", {"name": 32515}, expect={"ret": code})) == ("passed", None)


def test_constructed_with_flags() -> None:
    made = step("mach_port_construct", {"options": {"flags": "MPO_INSERT_SEND_RIGHT|MPO_QLIMIT", "mpl": {"mpl_qlimit": 3}}}, bind={"name": "p"})
    asked = step("mach_port_get_attributes", {"name": "p", "flavor": 2}, expect={"mps_qlimit": 3, "mps_srights": 1})
    assert verdict(made, asked, step("mach_port_type", {"name": "p"}, expect={"type": ["SEND", "RECEIVE"]})) == ("passed", None)
