"""The audit of recorded logs: who got which token and which right from whom, and where that broke a rule.

Readers yield facts (``mach/facts.py``); ``store`` keeps them in tables on disk; rules are questions to those tables; ``lineage`` draws what findings
and users' questions need as a graph; ``audit`` does all that with one group of logs, ``many`` with many at once.
"""
