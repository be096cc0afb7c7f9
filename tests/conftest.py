"""What all tests share."""

from uuid import uuid4

import pytest


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
