"""Measurements of fits: comparisons, speed and scalability."""
