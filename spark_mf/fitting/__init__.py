"""The fit loop that all estimators share: iterations, stopping rules, checkpoints, warm start and summary."""
