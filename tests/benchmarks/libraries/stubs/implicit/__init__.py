"""Stand-in for the library implicit 0.7, in plain NumPy."""
