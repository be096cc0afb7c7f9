"""Profiles as parameters of tests."""

from __future__ import annotations

import pytest

from sendright.mach.kernel.profiles import MANUAL, PROFILES

MANUAL_FIRST = [
    pytest.param(profile, id=profile.name, marks=() if profile is MANUAL else pytest.mark.heavy)
    for profile in sorted(PROFILES.values(), key=lambda each: each is not MANUAL)
]
"""Every profile, for tests that take long: only ``manual`` isn't heavy. CI runs all of them."""
