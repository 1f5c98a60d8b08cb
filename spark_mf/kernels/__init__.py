"""All arithmetic: numba functions on plain arrays, each beside a plain NumPy twin of the same signature."""
