"""Objectives of fits: the least-squares problem of each half-step, and the loss in the history."""
