"""The command line: parses arguments, calls the other packages and prints. It has no logic of its own."""
