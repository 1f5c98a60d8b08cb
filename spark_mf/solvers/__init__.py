"""Solvers of the least-squares problems of the rows of a block in a half-step."""
