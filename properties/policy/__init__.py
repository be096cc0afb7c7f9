"""Policies of users: read from files, and compared with recorded runs."""
