"""Platforms that let Python call only those methods of the JVM's that pyspark itself calls."""

from py4j.protocol import Py4JError, Py4JJavaError, Py4JNetworkError

_SECURITY = "Py4JSecurityException"


def is_refusal(error: Py4JError) -> bool:
    """Return whether a call was refused, or is not known; not, when it failed or the JVM is gone."""
    if isinstance(error, Py4JNetworkError):
        return False
    return not isinstance(error, Py4JJavaError) or _SECURITY in str(error)
