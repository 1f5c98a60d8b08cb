"""Kernels of linear algebra: normal equations, their solvers, and the vector code that they stand on."""
