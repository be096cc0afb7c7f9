"""The parts of a check: its runs, and the failing runs that earlier checks have left."""
