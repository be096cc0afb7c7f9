"""The example plugin: each thing that it adds does its work, as a user would see it."""

import json
import shutil
from pathlib import Path

import pytest
from support.dask import dask_cluster
from support.plugins import EXAMPLE, answered, python, sendright

PLUGIN = ("--plugin", "sendright_example")
ASKED = ("put to the solver", "follows")
ADDS = {
    "adapter example-kernel",
    "audit rule first-task",
    "call mach_port_is_dead",
    "fault suspend-twice",
    "invariant 1001",
    "log reader example",
    "profile patient-gnumach, based on gnumach",
    "profile small-kernel, based on manual",
    "step property 1002",
}
SCRIPT = {
    "format": "mach-cases/1",
    "profile": "manual",
    "cases": [
        {
            "id": "dead",
            "title": "a dead name is told",
            "steps": [
                {"as": "A", "call": "mach_port_allocate", "args": {"right": "DEAD_NAME"}, "bind": {"name": "d"}, "expect": {"ret": "KERN_SUCCESS"}},
                {"as": "A", "call": "mach_port_is_dead", "args": {"name": "d"}, "expect": {"ret": "KERN_SUCCESS", "dead": 1}},
            ],
        }
    ],
}


@pytest.fixture
def script(tmp_path: Path) -> str:
    (tmp_path / "dead.json").write_text(json.dumps(SCRIPT))
    return "dead.json"


def test_every_kind_is_there_and_named(tmp_path: Path) -> None:
    data = answered(sendright("calls", *PLUGIN, "mach_port_is_dead", "--json", at=tmp_path), 0)
    [plugin] = data["plugins"]
    assert (plugin["name"], plugin["source"], set(plugin["adds"])) == ("example", "sendright_example", ADDS)
    assert data["calls"][0]["profiles"] == ["manual", "osf", "xnu-792", "gnumach", "patient-gnumach", "small-kernel"]


@pytest.mark.heavy
def test_a_call_is_made_judged_and_traced(tmp_path: Path, script: str) -> None:
    files = ("--html", "page.html", "--junit", "found.xml", "--sarif", "found.sarif", "--trace", "run.json")
    data = answered(sendright("replay", *PLUGIN, script, "--json", *files, at=tmp_path), 0)
    assert (data["verdict"], data["passed"], data["plugins"][0]["name"]) == ("PASSED", 1, "example")
    assert "Added from outside: example (sendright_example)." in (tmp_path / "page.html").read_text()
    assert 'name="plugin" value="example (sendright_example)"' in (tmp_path / "found.xml").read_text()
    assert json.loads((tmp_path / "found.sarif").read_text())["runs"][0]["tool"]["extensions"] == [{"name": "example"}]
    assert answered(sendright("graph", *PLUGIN, "run.json", "--json", at=tmp_path), 0)["plugins"][0]["name"] == "example"
    assert "not modelled" in sendright("replay", script, at=tmp_path).stdout  # without the plugin


def test_a_call_is_proved(tmp_path: Path) -> None:
    data = answered(sendright("prove", *PLUGIN, "-q", "--json", "--no-cache", "-j", "1", "--call", "mach_port_is_dead", at=tmp_path), 0)
    assert {one["verdict"] for one in data["obligations"]} == {"PROVED"}
    proved = {one["property"] for one in data["obligations"] if one["case"] == "KERN_SUCCESS/a dead name"}
    assert {"invariant 1001", "step invariant 1002", "invariant 8", "theorem 2"} <= proved


def test_proofs_rest_on_the_plugin(tmp_path: Path) -> None:
    """The cache's key, and what a Dask worker compares, differ with a plugin, and again with another version of it."""
    package = tmp_path / "own"
    shutil.copytree(EXAMPLE, package)
    code = """
import json
from sendright.mach.extensions import prepared
from sendright.model.proof.solver.cache import rests_on
from sendright.plugins import load
without = rests_on()
load("sendright_example")
print(json.dumps([without, rests_on(), list(prepared().digests)]))
"""
    first = python(code, tmp_path, package)
    faults = package / "sendright_example" / "faults.py"
    faults.write_text(faults.read_text() + "\n# another version\n")
    second = python(code, tmp_path, package)
    assert first[0] == second[0]
    assert len({first[0], first[1], second[1]}) == 3
    assert first[2] != second[2]


@pytest.mark.heavy
def test_a_changed_plugin_is_proved_again(tmp_path: Path) -> None:
    package = tmp_path / "own"
    shutil.copytree(EXAMPLE, package)
    proving = ("prove", *PLUGIN, "-q", "--json", "--call", "mach_port_allocate", "--invariant", "1001", "--cache", "cache")

    def cached() -> set[bool]:
        """Whether what the solver had to be asked came from the cache."""
        data = answered(sendright(*proving, at=tmp_path, path=package), 0)
        return {one["cached"] for one in data["obligations"] if one["property"] == "invariant 1001" and one["basis"].startswith(ASKED)}

    assert cached() == {False}
    assert cached() == {True}
    with (package / "sendright_example" / "faults.py").open("a") as file:
        file.write("\n# another version\n")
    assert cached() == {False}


@pytest.mark.heavy
def test_workers_of_a_cluster_have_the_plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And a worker that has it doesn't prove for a client that hasn't."""
    monkeypatch.setenv("PYTHONPATH", str(EXAMPLE))
    proving = ("prove", "-q", "--call", "mach_port_type", "--invariant", "1001")
    with dask_cluster(tmp_path, 1) as (address, _, _):
        data = answered(sendright(*proving, *PLUGIN, "--json", "--on", address, at=tmp_path), 0)
        assert "invariant 1001" in {one["property"] for one in data["obligations"]}
        without = sendright("prove", "-q", "--call", "mach_port_type", "--invariant", "8", "--on", address, at=tmp_path)
    assert without.returncode == 2
    assert "example: a worker process has another version of it, or doesn't share it (start the workers again)" in without.stderr


@pytest.mark.heavy
def test_an_invariant_is_refuted_where_it_is_wrong(tmp_path: Path) -> None:
    package = tmp_path / "own"
    shutil.copytree(EXAMPLE, package)
    file = package / "sendright_example" / "invariants.py"
    file.write_text(file.read_text().replace("s.urefs(slot) == 0", "s.urefs(slot) == 1"))
    proving = ("prove", *PLUGIN, "-q", "--json", "--no-cache", "--reach", "0", "--call", "mach_port_allocate", "--invariant", "1001")
    data = answered(sendright(*proving, at=tmp_path, path=package), 1)
    assert {one["case"] for one in data["obligations"] if one["verdict"] == "REFUTED"} == {"KERN_SUCCESS/a port set"}
    assert "--plugin sendright_example" in (tmp_path / "sendright-report" / "report.html").read_text()


@pytest.mark.heavy
def test_a_fault_is_found(tmp_path: Path) -> None:
    check = ("check", *PLUGIN, "-q", "--fault", "suspend-twice", "--json")
    data = answered(sendright(*check, "-n", "60", at=tmp_path), 1)
    assert "task_suspend" in data["failure"]["violations"][0]["clause"]
    assert data["plugins"][0]["name"] == "example"
    assert "--fault suspend-twice --plugin sendright_example" in (tmp_path / "sendright-report" / "report.html").read_text()


@pytest.mark.heavy
def test_an_adapter_has_a_name(tmp_path: Path, script: str) -> None:
    data = answered(sendright("replay", *PLUGIN, script, "--sut", "example-kernel", "--json", at=tmp_path), 0)
    assert (data["implementation"], data["passed"]) == ("example kernel", 1)
    wrong = sendright("replay", *PLUGIN, script, "--sut", "example-kernal", at=tmp_path)
    assert wrong.returncode == 2
    assert "did you mean example-kernel?" in wrong.stderr


@pytest.mark.heavy
def test_profiles_differ_where_their_switches_do(tmp_path: Path) -> None:
    compare = ("compare", *PLUGIN, "gnumach", "patient-gnumach", "--no-runs", "-q", "--json")
    data = answered(sendright(*compare, "--call", "task_resume", "--call", "task_suspend", at=tmp_path), 1)
    assert {one["call"]: one["verdict"] for one in data["calls"]} == {"task_resume": "REFUTED", "task_suspend": "PROVED"}
    differ = answered(sendright("profiles", *PLUGIN, "manual", "small-kernel", "--json", at=tmp_path), 0)["differences"]
    assert differ["queue_limit"] == {"manual": 5, "small-kernel": 2}
    assert differ["null_move_code"] == {"manual": "KERN_NOT_IN_SET", "small-kernel": "KERN_SUCCESS"}


@pytest.mark.heavy
def test_a_log_is_read_and_a_rule_finds(tmp_path: Path) -> None:
    for name in ("a.log", "b.log"):
        (tmp_path / name).write_text("example: task 7 of user 501 controls 1 of user 0\nexample: task 8 of user 0 controls 9 of user 0\n")
    data = answered(sendright("audit", *PLUGIN, "a.log", "b.log", "-j", "2", "-q", "--json", "--sarif", "found.sarif", at=tmp_path), 1)
    assert {each for group in data["groups"] for each in group["formats"]} == {"example"}
    found = [one for one in data["findings"] if one["rule"] == "first-task"]
    assert [one["evidence"][0]["file"] for one in found] == ["a.log", "b.log"]
    assert "audit/first-task" in (tmp_path / "found.sarif").read_text()


@pytest.mark.heavy
def test_its_clauses_are_traced(tmp_path: Path) -> None:
    trace = ("trace-spec", *PLUGIN, "-q", "--call", "mach_port_is_dead", "--tests", "none", "--json")
    data = answered(sendright(*trace, at=tmp_path), 0)
    [call] = data["calls"]
    assert {case for clause in call["clauses"] for case in clause["cases"]} >= {"KERN_SUCCESS/a dead name", "KERN_SUCCESS/any other name"}
    evidence = answered(sendright(*trace, "--evidence", "--profile", "small-kernel", at=tmp_path), 0)
    assert not evidence["problems"]


def test_loading_twice_adds_once_and_without_it_nothing_is_there(tmp_path: Path) -> None:
    code = """
import json
from sendright.mach.signatures import SIGNATURES
from sendright.plugins import extensions, load
before = "mach_port_is_dead" in SIGNATURES
load("sendright_example")
load("sendright_example:plugin")
print(json.dumps([before, "mach_port_is_dead" in SIGNATURES, [one.name for one in extensions()]]))
"""
    assert python(code, tmp_path) == [False, True, ["example"]]
