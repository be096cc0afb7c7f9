"""Proving and refuting: the specification's terms, put to z3."""
