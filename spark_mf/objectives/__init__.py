"""What a fit minimises: the problem of each half-step, and the loss that the history reports."""
