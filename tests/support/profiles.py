"""Profiles as parameters of tests."""

from __future__ import annotations

from typing import Any

import pytest

from sendright.mach.kernel.profiles import MANUAL, PROFILES

MANUAL_FIRST = [
    pytest.param(profile, id=profile.name, marks=() if profile is MANUAL else pytest.mark.heavy)
    for profile in sorted(PROFILES.values(), key=lambda each: each is not MANUAL)
]
"""Every profile, for tests that take long: only ``manual`` isn't heavy. CI runs all of them."""


def manual_first(light: int, heavy: int) -> list[Any]:
    """Parameters of a test that takes a profile and a number: ``manual`` with ``light``, which isn't heavy, and every
    profile with ``heavy``.
    """
    every = [pytest.param(profile, heavy, id=f"{profile.name}-{heavy}", marks=pytest.mark.heavy) for profile in PROFILES.values()]
    return [pytest.param(MANUAL, light, id=f"manual-{light}"), *every]
