"""What keeps a session from starting is told in a sentence, and in the time that it states."""

import os
import re
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from pyspark import SparkConf

from spark_mf.cli.starting import require_event_log, require_master

JOB = """
import sys
from spark_mf.cli.job import job_session, one_sentence_faults

with one_sentence_faults("job"), job_session("job", master=sys.argv[1], driver_memory="512m"):
    print("started")
"""


@pytest.fixture
def closed_port() -> int:
    """A port of the loopback that nothing listens on."""
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        return int(holder.getsockname()[1])


def test_a_master_that_does_not_answer_is_named_with_what_to_check(closed_port: int):
    with pytest.raises(ConnectionError) as raised:
        require_master(f"spark://127.0.0.1:{closed_port}", seconds=5)
    assert str(raised.value) == (
        f"spark.master must be a running master, got spark://127.0.0.1:{closed_port}, which accepted no connection "
        f"within 5 s (127.0.0.1:{closed_port}: Connection refused). Check that it is running, that host and port are "
        "those on its web page, and that no firewall blocks the connection."
    )


def test_a_master_that_takes_no_connection_is_given_up_in_time():
    """The queue of a listener that accepts nothing is full after a connection or two."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        address = listener.getsockname()
        waiting = [socket.socket() for _ in range(4)]
        for each in waiting:
            each.setblocking(False)
            each.connect_ex(address)
        began = time.monotonic()
        with pytest.raises(ConnectionError, match=r"within 0\.3 s .*timed out"):
            require_master(f"spark://{address[0]}:{address[1]}", seconds=0.3)
        assert time.monotonic() - began < 60
        for each in waiting:
            each.close()


def test_one_of_several_masters_is_enough(closed_port: int):
    with socket.create_server(("127.0.0.1", 0)) as master:
        require_master(f"spark://127.0.0.1:{closed_port},127.0.0.1:{master.getsockname()[1]}", seconds=5)
        master.settimeout(5)
        connection, (host, _) = master.accept()
        connection.close()
    assert host == "127.0.0.1"


@pytest.mark.parametrize("master", ["local[2]", "local-cluster[2,1,1024]", "yarn", "k8s://https://127.0.0.1:1"])
def test_other_masters_are_not_tried(master: str, monkeypatch: pytest.MonkeyPatch):
    tried: list[object] = []
    monkeypatch.setattr(socket, "create_connection", lambda address, **options: tried.append(address))
    require_master(master)
    assert tried == []


@pytest.mark.parametrize("master", ["spark://", "spark://host", "spark://host:port"])
def test_a_master_without_a_port_is_refused(master: str):
    with pytest.raises(ValueError, match=rf"spark\.master must have the form spark://HOST:PORT, got '{master}'\."):
        require_master(master)


def event_log(folder: str) -> SparkConf:
    return SparkConf(loadDefaults=False).set("spark.eventLog.enabled", "true").set("spark.eventLog.dir", folder)


@pytest.mark.parametrize("prefix", ["", "file:", "file://"])
def test_a_folder_for_event_logs_that_is_missing_is_refused(tmp_path: Path, prefix: str):
    folder = f"{prefix}{tmp_path}/gone"
    with pytest.raises(NotADirectoryError) as raised:
        require_event_log(event_log(folder))
    assert str(raised.value) == (
        f"spark.eventLog.dir must be a writable folder, got '{folder}' (there is no such folder). Create the folder, "
        "use another one, or set spark.eventLog.enabled to false."
    )


def test_a_folder_for_event_logs_that_cannot_be_written_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    # Root may write everywhere, so the answer to the question is what is made.
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    with pytest.raises(PermissionError, match=r"\(permission denied\)\. Create the folder, use another one"):
        require_event_log(event_log(str(tmp_path)))


def test_a_folder_that_can_be_written_and_one_elsewhere_are_left_to_spark(tmp_path: Path):
    require_event_log(event_log(f"file://{tmp_path}"))
    require_event_log(event_log("hdfs://name-node/logs"))
    require_event_log(event_log(f"{tmp_path}/gone").set("spark.eventLog.enabled", "false"))


def start(master: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Start a job's session in a process of its own."""
    path = os.pathsep.join([str(Path(__file__).parents[2]), *sys.path])
    return subprocess.run(
        [sys.executable, "-c", JOB, master],
        env={**os.environ, "PYTHONPATH": path, **environment},
        capture_output=True,
        text=True,
        timeout=300,
    )


@pytest.mark.slow
def test_a_job_on_an_unreachable_master_ends_with_the_sentence_alone(closed_port: int):
    done = start(f"spark://127.0.0.1:{closed_port}")
    assert (done.returncode, done.stdout) == (2, "")
    assert re.fullmatch(
        r"job: spark\.master .*, got spark://127\.0\.0\.1:\d+, which accepted no connection .*\n", done.stderr
    )


@pytest.mark.slow
def test_a_job_without_its_event_log_ends_with_the_sentence_alone(tmp_path: Path):
    (tmp_path / "spark-defaults.conf").write_text(f"spark.eventLog.enabled true\nspark.eventLog.dir {tmp_path}/gone\n")
    done = start("local[1]", SPARK_CONF_DIR=str(tmp_path))
    assert (done.returncode, done.stdout) == (2, "")
    assert f"job: spark.eventLog.dir must be a writable folder, got '{tmp_path}/gone'" in done.stderr
    assert "Traceback" not in done.stderr
