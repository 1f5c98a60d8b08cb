"""Fitted models: factor frames, recommendations and persistence."""
