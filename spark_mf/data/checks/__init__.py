"""Checks of single rows, of repeated pairs, and of users and items with too few ratings."""
