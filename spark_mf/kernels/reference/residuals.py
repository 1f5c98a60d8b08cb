"""`spark_mf.kernels.residuals` in plain NumPy and float64."""


def subtract_offsets(values, indices, offsets):  # type: ignore[no-untyped-def]
    """Return r − μ − b_i of each rating (Koren, Bell and Volinsky 2009, eq. 4), with offsets μ + b_i."""
    return values.astype(float) - offsets[indices].astype(float)
