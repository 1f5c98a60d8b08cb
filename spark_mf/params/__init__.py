"""Param mixins of the estimators and models, and the validation of their values."""
