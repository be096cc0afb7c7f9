"""An audit's reports."""
