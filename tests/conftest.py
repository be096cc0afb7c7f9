"""What all tests share."""

import pytest


@pytest.fixture(autouse=True)
def _no_width_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a command prints doesn't depend on how wide the terminal of whoever runs the tests is."""
    monkeypatch.delenv("COLUMNS", raising=False)
