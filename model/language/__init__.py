"""The notation in which rules and invariants are written."""

from sendright.model.language import quick_terms as _quicker  # noqa: F401 - before any term is made
