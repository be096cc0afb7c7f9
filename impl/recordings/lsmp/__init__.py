"""Readers of lsmp(1)'s listings of port rights."""
