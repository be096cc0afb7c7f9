"""The boot state of a profile, compared with a policy: where the proof begins."""

from __future__ import annotations

from sendright.mach.kernel.profiles import Profile
from sendright.mach.results.policies import CheckedRun
from sendright.model.execution.oracle import Oracle
from sendright.model.policy.policy import Policy
from sendright.properties.policy.check import check_state


def check_boot(policy: Policy, profile: Profile) -> CheckedRun:
    """Compare the boot state with ``policy``. Raises NoLabel if a task at boot has no label."""
    return check_state(policy, Oracle(profile).snapshot(), profile.name, f"the boot state of {profile.name}")
