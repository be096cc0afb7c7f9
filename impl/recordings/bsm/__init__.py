"""Readers of BSM audit trails, binary and as praudit(1) prints them."""
