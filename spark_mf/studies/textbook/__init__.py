"""The published numbers of the textbook, in NumPy and on Spark."""
