"""C programs: they compile against Mach's headers, and leave nothing out in silence."""

import re
import shutil
import subprocess
from itertools import product
from pathlib import Path

import msgspec
import pytest
from support.exported import GROWING, failing, growing, wrong_code
from support.places import TESTS

from sendright.impl.reference import ReferenceKernel
from sendright.mach.abi.codes import IN_PROGRESS
from sendright.mach.kernel.call import Call
from sendright.mach.kernel.profiles import PROFILES
from sendright.mach.state.trace import LIMITS, Trace
from sendright.model.execution.oracle import Oracle
from sendright.model.execution.witnesses import Witness, calls_of, witnesses
from sendright.properties.interchange.c_program import CProgram, c_program
from sendright.properties.interchange.c_text import comment, string
from sendright.properties.interchange.recorded import NoRun, known_run, run_of_calls

HEADERS = TESTS / "support" / "xnu_headers"
COMPILER = shutil.which("gcc") or shutil.which("cc")
needs_compiler = pytest.mark.skipif(COMPILER is None, reason="no C compiler")


def program(trace: Trace, title: str = "a run", profile: str | None = None) -> CProgram:
    return c_program(known_run(trace, ReferenceKernel, Oracle, PROFILES[profile] if profile else None), title)


def refused_by_compiler(folder: Path, *texts: str) -> str:
    assert COMPILER is not None
    for number, text in enumerate(texts):
        (folder / f"run{number}.c").write_text(text, "ascii")
    flags = ["-std=gnu11", "-fsyntax-only", "-Wall", "-Wextra", "-Werror", f"-I{HEADERS}"]
    names = [f"run{number}.c" for number in range(len(texts))]
    return subprocess.run([COMPILER, *flags, *names], cwd=folder, capture_output=True, text=True, check=False).stderr


def shortest_runs(profile: str) -> dict[str, tuple[Witness, int]]:
    """Of each call that the first task makes: the recorded run in which it comes earliest, and how many calls that
    is.
    """
    found: dict[str, tuple[Witness, int]] = {}
    for witness in witnesses(PROFILES[profile]):
        for number, step in enumerate(witness.steps, 1):
            if step.task or step.call.shortage or step.call.stop or step.call.resume or step.result.code in IN_PROGRESS:
                break
            known = found.get(step.call.name)
            if known is None or number < known[1]:
                found[step.call.name] = witness, number
    return found


@needs_compiler
@pytest.mark.parametrize(("profile", "least"), [("manual", 35), ("osf", 25), ("xnu-792", 25), ("xnu", 40)])
def test_programs_compile_with_xnus_spellings(profile: str, least: int, tmp_path: Path) -> None:
    """Of each call the run in which it comes earliest."""
    texts, expressed = [], set()
    for call, (witness, number) in shortest_runs(profile).items():
        limits = {limit: getattr(witness, limit) for limit in LIMITS}
        made = program(run_of_calls(calls_of(witness)[:number], profile, limits, ReferenceKernel, Oracle))
        texts.append(made.text)
        if made.missing is None:
            expressed.add(call)
        assert made.text.count(".why_not =") == (made.missing is not None)
    assert refused_by_compiler(tmp_path, *texts) == ""
    assert len(expressed) >= least, (len(expressed), sorted(shortest_runs(profile).keys() - expressed))


def test_each_step_is_there_or_said_to_be_missing() -> None:
    trace = growing("manual")
    made = program(trace)
    assert made.missing is not None
    assert str(made.missing) == "call 6 isn't expressed: task 1 makes it: here only the process itself makes calls"
    assert len(re.findall(r"^static kern_return_t step_\d+\(", made.text, re.MULTILINE)) == 5
    assert "NOT EXPRESSED: call 6" in made.text
    live = program(growing("gnumach"))
    assert live.missing is None
    assert len(re.findall(r"^static kern_return_t step_\d+\(", live.text, re.MULTILINE)) == len(trace.steps)


def test_a_program_expects_what_is_right_not_what_was_seen() -> None:
    for trace in (failing(), wrong_code()):
        assert trace.violations
        text = program(trace).text
        assert "(uint32_t) KERN_INVALID_TASK" in text
        assert "KERN_INVALID_VALUE" not in text
        state = text[text.index("static void state_2") :]
        assert "got.host_priv" not in state[: state.index("\n}\n")], "the right that moved away is gone"


def test_names_are_variables_and_guesses_are_numbers() -> None:
    text = program(growing("gnumach")).text
    assert "mach_port_insert_right(got.p2, 77, got.p3, MACH_MSG_TYPE_COPY_SEND)" in text
    assert ".name_77 = 77," in text
    assert "mach_port_mod_refs(got.p4, got.name_77, MACH_PORT_RIGHT_SEND, 2)" in text or "got.name_77" in text


@needs_compiler
def test_messages_are_structures_with_xnus_spellings(tmp_path: Path) -> None:
    alone = [GROWING[index] for index in (0, 2, 3, 7, 8, 9)]
    calls = [(0, Call(call.name, {**call.arguments, **renamed})) for (_, call), renamed in zip(alone, RENAMED, strict=True)]
    made = program(run_of_calls(calls, "manual", {}, ReferenceKernel, Oracle))
    assert made.missing is None
    assert refused_by_compiler(tmp_path, made.text) == ""
    assert "mach_msg_port_descriptor_t part_0; mach_msg_ool_ports_descriptor_t part_1;" in made.text
    assert 'expect("descriptor 1, how many", 2);' in made.text


RENAMED = [{}, {}, {"name": 7, "poly": 7}, {"dest": 7, "descriptors": ((7, 20), ((6, 6), 19))}, {"port": 7}, {"name": 7}]
"""Without a second task, the new port has the name that the task's port had."""


def test_a_shortage_and_what_follows_a_waiting_call_are_not_expressed() -> None:
    waits = [(0, Call("mach_task_self", {})), (0, Call("mach_reply_port", {}))]
    trace = run_of_calls([*waits, (0, Call("mach_msg_receive", {"port": 4, "wait": True}))], "gnumach", {}, ReferenceKernel, Oracle)
    made = program(trace)
    assert made.missing is None
    assert ".waits = 1" in made.text
    short = run_of_calls([(0, Call("mach_reply_port", {}, shortage=1))], "gnumach", {}, ReferenceKernel, Oracle)
    assert program(short).missing is not None


def test_a_run_that_can_not_be_made_again_is_refused() -> None:
    trace = growing("manual")
    steps = (msgspec.structs.replace(trace.steps[0], task=9), *trace.steps[1:])
    with pytest.raises((NoRun, KeyError)):
        program(msgspec.structs.replace(trace, steps=steps))


HOSTILE = '*/ int main; /* \\\n#error "x" ??/\n\x1b[31m \u202e ä€😀 %s'


@needs_compiler
def test_hostile_text_stays_in_comments_and_strings(tmp_path: Path) -> None:
    assert refused_by_compiler(tmp_path, program(failing(), HOSTILE).text) == ""
    for written in (comment(HOSTILE), string(HOSTILE)):
        assert written.isascii()
        assert "\n" not in written
    assert comment(HOSTILE).count("*/") == 1
    (tmp_path / "text.c").write_text(f"{comment(HOSTILE)}\nconst char *const text = {string(HOSTILE)};\n", "ascii")
    assert COMPILER is not None
    done = subprocess.run([COMPILER, "-trigraphs", "-Wall", "-Werror", "-fsyntax-only", "text.c"], cwd=tmp_path, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr


def test_no_text_ends_a_comment() -> None:
    """Not even one whose letters become others in C."""
    for letters in product("*/\\?＊／", repeat=4):
        written = comment("".join(letters))
        assert written.index("*/") == len(written) - 2, letters
        assert "/*" not in written[1:], letters
        assert "??" not in written, letters
