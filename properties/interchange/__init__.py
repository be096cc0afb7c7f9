"""Runs in the forms of other tools: traces for model checkers, C programs, programs for a fuzzer."""
