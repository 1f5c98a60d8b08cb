"""Reference implementations of the kernels in plain NumPy, under the same names and with the same signatures."""
