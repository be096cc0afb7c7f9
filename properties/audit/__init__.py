"""The audit of recorded logs: which tasks got which tokens and rights, from which tasks, and where that broke a rule.

Readers yield facts (``mach/results/facts.py``). ``store`` keeps them in tables on disk. Rules query those tables.
``lineage`` builds the part of the derivation graph that findings and users' questions need. ``audit`` does all that for
one group of logs, ``many`` for many at once.
"""
