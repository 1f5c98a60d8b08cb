"""Checks before a session starts, and messages that explain why it could not start."""

import os
import socket
from urllib.parse import unquote, urlsplit

from py4j.protocol import Py4JJavaError
from pyspark import SparkConf

from spark_mf.storage.files import java_reason

_SPARK = "spark://"
# Spark's default of spark.eventLog.dir.
_EVENT_LOGS = "file:///tmp/spark-events"
#: Timeout in seconds for connecting to a master.
CONNECT_SECONDS = 10.0


def require_master(master: str, seconds: float = CONNECT_SECONDS) -> None:
    """Raise an error if no master of a standalone cluster accepts a connection; other kinds of masters are not checked.

    Spark itself tries for about a minute, and then fails with an unrelated stack trace.

    Parameters
    ----------
    master : str
        The value of spark.master, which may contain several hosts.
    seconds : float
        Timeout for each host.

    Raises
    ------
    ValueError
        If the address of a master is invalid.
    ConnectionError
        If no master accepts a connection.
    """
    if not master.startswith(_SPARK):
        return
    reasons = []
    for address in master.removeprefix(_SPARK).split(","):
        host, _, port = address.rpartition(":")
        if not (host and port.isdecimal()):
            raise ValueError(f"spark.master must have the form spark://HOST:PORT, got {master!r}.")
        try:
            socket.create_connection((host.strip("[]"), int(port)), timeout=seconds).close()
        except OSError as error:
            reasons.append(f"{address}: {error.strerror or error}")
        else:
            return
    raise ConnectionError(
        f"spark.master must be a running master, got {master}, which accepted no connection within {seconds:g} s "
        f"({'; '.join(reasons)}). Check that it is running, that host and port are those on its web page, and that no "
        "firewall blocks the connection."
    )


def require_event_log(conf: SparkConf) -> None:
    """Raise an error if the folder of the event log is local and cannot be written.

    Spark itself checks folders on other file systems; `start_fault` explains its errors.

    Raises
    ------
    NotADirectoryError
        If the folder does not exist.
    PermissionError
        If the folder is not writable.
    """
    if (conf.get("spark.eventLog.enabled", "false") or "").lower() != "true":
        return
    folder = conf.get("spark.eventLog.dir", _EVENT_LOGS) or _EVENT_LOGS
    address = urlsplit(folder)
    if address.scheme not in ("", "file"):
        return
    path = unquote(address.path)
    if not os.path.isdir(path):
        raise NotADirectoryError(_no_event_log(folder, "there is no such folder"))
    if not os.access(path, os.W_OK | os.X_OK):
        raise PermissionError(_no_event_log(folder, "permission denied"))


def start_fault(conf: SparkConf, error: Py4JJavaError) -> str:
    """Return a message that explains why Spark could not start a session with these settings."""
    reason = java_reason(error)
    if "EventLog" in str(error):
        return _no_event_log(conf.get("spark.eventLog.dir", _EVENT_LOGS) or _EVENT_LOGS, reason)
    return (
        f"Spark could not start a session on {conf.get('spark.master', '')!r} ({reason}). See Spark's log above for "
        "details."
    )


def _no_event_log(folder: str, reason: str) -> str:
    return (
        f"spark.eventLog.dir must be a writable folder, got {folder!r} ({reason}). Create the folder, use another one, "
        "or set spark.eventLog.enabled to false."
    )
