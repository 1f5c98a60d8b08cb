"""The fit of all estimators: iterations, stopping rules, checkpoints, warm start and training summary."""
