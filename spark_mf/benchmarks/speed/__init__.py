"""Speed of fits, kernels and the preparation of ratings."""
