"""The specification's terms, run on concrete states: the oracle."""
