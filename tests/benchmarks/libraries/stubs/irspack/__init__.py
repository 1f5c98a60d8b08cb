"""Stand-in for the library irspack 0.5, in plain NumPy."""
