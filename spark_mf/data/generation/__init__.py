"""Specification and plan of generated ratings."""
