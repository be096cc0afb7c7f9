"""From a question to an answer: instances of assumptions, z3, the cache, other solvers."""
