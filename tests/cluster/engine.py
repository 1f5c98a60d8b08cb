"""What a cluster of containers needs of a machine: an engine, a base image, and indexes of pip that the build reaches.

What the machine lacks is made, where it has the means, and removed afterwards; else `UnavailableError` tells it.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

BASE_IMAGE = "python:3.11-slim-bookworm"
CAPTURED: dict[str, Any] = {
    "stdin": subprocess.DEVNULL,
    "stdout": subprocess.PIPE,
    "stderr": subprocess.STDOUT,
    "text": True,
}

# The machine's own network stays as it is: no rules, no forwarding, no bridge that was not asked for. So containers
# reach each other and nothing else, and a build needs the machine's network.
_DAEMON = [
    "dockerd",
    "--storage-driver=overlay2",
    "--iptables=false",
    "--ip6tables=false",
    "--ip-forward=false",
    "--ip-masq=false",
    "--bridge=none",
]
_CERTIFICATES = "usr/local/share/ca-certificates"


class UnavailableError(Exception):
    """What the machine lacks for a cluster of containers, in a sentence."""


def compose_command() -> list[str]:
    """Compose as a plugin of docker, else as a program of its own.

    Raises:
        UnavailableError: there is neither.
    """
    if _runs(["docker", "compose", "version"], os.environ):
        return ["docker", "compose"]
    if shutil.which("docker-compose") is None:
        raise UnavailableError("there is neither `docker compose` nor `docker-compose`")
    return ["docker-compose"]


@contextmanager
def container_engine() -> Iterator[dict[str, str]]:
    """The variables with which docker-compose.yml is built and run here.

    Raises:
        UnavailableError: there is no engine, no compose or no base image, and none can be made.
    """
    if shutil.which("docker") is None:
        raise UnavailableError("there is no program `docker` on PATH")
    compose_command()
    with ExitStack() as made:
        environment = dict(os.environ)
        environment |= made.enter_context(_engine(environment))
        environment |= made.enter_context(_base_image(environment))
        environment |= made.enter_context(_pip_indexes())
        yield environment


@contextmanager
def _engine(environment: Mapping[str, str]) -> Iterator[dict[str, str]]:
    """The engine that answers, else one of our own with all that it writes in a folder of its own."""
    if _answers(environment):
        yield {}
        return
    silent = "no container engine answers `docker info`"
    if shutil.which("dockerd") is None:
        raise UnavailableError(f"{silent}, and there is no program `dockerd` on PATH to start one")
    if os.geteuid() != 0:
        raise UnavailableError(f"{silent}, and only root can start one")
    with _mounted_folder() as folder:
        own = {"DOCKER_HOST": f"unix://{folder}/socket", "BUILD_NETWORK": "host"}
        paths = [f"--data-root={folder}/data", f"--exec-root={folder}/exec", f"--pidfile={folder}/pid"]
        with (folder / "log").open("w") as log:
            # In a session of its own, for Ctrl-C to end the tests first.
            daemon = subprocess.Popen(
                [*_DAEMON, *paths, f"--host={own['DOCKER_HOST']}"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        try:
            until = time.monotonic() + 60
            while not _answers({**environment, **own}):
                if daemon.poll() is not None or time.monotonic() > until:
                    raise UnavailableError(
                        f"{silent}, and `dockerd` does not start: {_last_line((folder / 'log').read_text())}"
                    )
                time.sleep(0.5)
            yield own
        finally:
            daemon.terminate()
            daemon.wait(timeout=120)


@contextmanager
def _base_image(environment: Mapping[str, str]) -> Iterator[dict[str, str]]:
    """The base image that the environment names, where it is or can be pulled; else Debian's packages in a new one."""
    name = environment.get("BASE_IMAGE") or BASE_IMAGE
    if _runs(["docker", "image", "inspect", name], environment):
        yield {"BASE_IMAGE": name}
        return
    if not _runs(["docker", "pull", name], environment):
        lacks = f"the base image {name} is not there and cannot be pulled"
        if shutil.which("debootstrap") is None or os.geteuid() != 0:
            raise UnavailableError(f"{lacks}, and only root with the program `debootstrap` can make one")
        name = f"spark_mf_test_base_{os.getpid()}"
        _make_base_image(name, environment, lacks)
    try:
        yield {"BASE_IMAGE": name}
    finally:
        _runs(["docker", "image", "rm", name], environment)


def _make_base_image(name: str, environment: Mapping[str, str], lacks: str) -> None:
    with _mounted_folder() as folder:
        root, archive = folder / "root", folder / "root.tar"
        packages = "--include=ca-certificates,python3,python3-venv"
        _make(["debootstrap", "--variant=minbase", packages, "bookworm", str(root), *_mirror()], environment, lacks)
        # Whoever the machine trusts besides, as a company's mirror, the build must trust as well.
        if (own := Path("/") / _CERTIFICATES).is_dir():
            shutil.copytree(own, root / _CERTIFICATES, dirs_exist_ok=True)
            _make(["chroot", str(root), "update-ca-certificates"], environment, lacks)
        _make(["tar", "-C", str(root), "-cf", str(archive), "."], environment, lacks)
        _make(["docker", "import", str(archive), name], environment, lacks)


def _mirror() -> list[str]:
    """The mirror of bookworm that this machine has its own packages from; without one, debootstrap knows a default."""
    if shutil.which("apt-get") is None:
        return []
    wanted = ["Created-By: Packages", "Codename: bookworm", "Component: main"]
    done = subprocess.run(["apt-get", "indextargets", "--format=$(REPO_URI)", *wanted], **CAPTURED)
    return done.stdout.split()[:1] if done.returncode == 0 else []


@contextmanager
def _pip_indexes() -> Iterator[dict[str, str]]:
    """What pip is told here about indexes; those that are folders are served on 127.0.0.1 to the build."""
    with ExitStack() as served:
        settings: dict[str, str] = {}
        for key in ("index-url", "extra-index-url"):
            addresses = _pip_setting(key).split()
            for place, address in enumerate(addresses):
                if address.startswith("file:///"):
                    addresses[place] = served.enter_context(_serve(Path(address.removeprefix("file://"))))
                    settings["BUILD_NETWORK"] = "host"
            settings["PIP_" + key.upper().replace("-", "_")] = " ".join(addresses)
        yield settings


def _pip_setting(key: str) -> str:
    of_environment = os.environ.get("PIP_" + key.upper().replace("-", "_"))
    if of_environment is not None:
        return of_environment
    done = subprocess.run([sys.executable, "-m", "pip", "config", "get", f"global.{key}"], **CAPTURED)
    return done.stdout if done.returncode == 0 else ""


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Say nothing of each file."""


@contextmanager
def _serve(index: Path) -> Iterator[str]:
    """The address of an index for the while; its pages may lead to files beside it."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=index.parent))
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/{index.name}"
    finally:
        server.shutdown()
        server.server_close()


@contextmanager
def _mounted_folder() -> Iterator[Path]:
    """A temporary folder, removed with what is mounted in it."""
    folder = Path(tempfile.mkdtemp(prefix="spark-mf-"))
    try:
        yield folder
    finally:
        points = [line.split()[1] for line in Path("/proc/self/mounts").read_text().splitlines()]
        for point in reversed(points):
            if Path(point).is_relative_to(folder):
                subprocess.run(["umount", point], check=True)
        shutil.rmtree(folder)


def _answers(environment: Mapping[str, str]) -> bool:
    return _runs(["docker", "info", "--format", "{{.ServerVersion}}"], environment)


def _runs(command: list[str], environment: Mapping[str, str]) -> bool:
    return subprocess.run(command, env=environment, **CAPTURED).returncode == 0


def _make(command: list[str], environment: Mapping[str, str], lacks: str) -> None:
    done = subprocess.run(command, env=environment, **CAPTURED)
    if done.returncode != 0:
        raise UnavailableError(f"{lacks}, and `{command[0]}` cannot make one: {_last_line(done.stdout)}")


def _last_line(text: str) -> str:
    return text.rstrip().rpartition("\n")[2]
