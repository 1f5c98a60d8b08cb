"""Memory plans, limits, and the selection of an engine."""
