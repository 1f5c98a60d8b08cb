"""Half-steps of ALS besides the exact one: inner gradient steps, and biases."""
