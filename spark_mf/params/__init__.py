"""Params of the estimators and of the model, and their validation."""
