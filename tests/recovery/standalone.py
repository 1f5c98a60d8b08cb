"""A standalone cluster of Spark's on this machine: a master and workers of one core, each on a host of its own."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

import pyspark

PROJECT = Path(__file__).parents[2]
#: Seconds; this machine may have much else to do.
PATIENCE = 300.0


class Hosts(Protocol):
    """Hosts 0, 1, … that reach each other."""

    def address(self, number: int) -> str:
        """The address that a host listens on."""

    def command(self, number: int) -> list[str]:
        """What begins a command that is to run on a host."""


class Loopback:
    """Addresses of this machine's own; needs no rights, and no network can be lost."""

    def address(self, number: int) -> str:
        return f"127.0.0.{10 + number}"

    def command(self, number: int) -> list[str]:
        return []


class Namespaces:
    """Network namespaces on a bridge without uplink; each has an interface `eth0`, which it may set down; root only.

    Used as a context manager, which ends whatever still runs in them.
    """

    def __init__(self, count: int) -> None:
        self._bridge = f"mf-{os.getpid()}-bridge"
        self.names = [f"mf-{os.getpid()}-{number}" for number in range(count)]

    def address(self, number: int) -> str:
        return f"10.213.7.{10 + number}"

    def command(self, number: int) -> list[str]:
        return ["ip", "netns", "exec", self.names[number]]

    def is_up(self, name: str) -> bool:
        """Whether a host's interface is."""
        return "state UP" in _ip("-n", name, "link", "show", "eth0")

    def pids(self, name: str) -> list[int]:
        """The processes that run on a host."""
        return [int(pid) for pid in _ip("netns", "pids", name).split()]

    def __enter__(self) -> Self:
        try:
            _ip("netns", "add", self._bridge)
            _ip("-n", self._bridge, "link", "add", "br0", "type", "bridge")
            _ip("-n", self._bridge, "link", "set", "br0", "up")
            for number, name in enumerate(self.names):
                port = f"port{number}"
                _ip("netns", "add", name)
                _ip("-n", name, "link", "add", "eth0", "type", "veth", "peer", "name", port, "netns", self._bridge)
                _ip("-n", name, "address", "add", f"{self.address(number)}/24", "dev", "eth0")
                for interface in ("lo", "eth0"):
                    _ip("-n", name, "link", "set", interface, "up")
                _ip("-n", self._bridge, "link", "set", port, "master", "br0")
                _ip("-n", self._bridge, "link", "set", port, "up")
        except BaseException:
            self._remove()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._remove()

    def _remove(self) -> None:
        existing = {line.split()[0] for line in _ip("netns", "list").splitlines() if line.strip()}
        for name in [each for each in (*self.names, self._bridge) if each in existing]:
            for pid in self.pids(name):
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            _ip("netns", "del", name)


class StandaloneCluster:
    """Master on host 0, where the driver belongs too, and workers on the others, of one core and 1 GiB each.

    Used as a context manager, which ends its processes and their executors.

    Parameters
    ----------
    folder : Path
        For logs and the workers' files.
    hosts : Hosts
    options : str
        JVM options of master and workers.
    """

    def __init__(self, folder: Path, hosts: Hosts, options: str = "") -> None:
        self._folder, self._hosts, self._options = folder, hosts, options
        self._daemons: list[subprocess.Popen[bytes]] = []
        self.url = ""

    def __enter__(self) -> Self:
        try:
            log = self._start(0, "org.apache.spark.deploy.master.Master", "--port", "0")
            wait_until(lambda: "Starting Spark master at" in log.read_text(), f"the master does not start: {log}")
            self.url = re.findall(r"Starting Spark master at (\S+)", log.read_text())[0]
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()

    def start_worker(self, number: int) -> Path:
        """Start the worker of a host; returns its folder, which has a folder `app…` once an executor was started."""
        work = self._folder / f"work-{number}"
        arguments = ("--cores", "1", "--memory", "1g", "--work-dir", str(work), self.url)
        self._start(number, "org.apache.spark.deploy.worker.Worker", *arguments)
        return work

    def settings(self) -> dict[str, str]:
        """What a driver on host 0 needs to have two executors, which it waits for."""
        return {
            "spark.master": self.url,
            "spark.driver.host": self._hosts.address(0),
            "spark.driver.bindAddress": self._hosts.address(0),
            "spark.ui.enabled": "false",
            "spark.cores.max": "2",
            "spark.locality.wait": "0s",
            "spark.scheduler.minRegisteredResourcesRatio": "1.0",
            "spark.scheduler.maxRegisteredResourcesWaitingTime": f"{PATIENCE:.0f}s",
        }

    def _start(self, number: int, name: str, *arguments: str) -> Path:
        home, address = spark_home(self._folder), self._hosts.address(number)
        log = self._folder / f"{name.rpartition('.')[2]}-{number}.log"
        environment = {
            "SPARK_LOCAL_IP": address,
            "SPARK_DAEMON_MEMORY": "256m",
            "SPARK_DAEMON_JAVA_OPTS": f"-XX:+UseSerialGC {self._options}",
        }
        command = [f"{home}/bin/spark-class", name, "--host", address, "--webui-port", "0", *arguments]
        with log.open("wb") as output:
            daemon = subprocess.Popen(
                self._hosts.command(number) + command,
                env=spark_environment(home) | environment,
                start_new_session=True,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        self._daemons.append(daemon)
        return log

    def _stop(self) -> None:
        for daemon in reversed(self._daemons):
            with suppress(ProcessLookupError):  # executors are in the group of their worker
                os.killpg(daemon.pid, signal.SIGKILL)
            daemon.wait()


def spark_home(folder: Path) -> Path:
    """A home of Spark's in a folder: it is where a cluster leaves its logs."""
    home = folder / "home"
    home.mkdir(exist_ok=True)
    for name in ("bin", "sbin", "jars"):
        if not (home / name).exists():
            (home / name).symlink_to(Path(pyspark.__file__).parent / name)
    return home


def spark_environment(home: Path) -> dict[str, str]:
    """The environment of a process of a cluster's: what this one has, but not what a test session chose."""
    own = {"SPARK_HOME": str(home), "PYTHONPATH": str(PROJECT), "PYSPARK_PYTHON": sys.executable}
    others = {name: value for name, value in os.environ.items() if not name.startswith(("SPARK_", "PYSPARK_"))}
    return others | own


def wait_until(is_so: Callable[[], bool], otherwise: str) -> None:
    """Wait for something that another process does; AssertionError, with what to say, after five minutes."""
    until = time.monotonic() + PATIENCE
    while not is_so():
        assert time.monotonic() < until, otherwise
        time.sleep(0.1)


def settings_arguments(settings: Mapping[str, str]) -> list[str]:
    """Settings as a program of this folder takes them."""
    return [f"{key}={value}" for key, value in settings.items()]


def why_no_namespaces() -> str | None:
    """Why hosts in network namespaces cannot be made here; None where they can."""
    if os.geteuid() != 0:
        return "only root may make network namespaces"
    if shutil.which("ip") is None:
        return "the program `ip` is missing"
    name = f"mf-{os.getpid()}-try"
    tried = subprocess.run(["ip", "netns", "add", name], capture_output=True, text=True)
    if tried.returncode != 0:
        return f"no network namespace can be made: {tried.stderr.strip()}"
    _ip("netns", "del", name)
    return None


def _ip(*arguments: str) -> str:
    return subprocess.run(["ip", *arguments], check=True, capture_output=True, text=True).stdout
