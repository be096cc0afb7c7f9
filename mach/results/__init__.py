"""Results: of checks, of proofs, of audits."""
