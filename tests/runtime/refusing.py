"""Stand-ins for the JVM on a platform that lets Python call only the methods that pyspark itself calls."""

from typing import Any, NoReturn

import pytest
from py4j.protocol import Py4JError, Py4JJavaError, Py4JNetworkError


class JavaSideError(Py4JJavaError):
    """As py4j tells of an exception of Java's; its own needs a JVM to be made."""

    def __init__(self, name: str) -> None:
        Exception.__init__(self, name)
        self._name = name

    def __str__(self) -> str:
        return f"An error occurred while calling o1.sc.\n: {self._name}: Method is not whitelisted"


REFUSALS = [
    pytest.param(Py4JError("Method maxNumConcurrentTasks([]) does not exist"), id="unknown"),
    pytest.param(JavaSideError("py4j.security.Py4JSecurityException"), id="refused"),
]
FAILURES = [
    pytest.param(Py4JNetworkError("Answer from Java side is empty"), id="no JVM"),
    pytest.param(JavaSideError("java.lang.IllegalStateException"), id="failed"),
]


class Refusing:
    """Raises an error for every attribute that it is asked for."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def __getattr__(self, name: str) -> NoReturn:
        raise self._error


def refusing(context: Any, error: Exception) -> Any:
    """Return a context whose Java side refuses everything."""
    context._jsc = context._jvm = Refusing(error)
    return context
