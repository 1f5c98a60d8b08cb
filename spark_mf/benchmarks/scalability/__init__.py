"""Scalability of fits with cores, ratings, rank and blocks; each point is measured in its own process."""
