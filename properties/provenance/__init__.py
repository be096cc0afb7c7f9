"""Where rights and tokens come from, and where they can go."""
