"""The numbers and words of Mach's headers."""
