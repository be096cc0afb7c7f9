"""Programs that speak JSON lines: the example in C, and ones that do everything wrong."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from support.places import ROOT

from sendright.cli.main import main
from sendright.impl.adapters.stdio import FIRST_PROTOCOL, PROTOCOL, CantStart, StdioProgram
from sendright.mach.kernel.call import Call, Result
from sendright.mach.kernel.capabilities import NotMade, not_compared
from sendright.mach.kernel.implementation import ImplementationCrash, MalformedState, frames_of
from sendright.mach.kernel.profiles import GNUMACH, MANUAL

EXAMPLE = ROOT / "docs" / "examples" / "stdio_driver.c"
SELF = Call("mach_task_self", {})

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")


@pytest.fixture(scope="module")
def example(tmp_path_factory: pytest.TempPathFactory) -> str:
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        pytest.skip("no C compiler is installed")
    built = tmp_path_factory.mktemp("example") / "stdio_driver"
    subprocess.run([compiler, "-Wall", "-Wextra", "-Werror", "-o", str(built), str(EXAMPLE)], check=True)
    return str(built)


def test_the_example_is_short() -> None:
    assert len(EXAMPLE.read_text().splitlines()) < 150


def test_the_example_is_checked(example: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "--sut", f"stdio:{example}", "--profile", "gnumach", "-n", "20", "--steps", "40"]) == 0
    told = " ".join(capsys.readouterr().out.split())
    assert "judged calls on toy kernel" in told
    assert re.search(r"calls that it doesn't have: \d+ \(-v lists them\)", told)
    assert "it doesn't show: suspend count, which port it is," in told
    assert "that it can't make: only calls on the task itself" in told


@pytest.mark.parametrize(
    ("mend", "words"),
    [
        (("return INVALID_NAME", "return INVALID_RIGHT"), "KERN_INVALID_NAME"),
        (("--space[name].urefs == 0", "(space[name].urefs -= 2) <= 0"), "urefs"),
    ],
)
def test_a_fault_in_the_example_is_found(tmp_path: Path, example: str, mend: tuple[str, str], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    source = EXAMPLE.read_text()
    assert mend[0] in source
    (tmp_path / "faulty.c").write_text(source.replace(mend[0], mend[1], 1))
    subprocess.run(["cc", "-o", str(tmp_path / "faulty"), str(tmp_path / "faulty.c")], check=True)
    report = tmp_path / "report"
    command = ["check", "--sut", f"stdio:{tmp_path / 'faulty'}", "--profile", "gnumach", "-n", "60", "--steps", "40", "--report-dir", str(report)]
    assert main(command) == 1
    assert "necessary" in capsys.readouterr().out or (report / "script.json").is_file()


# ---- programs that do everything wrong

HELLO = f'{{"name": "odd", "protocol": "{PROTOCOL}", "capabilities": {{"shows": []}}}}'
PROGRAM = """
import json, sys, time
sys.stdout.reconfigure(encoding="utf-8", errors="surrogateescape")
def hear():
    line = sys.stdin.readline()
    if not line: sys.exit()
    return json.loads(line)
def say(text):
    sys.stdout.write(text + "\\n"); sys.stdout.flush()
"""


def program(tmp_path: Path, text: str, hello: str = HELLO) -> StdioProgram:
    path = tmp_path / "program.py"
    path.write_text(PROGRAM + f"assert hear() == {{'hello': {PROTOCOL!r}}}\nsay({hello!r})\n" + text)
    return StdioProgram(f"{sys.executable} {path}")


ANSWERS = "while True:\n    asked = hear()\n    say({answer!r} if 'call' in asked else '{{}}' if 'boot' in asked else {shown!r})\n"


def answering(tmp_path: Path, answer: str, shown: str = '{"tasks": {}}') -> StdioProgram:
    made = program(tmp_path, ANSWERS.format(answer=answer, shown=shown))
    made.boot(GNUMACH)
    return made


def test_questions_and_answers(tmp_path: Path) -> None:
    heard = tmp_path / "heard"
    text = f"out = open({str(heard)!r}, 'w')\nwhile True:\n    asked = hear()\n    print(json.dumps(asked), file=out, flush=True)\n"
    text += """    say('{"code": 3, "outputs": {"names": [1, 2]}, "created_task": 4, "ended": {"1": {"code": 5}}}' if 'call' in asked else '{}')\n"""
    made = program(tmp_path, text)
    made.boot(GNUMACH)
    assert made.call(2, Call("mach_port_names", {"task": 7}, stop=True)) == Result(3, {"names": (1, 2)}, 4, {1: Result(5)})
    made.call(2, Call("mach_msg_send", {}, resume=True))
    boot, call, resumed = map(msgspec.json.decode, heard.read_text().splitlines())
    assert boot == {"boot": {"profile": "gnumach", "urefs_max": 65535, "queue_limit": 5, "queue_limit_max": 16, "pages": 16}}
    assert call == {"call": "mach_port_names", "task": 2, "arguments": {"task": 7}, "stop": True}
    assert resumed == {"call": "mach_msg_send", "task": 2, "arguments": {}, "resume": True}


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ("nonsense", "answered 'nonsense', which isn't a valid Answer"),
        ('{"code": "0"}', "which isn't a valid Answer: Expected `int | null`, got `str`"),
        ('{"error": "no memory left"}', "said: no memory left"),
        ("[]", "which isn't a valid Answer"),
        ('{"error": "\udcff"}', "which isn't a valid Answer: not UTF-8 (byte 0xff at line 1, column 12)"),
        ('{"x":' * 10_000, "which isn't a valid Answer: nested too deeply"),
    ],
)
def test_answers_without_form(tmp_path: Path, answer: str, words: str) -> None:
    with pytest.raises(ImplementationCrash) as crash:
        answering(tmp_path, answer).call(0, SELF)
    assert words in str(crash.value)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ('{"not_made": "no room"}', "not_made: no room"),
        ('{"not_made": ""}', "not_made: "),
        ('{"code": 5}', "code 5"),
        ('{"error": "no"}', "said: no"),
    ],
)
def test_what_says_that_it_has_not_booted_has_not(tmp_path: Path, answer: str, words: str) -> None:
    made = program(tmp_path, f"while True:\n    say({answer!r} if 'boot' in hear() else '{{}}')\n")
    with pytest.raises(ImplementationCrash) as crash:
        made.boot(MANUAL)
    assert words in str(crash.value)


def test_a_program_that_stops_itself_is_ended(tmp_path: Path) -> None:
    made = program(tmp_path, "import os; hear(); os.kill(os.getpid(), 19)", HELLO.replace('"shows": []', '"shows": [], "seconds": 0.2'))
    with pytest.raises(ImplementationCrash, match=r"did not answer within 0\.2 s") as crash:
        made.boot(MANUAL)
    assert frames_of(crash.value) == (), "sendright's own frames aren't the program's"


def test_a_call_that_it_cannot_make(tmp_path: Path) -> None:
    with pytest.raises(NotMade, match="no such port"):
        answering(tmp_path, '{"not_made": "no such port"}').call(0, SELF)


@pytest.mark.parametrize(
    ("text", "words"), [("hear(); sys.exit(4)", "ended with exit status 4"), ("hear(); time.sleep(60)", "did not answer within 0.2 s")]
)
def test_programs_that_end_or_hang(tmp_path: Path, text: str, words: str) -> None:
    made = program(tmp_path, text, HELLO.replace('"shows": []', '"shows": [], "seconds": 0.2'))
    with pytest.raises(ImplementationCrash, match=words):
        made.boot(GNUMACH)
    with pytest.raises(ImplementationCrash, match=words):
        made.boot(GNUMACH)  # started anew


@pytest.mark.parametrize(
    ("shown", "words"), [('{"tasks": {"0": 7}}', "tasks"), ('{"\udcff": 0}', "not UTF-8"), ('{"x":' * 10_000, "nested too deeply")]
)
def test_states_without_form(tmp_path: Path, shown: str, words: str) -> None:
    with pytest.raises(MalformedState, match=words):
        answering(tmp_path, "{}", shown).snapshot()


@pytest.mark.parametrize(
    ("hello", "words"),
    [
        ("{}", "missing required field `name`"),
        ('{"name": "x", "protocol": "other/2"}', f"speaks 'other/2', and needs to speak {PROTOCOL}"),
        ('{"error": "unknown version"}', f"and it needs to speak {PROTOCOL}"),
        (
            '{"name": "x", "capabilities": {"calls": ["mach_port_alocate"]}}',
            "its capabilities list an unknown call 'mach_port_alocate' (did you mean mach_port_allocate?",
        ),
        ('{"name": "x", "capabilities": {"shows": ["colour"]}}', "Invalid enum value 'colour'"),
    ],
)
def test_a_program_must_say_what_it_has(tmp_path: Path, hello: str, words: str) -> None:
    with pytest.raises(CantStart) as wrong:
        program(tmp_path, "", hello)
    assert words in str(wrong.value)


@pytest.mark.parametrize("hello", ['{"name": "old", "capabilities": {"shows": []}}', f'{{"name": "old", "protocol": "{FIRST_PROTOCOL}"}}'])
def test_a_program_of_an_older_version_is_told_which_it_needs(tmp_path: Path, hello: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is checked as far as its version goes, or it is refused."""
    (told,) = list(not_compared(program(tmp_path, "", hello).capabilities, []))[-1:]
    assert FIRST_PROTOCOL in told
    assert f"it needs to answer hello with protocol {PROTOCOL}" in told
    monkeypatch.setattr("sendright.impl.adapters.stdio.STILL_SPOKEN", {})
    with pytest.raises(CantStart, match=f"speaks '{FIRST_PROTOCOL}', and needs to speak {PROTOCOL}"):
        program(tmp_path, "", hello)


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("", "no program is named"),
        ("'", "isn't a command line"),
        ("/nowhere/at/all", "can't be started: No such file"),
        ("true", "ended with exit status 0"),
    ],
)
def test_programs_that_cannot_be_started(command: str, words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "--sut", f"stdio:{command}"]) == 2
    said = capsys.readouterr().err
    assert words in said
    assert "docs/stdio.md" in said
    assert len(said.splitlines()) == 1


def test_a_program_that_shows_everything(tmp_path: Path) -> None:
    text = "from sendright.impl.reference import ReferenceKernel\nfrom sendright.mach.kernel.call import Call\n"
    text += "from sendright.mach.kernel.profiles import MANUAL\n"
    text += "import msgspec\nkernel = ReferenceKernel()\nwhile True:\n    asked = hear()\n    if 'boot' in asked:\n"
    text += "        limits = {k: v for k, v in asked['boot'].items() if k != 'profile'}\n"
    text += "        kernel.boot(msgspec.structs.replace(MANUAL, **limits)); say('{}')\n"
    text += "    elif 'show' in asked: say(msgspec.json.encode(kernel.snapshot()).decode())\n    else:\n"
    text += "        task = asked.pop('task'); name = asked.pop('call')\n"
    text += "        tupled = lambda v: tuple(map(tupled, v)) if isinstance(v, list) else v\n"
    text += "        arguments = {k: tupled(v) for k, v in asked.pop('arguments').items()}\n"
    text += "        say(msgspec.json.encode(kernel.call(task, Call(name, arguments, **asked))).decode())\n"
    made = program(tmp_path, text, f'{{"name": "whole", "protocol": "{PROTOCOL}"}}')
    from sendright.model.execution.oracle import Oracle
    from sendright.properties.check import check

    result = check(lambda: made, Oracle, MANUAL, 10, 40)
    assert result.verdict.value == "PASSED", result.message
    assert result.not_compared == ()
