"""What all tests share."""

from fnmatch import fnmatch
from typing import Any
from uuid import uuid4

import pytest

FAST = (
    "test_audit_reports",
    "test_audit_rules",
    "test_calls_in_progress",
    "test_cli_graph",
    "test_cli_profiles",
    "test_instantiate",
    "test_locked_versions",
    "test_model_messages",
    "test_model_peek",
    "test_mutants_of_port_calls",
    "test_not_utf_8",
    "test_recordings_bsm",
    "test_recordings_endpoint_security",
    "test_recordings_fuzz",
    "test_recordings_holdings",
    "test_reference_kernel_[!n]*",
    "test_reference_kernel_names",
    "test_reference_kernel_notifications",
    "test_replay",
    "test_report_ci",
    "test_report_history",
    "test_report_page",
    "test_script",
    "test_script_export",
)
"""Modules whose tests take less than a minute in all (``pytest -m fast``), in one process: a few for each package."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        slow = any(item.get_closest_marker(marker) for marker in ("live", "browser", "packaging", "heavy"))
        if not slow and any(fnmatch(item.path.stem, module) for module in FAST):
            item.add_marker(pytest.mark.fast)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """With ``-n`` a module's tests are all run by one process: what they share is made once. (``--dist`` may say otherwise.)"""
    if config.getoption("dist") != "load":
        return None
    from xdist.scheduler import LoadFileScheduling

    return LoadFileScheduling(config, log)


@pytest.fixture(autouse=True)
def _no_width_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a command prints doesn't depend on how wide the terminal of whoever runs the tests is."""
    monkeypatch.delenv("COLUMNS", raising=False)


@pytest.fixture(autouse=True)
def _user_without_files(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test uses the cached proofs or the key of the user who runs it. (Live tests find their kernel in that user's cache directory.)"""
    if request.node.get_closest_marker("live") is None:
        home = tmp_path_factory.getbasetemp() / f"user-{uuid4().hex}"
        monkeypatch.setenv("XDG_CACHE_HOME", str(home / "cache"))
        monkeypatch.setenv("XDG_DATA_HOME", str(home / "data"))
