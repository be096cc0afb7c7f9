"""Readers of Endpoint Security messages in JSON."""
