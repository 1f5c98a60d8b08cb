"""Readers of rating files: formats, columns and lines."""
