"""A cluster of docker-compose.yml for tests, with a name, an image's name, ports and folders of its own."""

import json
import os
import re
import socket
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

from tests.cluster.engine import CAPTURED, compose_command

ROOT = Path(__file__).parents[2]


class Cluster:
    """Two workers of one core each.

    Args:
        folder: what the containers have as /opt/spark_mf/out.
        environment: the variables of `tests.cluster.engine.container_engine`.
    """

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self.folder = folder
        self.master_port, self.history_port = _free_port(), _free_port()
        name = f"spark_mf_test_{os.getpid()}"
        #: An ordinary user's number, even where the tests are root's.
        self.user = str(os.getuid() or 1000)
        os.chown(folder, int(self.user), -1)
        self._environment = {
            **environment,
            "COMPOSE_PROJECT_NAME": name,
            "SPARK_MF_IMAGE": name,
            "USER_ID": self.user,
            "OUT_FOLDER": str(folder),
            "MASTER_PORT": str(self.master_port),
            "HISTORY_PORT": str(self.history_port),
            "WORKERS": "2",
            "WORKER_CORES": "1",
            "WORKER_MEMORY": "1g",
            "EXECUTOR_MEMORY": "1g",
            "DRIVER_MEMORY": "1g",
        }
        self._image = name
        self._compose = compose_command()

    def run(self, *arguments: str) -> str:
        """Run compose, and return what it printed; fails with the end of it."""
        return self._run(*self._compose, *arguments)

    def submit(self, *arguments: str) -> subprocess.Popen[str]:
        """Start spark-submit in a container; its lines are to be read from `stdout`."""
        command = [*self._compose, "run", "--rm", "-T", "submit", *arguments]
        return subprocess.Popen(command, cwd=ROOT, env=self._environment, bufsize=1, **CAPTURED)

    def containers(self, *services: str) -> list[str]:
        """Ids of the services' containers that run; of all services where none is named."""
        ids = self.run("ps", "-q", *services).split()
        return [id_ for id_ in ids if re.fullmatch("[0-9a-f]{12,}", id_) and self.inspect(id_)["State"]["Running"]]

    def inspect(self, container: str) -> dict[str, Any]:
        """What the engine says of a container."""
        return json.loads(self._run("docker", "inspect", container))[0]

    def kill(self, container: str) -> None:
        """End every process of a container at once."""
        self._run("docker", "kill", container)

    def alive_workers(self) -> int:
        """How many workers the master counts as alive; 0 where it does not answer."""
        answer = get(self.master_port, "/json/")
        return answer["aliveworkers"] if answer else 0

    def application(self, id_: str, what: str = "") -> Any:
        """What the history server says of an application; None where it does not know it yet."""
        return get(self.history_port, f"/api/v1/applications/{id_}{what}")

    def completed_applications(self) -> list[str]:
        """Names of those whose complete event logs the history server has."""
        answer = get(self.history_port, "/api/v1/applications?status=completed") or []
        return [application["name"] for application in answer]

    def is_completed(self, id_: str) -> bool:
        """Whether the history server has an application's complete event log."""
        application = self.application(id_)
        return application is not None and application["attempts"][-1]["completed"]

    def remove(self) -> None:
        """Leave no container, network, volume or image behind."""
        self.run("down", "--volumes", "--remove-orphans")
        self._run("docker", "image", "rm", self._image)

    def _run(self, *command: str) -> str:
        done = subprocess.run(command, cwd=ROOT, env=self._environment, **CAPTURED)
        assert done.returncode == 0, f"{command}: {done.stdout[-5000:]}"
        return done.stdout


def get(port: int, path: str) -> Any:
    """The JSON that a page of this machine answers with; None where it does not answer yet."""
    try:
        with urlopen(f"http://127.0.0.1:{port}{path}", timeout=30) as answer:
            return json.load(answer)
    except (URLError, ConnectionError, TimeoutError):
        return None


def wait_until(holds: Callable[[], bool], seconds: float) -> bool:
    """Whether something comes to hold in time."""
    until = time.monotonic() + seconds
    while not (held := holds()) and time.monotonic() < until:
        time.sleep(1)
    return held


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]
