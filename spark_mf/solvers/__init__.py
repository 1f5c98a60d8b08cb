"""Solvers of the least-squares problem that a half-step poses for each row of a block."""
