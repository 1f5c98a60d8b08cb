"""Whether the Spark session that a frame belongs to still runs."""

from py4j.protocol import Py4JError
from pyspark.sql import SparkSession

from spark_mf.runtime.refusal import is_refusal


def is_running(session: SparkSession) -> bool:
    """Return whether a session can still run jobs: neither it nor Spark itself was stopped."""
    context = session.sparkContext
    if context._jsc is None:
        return False
    try:
        return not context._jsc.sc().isStopped()
    except Py4JError as error:
        return is_refusal(error)  # else the JVM is gone


def require_running(session: SparkSession, owner: str, way_out: str) -> None:
    """Refuse to go on with a session that was stopped, as a RuntimeError.

    Parameters
    ----------
    session : SparkSession
    owner : str
        Whose session it is, as "The model's".
    way_out : str
        A sentence.
    """
    if not is_running(session):
        raise RuntimeError(f"{owner} Spark session must be running, got a stopped one. {way_out}")
