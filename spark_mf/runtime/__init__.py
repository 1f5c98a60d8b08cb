"""Spark as it runs: job descriptions, and what Python workers need."""
