"""What covers each clause of the specification: witnesses, proofs and tests."""
