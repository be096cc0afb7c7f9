"""Clauses of invariants that follow from others."""

from __future__ import annotations

import pytest

from sendright.cli.main import main
from sendright.mach.kernel.profiles import MANUAL, PROFILES, Profile
from sendright.mach.results.verdicts import Verdict
from sendright.model.invariants import lemmas
from sendright.model.language.invariant import INVARIANTS
from sendright.model.proof import redundant
