"""Detection of platforms that let Python call only the JVM methods that pyspark itself calls."""

from py4j.protocol import Py4JError, Py4JJavaError, Py4JNetworkError

_SECURITY = "Py4JSecurityException"


def is_refusal(error: Py4JError) -> bool:
    """Return whether a JVM method was refused or is unknown, as opposed to a failed call or a terminated JVM."""
    if isinstance(error, Py4JNetworkError):
        return False
    return not isinstance(error, Py4JJavaError) or _SECURITY in str(error)
