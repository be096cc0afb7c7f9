"""Logs that were never recorded: what a recorder would have written of runs of the reference kernel, with and without a planted violation."""
