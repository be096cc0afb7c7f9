"""Mutants of the specification: small mistakes, and whether proofs and checks notice them."""
