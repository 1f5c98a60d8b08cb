"""A cluster of docker-compose.yml for tests, with a name, an image's name, ports and folders of its own."""

import json
import os
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

ROOT = Path(__file__).parents[2]
BASE_IMAGE = "python:3.11-slim-bookworm"


def base_image() -> str:
    """What the image is built on: the environment may name another, as for docker-compose.yml."""
    return os.environ.get("BASE_IMAGE", BASE_IMAGE)


def compose_command() -> list[str]:
    """Compose as a plugin of docker, else as a program of its own; empty where there is neither."""
    if _succeeds("docker", "compose", "version"):
        return ["docker", "compose"]
    return ["docker-compose"] if shutil.which("docker-compose") else []


def why_no_cluster() -> str | None:
    """Why no cluster can be started here; None where one can."""
    if shutil.which("docker") is None:
        return "there is no program `docker` on PATH"
    if not _succeeds("docker", "info", "--format", "{{.ServerVersion}}"):
        return "no container engine answers `docker info`"
    if not compose_command():
        return "there is neither `docker compose` nor `docker-compose`"
    if not (_succeeds("docker", "image", "inspect", base_image()) or _succeeds("docker", "pull", base_image())):
        return f"the base image {base_image()} is not there and cannot be pulled: set BASE_IMAGE to one that is"
    return None


class Cluster:
    """Two workers of one core each.

    Parameters
    ----------
    folder : Path
        What the containers have as /opt/spark_mf/out.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.master_port, self.history_port = _free_port(), _free_port()
        name = f"spark_mf_test_{os.getpid()}"
        user = os.getuid() or 1000
        os.chown(folder, user, -1)
        self._environment = os.environ | {
            "COMPOSE_PROJECT_NAME": name,
            "SPARK_MF_IMAGE": name,
            "BASE_IMAGE": base_image(),
            "USER_ID": str(user),
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
        done = subprocess.run([*self._compose, *arguments], cwd=ROOT, env=self._environment, **_CAPTURED)
        assert done.returncode == 0, f"{arguments}: {done.stdout[-5000:]}"
        return done.stdout

    def submit(self, *arguments: str) -> subprocess.Popen[str]:
        """Start spark-submit in a container; its lines are to be read from `stdout`."""
        command = [*self._compose, "run", "--rm", "-T", "submit", *arguments]
        return subprocess.Popen(command, cwd=ROOT, env=self._environment, stdin=subprocess.DEVNULL, bufsize=1, **_PIPED)

    def workers(self) -> list[str]:
        """Ids of the workers' containers that run."""
        ids = self.run("ps", "-q", "worker").split()
        return [id_ for id_ in ids if re.fullmatch("[0-9a-f]{12,}", id_) and self.state(id_)["Running"]]

    def state(self, container: str) -> dict[str, Any]:
        """What the engine says of a container's state."""
        done = subprocess.run(["docker", "inspect", "--format", "{{json .State}}", container], **_CAPTURED)
        return json.loads(done.stdout)

    def kill(self, container: str) -> None:
        """End every process of a container at once."""
        subprocess.run(["docker", "kill", container], check=True, **_CAPTURED)

    def alive_workers(self) -> int:
        """How many workers the master counts as alive; 0 where it does not answer."""
        answer = get(self.master_port, "/json/")
        return answer["aliveworkers"] if answer else 0

    def application(self, id_: str, what: str = "") -> Any:
        """What the history server says of an application; None where it does not know it yet."""
        return get(self.history_port, f"/api/v1/applications/{id_}{what}")

    def is_completed(self, id_: str) -> bool:
        """Whether the history server has an application's complete event log."""
        application = self.application(id_)
        return application is not None and application["attempts"][-1]["completed"]

    def remove(self) -> None:
        """Leave no container, network, volume or image behind."""
        self.run("down", "--volumes", "--remove-orphans")
        subprocess.run(["docker", "image", "rm", self._image], **_CAPTURED)


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


_PIPED: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
_CAPTURED: dict[str, Any] = _PIPED | {"stdin": subprocess.DEVNULL}


def _succeeds(*command: str) -> bool:
    try:
        return subprocess.run(command, **_CAPTURED).returncode == 0
    except FileNotFoundError:
        return False


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]
