"""Profiles: a known one with other switches, in Python and in a file."""

from __future__ import annotations

from pathlib import Path

from sendright.mach.abi.codes import ReturnCode
from sendright_example.plugin import plugin

plugin.profile(
    "patient-gnumach",
    based_on="gnumach",
    title="GNU Mach that takes a resume of a running task for done",
    resume_at_zero_code=ReturnCode.KERN_SUCCESS,
)
plugin.profile_file(Path(__file__).with_name("small_kernel.toml"))
