"""Servers: programs that receive requests and answer them by MIG's rules, and the judgement whether they keep their
rights in order (docs/servers.md)."""
