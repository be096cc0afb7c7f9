"""Clauses of invariants that follow from others."""

from __future__ import annotations
