"""The vocabulary of Mach: codes, rights, signatures, tokens, profiles, snapshots, scripts and traces.

This package knows no kernel and no solver. All other packages use its vocabulary.
"""
