"""Testing implementations: random calls, judged runs, minimized failures, and the derivation graph of rights and
tokens."""
