"""What all tests share."""

import os
from fnmatch import fnmatch
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

FAST = (
    "api/test_public_names.py",
    "cli/test_graph.py",
    "cli/test_profiles.py",
    "impl/recordings/test_bsm.py",
    "impl/recordings/test_endpoint_security.py",
    "impl/recordings/test_fuzz.py",
    "impl/recordings/test_lsmp.py",
    "impl/reference/**",
    "mach/test_not_utf_8.py",
    "model/calls/test_messages.py",
    "model/calls/test_peek.py",
    "model/execution/test_calls_in_progress.py",
    "model/proof/test_instantiate.py",
    "model/proof/test_mutants_of_port_calls.py",
    "properties/audit/test_rules.py",
    "properties/scripts/test_export.py",
    "properties/scripts/test_replay.py",
    "properties/scripts/test_script.py",
    "reports/test_audit.py",
    "reports/test_ci.py",
    "reports/test_history.py",
    "reports/test_page.py",
    "test_locked_versions.py",
)
"""Files whose tests take less than a minute in all (``pytest -m fast``), in one process: a few for each package."""
RANDOM = ("impl/reference/notifications/test_random_calls.py", "impl/reference/notifications/test_rescue.py")
"""Of these, files that take longer."""
EXHAUSTIVE = (
    "model/proof/test_cluster.py",
    "model/proof/test_counterexample.py",
    "model/proof/test_follow_ups.py",
    "model/proof/test_ghost_attacks.py",
    "model/proof/test_mutants_of_locality.py",
    "model/proof/test_two_states.py",
    "model/proof/test_policy.py",
    "model/proof/test_redundant.py",
    "model/proof/test_second_solver.py",
    "model/proof/test_shared_goals.py",
    "model/proof/test_smtlib.py",
)
"""Files whose heavy tests take more than an hour in all (``pytest -m exhaustive``). Their other tests are light."""
HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        slow = any(item.get_closest_marker(marker) for marker in ("live", "browser", "packaging", "heavy"))
        file = item.path.relative_to(HERE).as_posix() if item.path.is_relative_to(HERE) else ""
        if item.get_closest_marker("heavy") and file in EXHAUSTIVE:
            item.add_marker(pytest.mark.exhaustive)
        if not slow and file not in RANDOM and any(fnmatch(file, pattern) for pattern in FAST):
            item.add_marker(pytest.mark.fast)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """With ``-n`` a module's tests are all run by one process: what they share is made once. (``--dist`` may say
    otherwise.)
    """
    if config.getoption("dist") != "load":
        return None
    from xdist.scheduler import LoadFileScheduling

    return LoadFileScheduling(config, log)


@pytest.fixture(autouse=True)
def _no_width_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a command prints doesn't depend on how wide the terminal of whoever runs the tests is, and a sentence is
    mostly on one line.
    """

    def no_terminal(*_: int) -> os.terminal_size:
        raise OSError("the tests have no terminal")

    monkeypatch.setattr(os, "get_terminal_size", no_terminal)
    monkeypatch.delenv("COLUMNS", raising=False)
    monkeypatch.setattr("sendright.cli.streams.PIPE_WIDTH", 160)


@pytest.fixture(autouse=True)
def _user_without_files(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test uses the cached proofs or the key of the user who runs it. (Live tests find their kernel in that user's
    cache directory.)
    """
    if request.node.get_closest_marker("live") is None:
        home = tmp_path_factory.getbasetemp() / f"user-{uuid4().hex}"
        monkeypatch.setenv("XDG_CACHE_HOME", str(home / "cache"))
        monkeypatch.setenv("XDG_DATA_HOME", str(home / "data"))
