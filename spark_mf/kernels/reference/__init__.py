"""What kernels compute, in plain NumPy: modules and functions have the kernels' names and signatures."""
