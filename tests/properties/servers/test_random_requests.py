"""Random requests find servers that leak or drop too much, and pass those that don't."""

from pathlib import Path

import pytest
from support.places import ROOT

from sendright.impl.reference import ReferenceKernel
from sendright.mach.kernel.call import Call, Result
from sendright.mach.kernel.profiles import PROFILES
from sendright.mach.results.checks import ReplayResult
from sendright.mach.results.verdicts import Verdict
from sendright.model.execution.oracle import Oracle
from sendright.properties.scripts.load import load_script
from sendright.properties.scripts.serving import random_servers
from sendright.properties.servers.discipline import DOUBLE_DROP, FORGED, LEAK
from sendright.properties.servers.random_requests import NamedServer, check_servers
from sendright.properties.servers.server import Server
from sendright.properties.servers.stage import stand_up

EXAMPLES = ROOT / "docs" / "examples" / "servers"
FOUND = {
    "cve-2016-7637": {"launchd": DOUBLE_DROP},
    "cve-2016-7661": {"powerd": DOUBLE_DROP, "mended": None},
    "cve-2017-13861": {"surfaces": DOUBLE_DROP, "mended": None},
    "cve-2018-4280": {"launchd": DOUBLE_DROP, "mended": None},
    "cve-2021-43412": {"translator": FORGED, "mended": None},
    "leaks": {"forgets": LEAK, "wrong_call": LEAK, "memory": LEAK, "mended": None},
}
"""File -> server -> the rule that it breaks; None: it breaks none."""


def checked(path: Path, only: str | None = None, profile: str | None = None, **how: int) -> ReplayResult:
    servers = load_script(path, None if profile is None else PROFILES[profile]).servers
    return check_servers(random_servers(each for each in servers if only in (None, each[0].name)), ReferenceKernel, Oracle, **how)


def broken(result: ReplayResult) -> dict[str, str | None]:
    assert all(case.verdict in ("passed", "failed") for case in result.cases), result.cases
    return {case.id: None if case.violation is None else case.violation.clause for case in result.cases}


@pytest.mark.heavy
@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("name", FOUND)
def test_a_run_of_the_usual_size_finds_each_faulty_server_and_no_other(name: str, seed: int) -> None:
    assert broken(checked(EXAMPLES / f"{name}.json", seed=seed)) == FOUND[name]


@pytest.mark.heavy
@pytest.mark.parametrize(
    ("name", "profile"),
    [("cve-2016-7661", "manual"), *((name, profile) for name in ("cve-2017-13861", "leaks") for profile in ("manual", "gnumach", "xnu"))],
)
def test_mended_servers_pass_with_every_library_that_has_no_fault(name: str, profile: str) -> None:
    """(Powerd has to know the kernel by its token: that needs trailers with the sender's.)"""
    assert broken(checked(EXAMPLES / f"{name}.json", "mended", profile)) == {"mended": None}


@pytest.mark.heavy
def test_the_faults_of_libraries_are_found_with_a_server_that_has_none() -> None:
    assert broken(checked(EXAMPLES / "libraries.json"))["server"] in (LEAK, DOUBLE_DROP)
    assert broken(checked(EXAMPLES / "libraries.json", profile="xnu")) == {"server": LEAK}
    assert broken(checked(EXAMPLES / "libraries.json", profile="osf")) == {"server": None}


def test_a_few_runs_find_a_leak_and_pass_a_server_without_one() -> None:
    path = EXAMPLES / "leaks.json"
    result = checked(path, "forgets", examples=20)
    [case] = result.cases
    assert (result.verdict, result.failed) == (Verdict.FAILED, 1)
    assert case.trace is not None
    assert sum(step.call == "mach_msg_send" for step in case.trace.steps) == 1, "Hypothesis has made it simple: one request, no reply"
    assert case.trace.violations[0] == case.violation
    passing = checked(path, "mended", examples=10)
    assert (passing.verdict, passing.cases[0].verdict) == (Verdict.PASSED, "passed")
    assert passing.cases[0].steps > 100


def test_the_same_seed_gives_the_same_runs() -> None:
    first, second = (checked(EXAMPLES / "leaks.json", "mended", examples=5, seed=7) for _ in range(2))
    assert first.cases[0].trace == second.cases[0].trace


class MiscountingKernel(ReferenceKernel):
    """It doesn't say that mach_port_deallocate failed."""

    def call(self, task: int, call: Call) -> Result:
        result = super().call(task, call)
        return Result(0) if call.name == "mach_port_deallocate" else result


class CrashingKernel(ReferenceKernel):
    def call(self, task: int, call: Call) -> Result:
        if call.name == "mach_msg_receive":
            raise RuntimeError("double fault")
        return super().call(task, call)


@pytest.mark.parametrize(("kernel", "verdict", "kind"), [(MiscountingKernel, "failed", "result"), (CrashingKernel, "crashed", "crash")])
def test_a_wrong_kernel_is_found_as_by_any_other_run(kernel: type[ReferenceKernel], verdict: str, kind: str) -> None:
    servers = load_script(EXAMPLES / "cve-2018-4280.json").servers
    result = check_servers(random_servers(each for each in servers if each[0].name == "launchd"), kernel, Oracle, examples=60)
    [case] = result.cases
    assert case.verdict == verdict
    assert case.violation is not None
    assert case.violation.kind == kind
    assert result.verdict is (Verdict.FAILED if verdict == "failed" else Verdict.CRASHED)


def test_a_server_in_python_is_checked_by_its_class() -> None:
    class Idle(Server):
        name = "idle"

    result = check_servers([NamedServer("idle", PROFILES["xnu"], stand_up(Idle))], ReferenceKernel, Oracle, examples=5)
    assert (result.verdict, result.cases[0].id) == (Verdict.PASSED, "idle")
