"""Where proof tasks run: worker processes here, or a cluster."""
