"""Reports: from results to a page, JUnit XML, SARIF and the terminal.

Everything here reads the results of ``sendright.mach.results`` and nothing else: no kernel, no solver. What results say (names, data, words)
is taken for hostile and shown as text only.
"""
