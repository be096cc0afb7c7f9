"""The script language: reading, running and writing scripts."""
