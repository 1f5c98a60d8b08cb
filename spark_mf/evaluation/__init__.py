"""Metrics of predictions and recommendations."""
