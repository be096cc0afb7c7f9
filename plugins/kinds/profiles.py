"""Profiles that a plugin adds."""

from __future__ import annotations

from pathlib import Path

from sendright.mach.kernel.profile_files import add_profile, profile_from, read_profile, remove_profile
from sendright.plugins.changes import Changes
from sendright.plugins.plugin import Declared, Plugin


def install(plugin: Plugin, one: Declared, changes: Changes) -> None:
    """Add a profile, from a table of switches or a file."""
    profile = read_profile(one.value) if isinstance(one.value, Path) else profile_from(one.value)
    add_profile(profile)
    changes.done(lambda: remove_profile(profile.name))
    changes.adds.append(f"profile {profile.name}, based on {profile.based_on}")
