"""syzkaller programs: each line is of the language, and calls what the description has, with as many arguments."""

import re

import pytest
from support.places import ROOT

from sendright.impl.reference import ReferenceKernel
from sendright.mach.kernel.call import Call
from sendright.mach.kernel.profiles import PROFILES
from sendright.mach.state.trace import LIMITS
from sendright.model.execution.oracle import Oracle
from sendright.model.execution.witnesses import calls_of, witnesses
from sendright.properties.interchange.recorded import run_of_calls
from sendright.properties.interchange.syzkaller import TRAPS, descriptions, syzkaller

DESCRIBED = ROOT / "docs" / "examples" / "syzkaller" / "mach.txt"


def arguments_of(text: str) -> list[str]:
    """The top-level arguments of a call. Fails if brackets or quotes don't match."""
    closing, open_, found, quoted = {"(": ")", "{": "}", "[": "]"}, [], [""], False
    for letter in text:
        if letter == '"':
            quoted = not quoted
        elif quoted:
            pass
        elif letter in closing:
            open_.append(closing[letter])
        elif letter in closing.values():
            assert open_.pop() == letter
        elif letter == "," and not open_:
            found.append("")
            continue
        found[-1] += letter
    assert not open_
    assert not quoted
    return [each.strip() for each in found if each.strip()]


def described() -> dict[str, list[str]]:
    calls = (re.fullmatch(r"(syz_mach_trap\$\w+)\((.*)\)( mach_port)?", line) for line in DESCRIBED.read_text().splitlines())
    return {call[1]: arguments_of(call[2]) for call in calls if call}


VALUE = re.compile(r'0x[0-9a-f]+|r\d+|&\(0x7f[0-9a-f]{10}\)=(0x[0-9a-f]+|<r\d+=>0x0|""/\d+|\{.*\})')


def check(text: str) -> int:
    """Check a program's lines; gives how many calls it has."""
    known, made, calls = described(), set[str](), 0
    for line in text.splitlines():
        assert line.isascii()
        assert line.isprintable()
        if line.startswith("#"):
            continue
        call = re.fullmatch(r"(?:(r\d+) = )?(syz_mach_trap\$\w+)\((.*)\)", line)
        assert call, line
        given = arguments_of(call[3])
        assert len(given) == len(known[call[2]]), line
        assert all(VALUE.fullmatch(each) for each in given), line
        number = re.fullmatch(r"nr const\[(\d+)\]", known[call[2]][0])
        assert number is not None
        assert int(given[0], 16) == int(number[1])
        new = {*re.findall(r"<(r\d+)=>", line), *([call[1]] if call[1] else [])}
        assert not new & made, "a variable is made once"
        assert set(re.findall(r"\br\d+\b", line)) <= made | new, line
        made |= new
        calls += 1
    return calls


def test_the_description_in_the_docs_is_the_one_that_programs_need() -> None:
    assert DESCRIBED.read_text() == descriptions()
    assert {f"syz_mach_trap${name}" for name in TRAPS} < described().keys()


@pytest.mark.parametrize("profile", ["xnu", "manual"])
def test_programs_of_recorded_runs_are_of_the_language(profile: str) -> None:
    made = left = 0
    for witness in list(witnesses(PROFILES[profile]))[::90]:
        limits = {limit: getattr(witness, limit) for limit in LIMITS}
        trace = run_of_calls(calls_of(witness), profile, limits, ReferenceKernel, Oracle)
        program = syzkaller(trace, "*/ \n r0 = evil(0x0) \x1b[31m")
        calls = check(program.text)
        assert calls + len(program.missing) == len(trace.steps), "no call is silently left out"
        assert all(f"call {each.step + 1} ({each.call})" in program.text for each in program.missing)
        made, left = made + calls, left + len(program.missing)
    assert made >= 3
    assert left >= 3


def test_a_run_of_traps_keeps_its_names_and_says_what_has_no_trap() -> None:
    calls = [
        (0, Call("mach_task_self", {})),
        (0, Call("mach_port_allocate", {"task": 6, "right": 1})),
        (0, Call("mach_port_insert_right", {"task": 6, "name": 7, "poly": 7, "disposition": 20})),
        (0, Call("mach_port_names", {"task": 6})),
        (0, Call("mach_msg_send", {"dest": 7, "descriptors": ((7, 20),)})),
        (0, Call("mach_msg_receive", {"port": 7})),
        (0, Call("mach_port_deallocate", {"task": 1, "name": 7})),
    ]
    program = syzkaller(run_of_calls(calls, "manual", {}, ReferenceKernel, Oracle), "a run")
    lines = [line for line in program.text.splitlines() if not line.startswith("#")]
    assert lines[:3] == [
        "r0 = syz_mach_trap$mach_task_self(0x1c)",
        "syz_mach_trap$mach_port_allocate(0x10, r0, 0x1, &(0x7f0000000000)=<r1=>0x0)",
        "syz_mach_trap$mach_port_insert_right(0x15, r0, r1, r1, 0x14)",
    ]
    assert "{r1, 0x0, 0x0, 0x14, 0x0}" in lines[3]
    assert check(program.text) == 5
    assert [(each.step, each.reason) for each in program.missing] == [
        (3, "XNU has no trap for it, only a message to the task or the host"),
        (6, "a trap acts on the caller's own task only"),
    ]


def test_examples_are_where_the_page_says() -> None:
    text = (ROOT / "docs" / "interchange.md").read_text()
    for name in ("mach.txt", "common_mach.h"):
        assert f"examples/syzkaller/{name}" in text
        assert DESCRIBED.with_name(name).is_file()
