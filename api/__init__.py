"""What ``import sendright`` offers, and the pytest plugin. Users import it from ``sendright``, never from here."""
