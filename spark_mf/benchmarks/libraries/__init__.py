"""Other libraries for implicit feedback, which run in an environment of their own."""
