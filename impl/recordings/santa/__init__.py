"""Readers of Santa's logs."""
