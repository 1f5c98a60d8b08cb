"""Reproduction of the published numbers in NumPy and on Spark."""
