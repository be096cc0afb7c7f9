"""The specification: Mach's calls and the invariants of capabilities and tokens, in z3.

One text, two readings: proved for any number of tasks and ports (``prove.py``) and run as the oracle that judges an
implementation step by step (``oracle.py``).
"""
