"""The pytest plugin, as a user runs it on a kernel of their own."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator

import pytest
from hypothesis import settings
from hypothesis.database import DirectoryBasedExampleDatabase
from support.small_kernels import FILE

import sendright
import sendright.api.pytest_plugin.items
import sendright.model.execution.oracle
import sendright.model.execution.witnesses

pytest_plugins = "pytester"

EVERYTHING = [getattr(sendright, name) for name in sendright.__all__]
"""pytester forgets the modules that a run imports first: so they are imported before."""

FAULTY = """
from small_kernel import SmallKernel
from sendright import NotMade, Result


class Forgetful(SmallKernel):
    def mach_port_deallocate(self, caller, task, name):
        before = self.rights.get(name)
        result = super().mach_port_deallocate(caller, task, name)
        if result.code == 0 and name not in self.rights:
            self.rights[name] = before
        return result


class WithoutBoot(SmallKernel):
    def boot(self, profile):
        super().boot(profile)
        self.rights = {}


class MakesNoCall(SmallKernel):
    def call(self, task, call):
        raise NotMade("it is asleep")
"""
FEW = ("--sendright-examples", "3", "--sendright-steps", "30", "-p", "no:cacheprovider", "-p", "no:xdist")


@pytest.fixture
def user(pytester: pytest.Pytester) -> Iterator[pytest.Pytester]:
    """A folder with kernels in it, and with a database of Hypothesis."""
    shutil.copy(FILE, pytester.path)
    pytester.makepyfile(faulty_kernels=FAULTY)
    pytester.syspathinsert()
    before = settings.get_current_profile_name()
    settings.register_profile("the user's", database=DirectoryBasedExampleDatabase(pytester.path / "kept"))
    settings.load_profile("the user's")
    yield pytester
    settings.load_profile(before)


def test_each_call_is_a_test_and_a_right_kernel_passes(user: pytest.Pytester) -> None:
    done = user.runpytest_inprocess("--sendright-sut", "small_kernel:SmallKernel", "-v", *FEW)
    done.assert_outcomes(passed=4)
    done.stdout.fnmatch_lines(["*collected 4 items"])
    done.stdout.fnmatch_lines(["sendright: small_kernel:SmallKernel, seed 0, 3 random runs of at most 30 calls"])
    for name in ("boot", "mach_task_self", "mach_port_allocate", "mach_port_deallocate"):
        done.stdout.fnmatch_lines([f"sendright::small_kernel:SmallKernel::manual::{name} PASSED*"])


def test_the_faulty_call_fails_in_the_terminals_words_and_the_pasted_test_fails_too(user: pytest.Pytester) -> None:
    arguments = ("--sendright-sut", "faulty_kernels:Forgetful", *FEW)
    done = user.runpytest_inprocess(*arguments)
    done.assert_outcomes(passed=3, failed=1)
    done.stdout.fnmatch_lines(
        [
            "*sendright::faulty_kernels:Forgetful::manual::mach_port_deallocate*",
            "mach_port_deallocate left a state that is not as specified",
            "*> 2. t0: mach_port_deallocate(*",
            "The failing run was found in run *",
            "The same calls again: pytest -m sendright -k mach_port_deallocate --sendright-sut faulty_kernels:Forgetful*--sendright-seed 0",
            "A test that fails in the same way:",
            "FAILED sendright::*mach_port_deallocate - *",
        ]
    )
    lines = done.stdout.lines
    first, last = lines.index("import sendright"), next(number for number, line in enumerate(lines) if "short test summary" in line)
    user.makepyfile(test_pasted="\n".join(lines[first:last]))
    pasted = user.runpytest_inprocess("test_pasted.py", "-p", "no:cacheprovider")
    pasted.assert_outcomes(failed=1)
    pasted.stdout.fnmatch_lines(["E  *mach_port_deallocate left a state that is not as specified"])
    mended = (
        (user.path / "test_pasted.py")
        .read_text()
        .replace("from faulty_kernels import Forgetful", "from small_kernel import SmallKernel as Forgetful")
    )
    user.makepyfile(test_mended=mended)
    user.runpytest_inprocess("test_mended.py", "-p", "no:cacheprovider").assert_outcomes(passed=1)
    assert any(path.is_file() for path in (user.path / "kept").rglob("*"))
    again = user.runpytest_inprocess("-m", "sendright", "-k", "mach_port_deallocate", *arguments)
    again.stdout.fnmatch_lines(["The failing run was found in run 1, *"])


def test_a_kernel_that_boots_otherwise_fails_there_and_nothing_else_runs(user: pytest.Pytester) -> None:
    done = user.runpytest_inprocess("--sendright-sut", "faulty_kernels:WithoutBoot", "-rs", *FEW)
    done.assert_outcomes(failed=1, skipped=3)
    done.stdout.fnmatch_lines(["SKIPPED*no call was made: the kernel doesn't boot as specified"])


def test_a_kernel_of_which_nothing_is_known_does_not_pass(user: pytest.Pytester) -> None:
    done = user.runpytest_inprocess("--sendright-sut", "faulty_kernels:MakesNoCall", *FEW)
    done.assert_outcomes(failed=1, skipped=3)
    done.stdout.fnmatch_lines(["UNDETERMINED: 0 judged calls*", "*no call was made"])


def test_the_ini_file_says_it_too_and_other_tests_stay(user: pytest.Pytester) -> None:
    user.makeini(
        """
        [pytest]
        sendright_sut = reference
        sendright_profile = osf gnumach
        sendright_examples = 1
        sendright_steps = 5
        """
    )
    user.makepyfile("def test_own(): pass")
    done = user.runpytest_inprocess("--collect-only", "-q", "--strict-markers", *FEW[4:])
    assert "sendright::reference::osf::mach_port_allocate" in done.stdout.lines
    assert "sendright::reference::gnumach::mach_port_allocate" in done.stdout.lines
    assert [line for line in done.stdout.lines if "::test_own" in line]
    only = user.runpytest_inprocess("--collect-only", "-q", "-m", "sendright", "-k", "gnumach and boot", *FEW[4:])
    assert [line for line in only.stdout.lines if "::" in line] == ["sendright::reference::gnumach::boot"]


def test_the_fixtures(user: pytest.Pytester) -> None:
    user.makepyfile(
        """
        import pytest
        import sendright
        from faulty_kernels import Forgetful

        def test_kernel(sendright_kernel):
            assert sendright_kernel.name == "SmallKernel"

        def test_run(sendright_run):
            port = sendright_run.call(0, "mach_task_self").outputs["port"]
            assert sendright_run.call(0, "mach_port_deallocate", task=port, name=1).code == 0

        def test_check(sendright_check):
            assert sendright_check().verdict is sendright.Verdict.PASSED

        def test_check_of_another_kernel(sendright_check):
            with pytest.raises(sendright.NotConforming):
                sendright_check(Forgetful)
        """
    )
    done = user.runpytest_inprocess("--sendright-sut", "small_kernel:SmallKernel", "-m", "not sendright", "--sendright-in-process", *FEW)
    done.assert_outcomes(passed=4, deselected=4)
    without = user.runpytest_inprocess(*FEW)
    without.assert_outcomes(passed=1, errors=2, failed=1)
    without.stdout.fnmatch_lines(["*no kernel to check (name one with --sendright-sut*"])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--sendright-sut", "nowhere:Kernel"), "*--sendright-sut: nowhere:Kernel: No module named 'nowhere'*"),
        (("--sendright-sut", "nowhere:Kernel", "--sendright-in-process"), "*--sendright-sut: No module named 'nowhere'*"),
        (("--sendright-sut", "small_kernel:SmallKernel", "--sendright-profile", "osf"), "*--sendright-profile: SmallKernel can't be booted as osf*"),
        (("--sendright-sut", "small_kernel:SmallKernel", "--sendright-examples", "0"), "*sendright_examples: 0 is too small*"),
    ],
)
def test_wrong_options_are_usage_errors(user: pytest.Pytester, arguments: tuple[str, ...], words: str) -> None:
    done = user.runpytest_inprocess(*arguments, "-p", "no:cacheprovider")
    assert done.ret == pytest.ExitCode.USAGE_ERROR
    (done.stderr if any("ERROR" in line for line in done.stderr.lines) else done.stdout).fnmatch_lines([words])


@pytest.mark.heavy
def test_with_xdist_one_process_makes_the_check_and_wrong_options_are_said_too(user: pytest.Pytester) -> None:
    workers = ("-p", "xdist", "-n", "2", "--dist", "loadscope", "--strict-markers", "-v")
    done = user.runpytest_subprocess("--sendright-sut", "small_kernel:SmallKernel", *workers, *FEW[:-2])
    done.assert_outcomes(passed=4)
    assert len({line.partition("]")[0] for line in done.stdout.lines if re.match(r"\[gw\d\].*PASSED", line)}) == 1
    wrong = user.runpytest_subprocess("--sendright-sut", "nowhere:Kernel", *workers, *FEW[:-2])
    assert wrong.ret == pytest.ExitCode.USAGE_ERROR


def test_an_unused_plugin_imports_nothing(pytester: pytest.Pytester) -> None:
    words = (
        "import sys, sendright.api.pytest_plugin; print(*sorted(name for name in sys.modules if name.startswith(('sendright', 'z3', 'hypothesis'))))"
    )
    done = subprocess.run([sys.executable, "-c", words], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["sendright", "sendright.api", "sendright.api.pytest_plugin"]
