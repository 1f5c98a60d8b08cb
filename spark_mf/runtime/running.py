"""Checks of whether a Spark session is still running."""

from py4j.protocol import Py4JError
from pyspark.sql import SparkSession

from spark_mf.runtime.refusal import is_refusal


def is_running(session: SparkSession) -> bool:
    """Return whether a session can still run jobs, i.e. neither it nor Spark itself has stopped."""
    context = session.sparkContext
    if context._jsc is None:
        return False
    try:
        return not context._jsc.sc().isStopped()
    except Py4JError as error:
        return is_refusal(error)  # otherwise the JVM has terminated


def require_running(session: SparkSession, owner: str, way_out: str) -> None:
    """Raise an error unless a session is running.

    Parameters
    ----------
    session : SparkSession
    owner : str
        Owner of the session, such as "The model's".
    way_out : str
        How to fix the error, a sentence.

    Raises
    ------
    RuntimeError
        If the session has stopped.
    """
    if not is_running(session):
        raise RuntimeError(f"{owner} Spark session must be running, got a stopped one. {way_out}")
