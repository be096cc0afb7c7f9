"""The command line: parses, calls, prints. It has no logic of its own."""
