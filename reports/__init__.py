"""Reports: turns results into an HTML page, JUnit XML, SARIF and terminal output.

The modules here read the results of ``sendright.mach.results.checks`` and nothing else: no kernel, no solver. They
treat every name, value and sentence in a result as hostile, and show it as plain text only.
"""
