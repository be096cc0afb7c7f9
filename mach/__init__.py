"""The vocabulary of Mach: codes, rights, signatures, tokens, profiles, snapshots, scripts and traces.

Nothing here knows a kernel or a solver; every other package speaks in these words.
"""
