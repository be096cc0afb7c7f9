"""The specification clause by clause, for traceability."""
