"""Reasons why a session cannot start, each in one sentence."""

import os
import socket
from urllib.parse import unquote, urlsplit

from py4j.protocol import Py4JJavaError
from pyspark import SparkConf

from spark_mf.storage.files import java_reason

_SPARK = "spark://"
# Where Spark writes it when no folder is named.
_EVENT_LOGS = "file:///tmp/spark-events"
#: Seconds in which a master has to take a connection.
CONNECT_SECONDS = 10.0


def require_master(master: str, seconds: float = CONNECT_SECONDS) -> None:
    """Refuse a standalone cluster if none of its masters accepts a connection; do not try other kinds of masters.

    Spark itself tries for about a minute, and then fails with an unrelated stack trace.

    Parameters
    ----------
    master : str
        The value of spark.master; a standalone master may name several hosts.
    seconds : float
        Timeout for each host.

    Raises
    ------
    ConnectionError
        When none accepts a connection; the message says what to check.
    """
    if not master.startswith(_SPARK):
        return
    reasons = []
    for address in master.removeprefix(_SPARK).split(","):
        host, _, port = address.rpartition(":")
        if not (host and port.isdecimal()):
            raise ValueError(f"the master is {master!r}: write it as spark://HOST:PORT.")
        try:
            socket.create_connection((host.strip("[]"), int(port)), timeout=seconds).close()
        except OSError as error:
            reasons.append(f"{address}: {error.strerror or error}")
        else:
            return
    raise ConnectionError(
        f"no master of {master} took a connection within {seconds:g} s ({'; '.join(reasons)}): see whether it runs, "
        "whether host and port are those on its web page, and whether a firewall stands between."
    )


def require_event_log(conf: SparkConf) -> None:
    """Refuse a folder of this machine that Spark is to write its event log to and cannot; NotADirectoryError or such.

    Folders of other file systems are left to Spark, and told by `start_fault`.
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
    """Return a sentence on why Spark could not start a session with these settings, with the way out."""
    reason = java_reason(error)
    if "EventLog" in str(error):
        return _no_event_log(conf.get("spark.eventLog.dir", _EVENT_LOGS) or _EVENT_LOGS, reason)
    return (
        f"Spark could not start a session on {conf.get('spark.master', '')!r} ({reason}): see what Spark's log says "
        "above."
    )


def _no_event_log(folder: str, reason: str) -> str:
    return (
        f"spark.eventLog.dir is {folder!r}, where Spark cannot write its event log ({reason}): make the folder, name "
        "another, or set spark.eventLog.enabled to false."
    )
