"""Comparison runs: sessions, result rows, reports and plots."""
