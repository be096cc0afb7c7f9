"""What holds whatever tasks do: counts, determinism, and that looking changes nothing."""

from __future__ import annotations

import pytest
from support.random_runs import RandomCaller, booted, run

from sendright.mach.kernel.profiles import PROFILES, Profile


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("profile", PROFILES.values(), ids=PROFILES)
def test_counts_agree_and_failed_calls_change_nothing(profile: Profile, seed: int) -> None:
    record, state = run(profile, RandomCaller(seed), 250)
    again = booted(profile)
    for task, call, result in record:
        assert again.call(task, call) == result
    assert again.snapshot() == state, "a kernel that nobody looked at meanwhile shows something else"
