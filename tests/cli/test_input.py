"""What the command line makes of bad input, and where its words go."""

import importlib
import importlib.util
import json
import os
import re
import shlex
import subprocess
import sys
from importlib.machinery import ModuleSpec
from pathlib import Path

import pytest
from support.places import ROOT, SENDRIGHT

from sendright.cli import commands
from sendright.cli import main as cli
from sendright.cli.commands import COMMANDS as listed
from sendright.cli.help import help_text
from sendright.cli.main import main
from sendright.model.language.rule import RULES

GOOD = {
    "format": "mach-cases/1",
    "profile": "manual",
    "cases": [{"id": "one", "steps": [{"as": "A", "call": "mach_task_self", "bind": {"port": "me"}, "expect": {"ret": "KERN_SUCCESS"}}]}],
}


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """Run a command that must be refused; the one line that it says."""
    assert main(arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    (line,) = captured.err.splitlines()
    assert line.startswith("sendright: ")
    return line.removeprefix("sendright: ")


@pytest.fixture
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "empty"),
        ("{", "not JSON"),
        ("[]", "not a script"),
        (json.dumps(GOOD | {"profile": "vms"}), "vms"),
        (json.dumps(GOOD | {"cases": [], "notes": {"a": "\ud800"}}), "notes.a: the string has half a surrogate pair"),
    ],
)
def test_a_bad_script_is_one_line(capsys: pytest.CaptureFixture[str], directory: Path, content: str, words: str) -> None:
    (directory / "bad.json").write_text(content)
    line = refused(capsys, "replay", "bad.json")
    assert line.startswith("bad.json:")
    assert words in line
    assert list(directory.iterdir()) == [directory / "bad.json"], "nothing is written"


def test_no_file_and_a_directory(capsys: pytest.CaptureFixture[str], directory: Path) -> None:
    assert "no such file" in refused(capsys, "replay", "none.json")
    assert "directory" in refused(capsys, "replay", str(directory))
    assert r"\n" in refused(capsys, "replay", "two\nlines.json")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nonsense"], "nonsense"),
        (["replay"], "FILE"),
        (["replay", "--nonsense", "x.json"], "--nonsense"),
        (["check", "--examples", "many"], "--examples"),
        (["check", "--examples", "0"], "--examples"),
        (["check", "--profile", "vms"], "vms"),
        (["prove", "--profile", "vms"], "vms"),
        (["replay", "--profile", "vms", "x.json"], "vms"),
        (["check", "--fault", "move-send-keeps-sendr"], "move-send-keeps-sender"),
        (["check", "--fault", "x", "--sut", "a:b"], "--sut"),
        (["check", "--sut", "kernel"], "module:Class"),
        (["check", "--sut", "no_such_module:Kernel"], "no_such_module"),
        (["check", "--sut", "os:NoSuchKernel"], "NoSuchKernel"),
        (["check", "--sut", "os:getcwd"], "boot(profile), call(task, call), snapshot(), name"),
        (["check", "--sut", "os:abs"], "abs"),
        (["calls", "task_creat"], "task_create"),
        (["graph", "none.json"], "none.json"),
    ],
)
def test_a_bad_command_line_is_one_line(capsys: pytest.CaptureFixture[str], directory: Path, arguments: list[str], words: str) -> None:
    assert words in refused(capsys, *arguments)
    assert not list(directory.iterdir())


def test_a_kernel_that_cannot_be_built(capfd: pytest.CaptureFixture[str], directory: Path) -> None:
    (directory / "broken_kernel.py").write_text(
        "class Kernel:\n    def __init__(self):\n        print('noise')\n        raise RuntimeError('no\\nboard')\n"
    )
    assert main(["check", "--sut", "broken_kernel:Kernel"]) == 2
    captured = capfd.readouterr()
    assert captured.out == ""
    assert "sendright: --sut: broken_kernel:Kernel: can't be built, it raised RuntimeError: no board" in captured.err
    assert str(directory) not in sys.path


def test_our_own_errors_show_no_traceback(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ZeroDivisionError("one\ntwo")

    monkeypatch.setattr(cli, "app", fail)
    monkeypatch.delenv("SENDRIGHT_DEBUG", raising=False)
    assert main([]) == 3
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("sendright: internal error: ZeroDivisionError: one two")
    monkeypatch.setenv("SENDRIGHT_DEBUG", "1")
    assert main([]) == 3
    assert "Traceback" in capsys.readouterr().err


COMMANDS = [
    *("check", "prove", "policy", "replay", "audit", "synthesize", "graph", "calls", "profiles", "trace-spec", "setup", "witnesses"),
    *("mutants", "compare", "check-server", "export", "accept", "config"),
]


def test_every_command_is_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    text = capsys.readouterr().out
    assert sorted(name for name in COMMANDS if re.search(rf"│ {name} +\w", text)) == sorted(COMMANDS)
    assert sorted(listed) == sorted(COMMANDS)
    assert "Exit status" in text


@pytest.mark.parametrize("command", COMMANDS)
def test_help_teaches(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, command: str) -> None:
    """It has examples, one on each line, and the exit statuses."""
    monkeypatch.setenv("COLUMNS", "100")
    assert main([command, "--help"]) == 0
    text = capsys.readouterr().out
    lines = [line.strip() for line in text.splitlines()]
    begin, end = lines.index("Examples"), lines.index("Exit status")
    assert not [line for line in lines[:begin] if "  " in line], "words that look like markup are lost"
    examples = [line for line in lines[begin + 1 : end] if line]
    assert len(examples) >= 2
    assert all(f"sendright {command}" in line for line in examples)
    statuses = [line.split()[0] for line in lines[end + 2 : lines.index("", end + 2)]]
    assert {"0", "2"} <= set(statuses) <= {"0", "1", "2", "3", "4", "130"}
    assert statuses == sorted(statuses, key=int)


def test_paragraphs_of_help_wrap_and_examples_keep_their_lines() -> None:
    def command() -> None:
        """First
        line.

        One
        paragraph.

          example 1
          example 2
        """

    assert help_text(command.__doc__ or "") == "First line.\n\nOne paragraph.\n\n  example 1\n  example 2"


def test_help_is_quick_because_nothing_heavy_is_loaded() -> None:
    heavy = {"z3", "hypothesis", "networkx", "jinja2"}
    program = f"import sys\nfrom sendright.cli.main import main\nstatus = main(['--help'])\nprint(status, sorted({heavy} & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "0 []"


def test_calls_and_profiles(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["calls"]) == 0
    assert "host_security_create_task_token" in capsys.readouterr().out
    assert main(["calls", "mach_port_insert_right"]) == 0
    assert "disposition" in capsys.readouterr().out
    assert main(["calls", "host_security_create_task_token", "--json"]) == 0
    (call,) = json.loads(capsys.readouterr().out)["calls"]
    assert call["arguments"][0] == {
        "name": "host_security",
        "type": "port",
        "about": "the host security port",
        "required": True,
        "object": "HOST_SECURITY",
    }
    assert call["profiles"] == ["manual", "osf", "xnu-792"]
    assert main(["calls", "--script-schema"]) == 0
    assert json.loads(capsys.readouterr().out) == json.loads((ROOT / "docs/script.schema.json").read_text())
    assert main(["profiles"]) == 0
    assert "null_parent_code" in capsys.readouterr().out
    assert main(["profiles", "--json"]) == 0
    profiles = {profile["name"]: profile for profile in json.loads(capsys.readouterr().out)["profiles"]}
    assert profiles["gnumach"]["special_ports"]["3"] == "EXCEPTION"
    assert profiles["gnumach"]["null_parent_code"] == "KERN_INVALID_TASK"


def test_the_errors_of_a_call_are_listed_in_their_order(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    assert main(["calls", "mach_port_insert_right", "--json"]) == 0
    (call,) = json.loads(capsys.readouterr().out)["calls"]
    assert list(call["errors"]) == call["profiles"]
    assert [error["code"] for error in call["errors"]["manual"]] == [
        *("MACH_SEND_INVALID_DEST", "MACH_SEND_INVALID_RIGHT", "KERN_INVALID_TASK", "KERN_INVALID_VALUE", "KERN_INVALID_VALUE"),
        *("KERN_INVALID_CAPABILITY", "KERN_RIGHT_EXISTS", "KERN_UREFS_OVERFLOW", "KERN_NAME_EXISTS"),
    ]
    assert main(["calls", "mach_port_insert_right"]) == 0
    before, both, xnu = capsys.readouterr().out.split("Errors in ")
    assert "MACH_SEND_INVALID_DEST" not in before
    assert both.startswith("manual, osf, xnu-792, gnumach, in the order in which they are tested:")
    assert both.index("KERN_RIGHT_EXISTS") < both.index("KERN_UREFS_OVERFLOW") < both.index("KERN_NAME_EXISTS")
    assert xnu.startswith("xnu, in the order")
    assert "KERN_NO_SPACE" in xnu
    assert main(["calls", "mach_msg_receive"]) == 0
    told = capsys.readouterr().out
    assert "the port is dead (when a call that waited is resumed)" in told
    assert "IN_PROGRESS" not in told
    assert main(["calls", "mach_task_self"]) == 0
    assert capsys.readouterr().out.endswith("No errors.\n")
    monkeypatch.delitem(RULES, "mach_port_names")
    assert main(["calls", "mach_port_names"]) == 0
    assert capsys.readouterr().out.endswith("The specification has no rule for this call yet.\n")
    assert main(["calls", "mach_port_names", "--json"]) == 0
    assert "errors" not in json.loads(capsys.readouterr().out)["calls"][0]


def test_the_list_of_calls_needs_no_specification() -> None:
    program = "import sys\nfrom sendright.cli.main import main\nmain(['calls'])\nprint({'z3', 'sendright.model'} & sys.modules.keys())"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "set()"


@pytest.mark.parametrize("command", [["calls"], ["check", "--help"], ["synthesize", "-q", "--events", "2000"]])
def test_a_reader_who_leaves_is_no_error(command: list[str]) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as closed:
        done = subprocess.run([*SENDRIGHT, *command], stdout=closed, stderr=subprocess.PIPE, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_output_in_an_encoding_without_arrows() -> None:
    done = subprocess.run([*SENDRIGHT, "calls"], capture_output=True, env=os.environ | {"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}, check=False)
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.heavy
@pytest.mark.parametrize("where", [">&-", "</dev/null >/dev/full", ">&- 2>&- <&-"])
def test_bad_standard_output_hides_no_verdict(directory: Path, where: str) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("needs /dev/full")
    command = f"{shlex.join(SENDRIGHT)} check -q --fault move-send-keeps-sender {where}"
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert (directory / "sendright-report/trace.json").exists()
    if "2>&-" not in where:
        (line,) = done.stderr.splitlines()
        assert line.startswith("sendright: the result can't be written to standard output: ")


def test_a_command_whose_output_cannot_be_written(directory: Path) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("needs /dev/full")
    with open("/dev/full", "w") as full:
        done = subprocess.run([*SENDRIGHT, "calls", "--json"], stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr == "sendright: standard output can't be written to: No space left on device\n"


def test_two_reports_in_one_file(capsys: pytest.CaptureFixture[str], directory: Path) -> None:
    (directory / "good.json").write_text(json.dumps(GOOD))
    assert "--junit" in refused(capsys, "replay", "good.json", "--html", "x", "--junit", "./x")
    assert "good.json is read by this command" in refused(capsys, "replay", "good.json", "--html", "good.json")
    assert [path.name for path in directory.iterdir()] == ["good.json"]


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_a_command_loads_nothing_that_it_does_not_need(command: str) -> None:
    heavy = {"z3", "hypothesis", "networkx", "jinja2", "pydantic", "multiprocessing", "sendright.model", "sendright.impl", "sendright.properties"}
    program = (
        f"import sys\nfrom sendright.cli.main import main\nstatus = main([{command!r}, '-h'])\nprint(status, sorted({heavy} & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert f"sendright {command}" in done.stdout
    assert done.stdout.splitlines()[-1] == "0 []"


def test_the_list_of_commands_has_their_first_sentences(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """It is read from the modules' source: the same as their docstrings. What loads the modules needn't know their code
    (pytest loads so the modules of an installed plugin, and the package is one).
    """
    monkeypatch.setenv("COLUMNS", "200")
    find = importlib.util.find_spec
    monkeypatch.setattr(commands, "find_spec", lambda name: ModuleSpec(name, None, origin=spec.origin if (spec := find(name)) else None))
    assert main(["--help"]) == 0
    text = capsys.readouterr().out
    for name in listed:
        function = getattr(importlib.import_module(f"sendright.cli.{name.replace('-', '_')}"), name.replace("-", "_"))
        assert " ".join(function.__doc__.split("\n\n")[0].split()) in text, name


@pytest.mark.parametrize(
    ("sut", "words"),
    [
        ("some_kernels.py:Whole", "this is a file (name the module, without .py: some_kernels:Whole)"),
        ("./mine/some_kernels.py:Whole", "this is a file (name the module, without .py: mine.some_kernels:Whole)"),
        ("some_kernels:Whoel", "module some_kernels has no Whoel (did you mean Whole?)"),
        ("some_kernels:Bootless", "has no boot(profile) (docs/plug-in-your-kernel.md says what a kernel has)"),
        ("some_kernels:Misspelt", "has capabilities that list an unknown call 'mach_port_alocate' (did you mean mach_port_allocate?"),
        ("some_kernel:Whole", "No module named 'some_kernel'"),
    ],
)
def test_what_is_wrong_with_a_kernel_is_said_with_what_was_meant(
    sut: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "some_kernels.py").write_text(
        "from sendright import Capabilities\n"
        "from sendright.impl.reference import ReferenceKernel as Whole\n\n\n"
        "class Misspelt(Whole):\n    capabilities = Capabilities(calls=frozenset({'mach_port_alocate'}))\n\n\n"
        "class Bootless(Whole):\n    boot = None\n"
    )
    monkeypatch.chdir(tmp_path)
    assert main(["check", "-n", "1", "--sut", sut]) == 2
    [line] = capfd.readouterr().err.splitlines()
    assert line.startswith("sendright: --sut: ")
    assert words in line


def test_what_a_passing_run_removes_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["check", "-q", "--no-database", "--fault", "move-send-keeps-sender"]) == 1
    assert "Removed" not in capsys.readouterr().out
    assert main(["check", "-q", "--no-database", "-n", "1", "--steps", "3"]) == 0
    told = " ".join(capsys.readouterr().out.split())
    assert "Removed from sendright-report: an earlier run's junit.xml, report.html, report.sarif, script.json, trace.json" in told
    assert main(["check", "-q", "--no-database", "-n", "1", "--steps", "3"]) == 0
    assert "Removed" not in capsys.readouterr().out
