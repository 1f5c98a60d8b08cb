"""Checks of ratings, row by row and pair by pair."""
